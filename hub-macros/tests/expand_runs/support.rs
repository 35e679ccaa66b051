//! A dispatcher without a server, and a remote without a connection.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::{StreamExt, stream};
use hub_core::dispatch::{Call, ItemSink, Kind, Method};
use hub_core::{
    Answers, Args, Arguments, CallError, Callbacks, Codec, Dispatch, IncomingUpload, Items, Payload, Remote, Streams,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Calls a method of a hub. What comes out is its items, if it streams, and its result.
pub(crate) fn call_hub<H: Dispatch>(hub: H, name: &str, arguments: impl Into<Value>) -> Outcome {
    call(H::METHODS, hub, name, &arguments.into(), Vec::new())
}

/// The same, with streams from the caller.
pub(crate) fn call_hub_with<H: Dispatch>(
    hub: H,
    name: &str,
    arguments: impl Into<Value>,
    uploads: Vec<Vec<Value>>,
) -> Outcome {
    call(H::METHODS, hub, name, &arguments.into(), uploads)
}

/// Calls a callback.
pub(crate) fn call_back<C: Callbacks>(callbacks: &Arc<C>, name: &str, arguments: impl Into<Value>) -> Outcome {
    call(C::METHODS, callbacks.clone(), name, &arguments.into(), Vec::new())
}

/// What a call led to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) items: Vec<Value>,
    pub(crate) result: Result<Value, String>,
}

impl Outcome {
    pub(crate) fn answered(result: impl Into<Value>) -> Self {
        Self { items: Vec::new(), result: Ok(result.into()) }
    }

    pub(crate) fn failed(error: &str) -> Self {
        Self { items: Vec::new(), result: Err(error.into()) }
    }
}

pub(crate) fn method<H>(methods: &'static [Method<H>], name: &str) -> &'static Method<H> {
    methods.iter().find(|method| method.name.eq_ignore_ascii_case(name)).expect("the method exists")
}

fn call<H>(methods: &'static [Method<H>], hub: H, name: &str, arguments: &Value, uploads: Vec<Vec<Value>>) -> Outcome {
    let method = method(methods, name);
    assert_eq!(method.uploads, uploads.len());
    let sink = Sink::default();
    let call = Call {
        arguments: Args::new(payload(arguments)),
        uploads: uploads.into_iter().map(incoming).collect(),
        items: (method.kind == Kind::Stream).then(|| Box::new(sink.clone()) as Box<dyn ItemSink>),
    };
    let mut hub = Some(hub);
    let result = match (method.start)(call, &mut || hub.take()) {
        Ok(running) => {
            ready(running.expect("the hub was given")).map(|payload| value(&payload)).map_err(|error| error.to_string())
        }
        Err(error) => {
            assert!(hub.is_some(), "the hub is asked for after the arguments are read");
            Err(error.to_string())
        }
    };
    let items = sink.0.lock().unwrap().iter().map(value).collect();
    Outcome { items, result }
}

fn incoming(items: Vec<Value>) -> IncomingUpload {
    let payloads = stream::iter(items).map(|item| Ok(payload(&item)));
    IncomingUpload { payloads: Box::pin(payloads), detailed_errors: false }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<Payload>>>);

impl ItemSink for Sink {
    fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn push(&self, item: Payload) {
        self.0.lock().unwrap().push(item);
    }
}

/// A connection to a hub that keeps what it is asked and answers each call with the same value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) answer: Value,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A call as it would leave: its target, its arguments, and the items of its uploads.
pub(crate) type Asked = (String, Value, Vec<Vec<Value>>);

impl Connection {
    pub(crate) fn answering(answer: impl Into<Value>) -> Self {
        Self { answer: answer.into(), asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn ask<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        let values = value(&arguments.encode(Codec::Json)?);
        let uploads = arguments.into_uploads().into_iter().map(|mut upload| {
            let mut items = Vec::new();
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(item)) = upload.poll_next(Codec::Json, &mut cx) {
                items.push(value(&item.unwrap()));
            }
            items
        });
        let asked = (target.to_owned(), values, uploads.collect());
        self.asked.lock().unwrap().push(asked);
        Ok(())
    }
}

impl Remote for Connection {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        self.ask(target, arguments)
    }
}

impl Answers for Connection {
    async fn invoke<A: Arguments, T: DeserializeOwned + Send>(
        &self,
        target: &str,
        arguments: A,
    ) -> Result<T, CallError> {
        self.ask(target, arguments)?;
        payload(&self.answer).read().map_err(|error| CallError::Decode(error.to_string()))
    }
}

impl Streams for Connection {
    fn stream<A: Arguments, T: DeserializeOwned + Send + 'static>(&self, target: &str, arguments: A) -> Items<T> {
        let asked = self.ask(target, arguments).map(|()| payload(&self.answer));
        Items::new(Box::pin(stream::iter([asked])))
    }
}

/// The value of a future that does not wait for anything.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn payload(value: &Value) -> Payload {
    Codec::Json.encode_value(value).unwrap()
}

fn value(payload: &Payload) -> Value {
    payload.read().unwrap()
}
