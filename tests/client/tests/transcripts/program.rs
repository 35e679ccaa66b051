//! The program of a replay: it does with our client what the recorded program did with .NET's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client_tests::deadline;
use futures_util::{FutureExt, StreamExt, stream};
use hub_client::{Builder, ConnectError, Connection, Event, Events, State};
use hub_core::{Argument, Arguments, CallError, Codec, EncodeError, OutgoingUpload, Payload, Upload};
use rmpv::Value;
use serde::{Serialize, Serializer};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::handlers::Handlers;

/// A call or stream: the connection it was made on, and its recorded id there.
pub(crate) type Key = (u32, String);

/// How a call ended for the one who made it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Value(Value),
    /// The items of a stream that are what was expected, how many were not, and the error at its end.
    Items(Vec<Value>, usize, Option<CallError>),
    Failed(CallError),
    /// Nobody wanted it any more.
    Given,
}

/// What a call's result, or a stream's items, are read as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Anything,
    Integer,
    Text,
}

/// One connection of our client, from its start to its end.
pub(crate) struct Program {
    connecting: Option<JoinHandle<Result<Connection, ConnectError>>>,
    pub(crate) started: Option<Result<Connection, ConnectError>>,
    events: Option<Events>,
    pub(crate) handlers: Handlers,
    calls: VecDeque<(Key, Running)>,
    uploads: HashMap<Key, UnboundedSender<Item>>,
    pub(crate) outcomes: Vec<(Key, Outcome)>,
    /// How often a token was asked for.
    pub(crate) tokens: Arc<AtomicUsize>,
    stopping: Option<JoinHandle<()>>,
}

struct Running {
    task: JoinHandle<Outcome>,
    give_up: Option<oneshot::Sender<()>>,
}

/// An item of an upload, or the error that ends it.
pub(crate) enum Item {
    Value(Value),
    Fail,
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Fail => Err(serde::ser::Error::custom("upload boom")),
        }
    }
}

/// Arguments as they were recorded, and so many uploads.
struct Passed<const UPLOADS: usize> {
    values: Vec<Value>,
    uploads: Vec<Upload<Item>>,
}

impl<const UPLOADS: usize> Arguments for Passed<UPLOADS> {
    const UPLOADS: usize = UPLOADS;

    fn encode(&self, codec: Codec) -> Result<Payload, EncodeError> {
        codec.encode_value(&self.values)
    }

    fn into_uploads(self) -> Vec<OutgoingUpload> {
        self.uploads.into_iter().filter_map(Argument::into_upload).collect()
    }
}

impl Program {
    pub(crate) fn start(builder: Builder, handlers: Handlers, tokens: Arc<AtomicUsize>) -> Self {
        Self {
            connecting: Some(tokio::spawn(builder.connect())),
            started: None,
            events: None,
            handlers,
            calls: VecDeque::new(),
            uploads: HashMap::new(),
            outcomes: Vec::new(),
            tokens,
            stopping: None,
        }
    }

    /// The connection, once it is made.
    pub(crate) async fn connection(&mut self) -> Result<Connection, String> {
        if let Some(connecting) = self.connecting.take() {
            let connected = deadline("the connection", connecting).await.map_err(|error| error.to_string())?;
            self.events = connected.as_ref().ok().map(Connection::events);
            self.started = Some(connected);
        }
        match &self.started {
            Some(Ok(connection)) => Ok(connection.clone()),
            other => Err(format!("there is no connection: {other:?}")),
        }
    }

    /// The connection as soon as it is usable, which it may have to become again.
    async fn connected(&mut self) -> Result<Connection, String> {
        let connection = self.connection().await?;
        let mut state = connection.state();
        let connected = state.wait_for(|state| *state == State::Connected);
        deadline("the connection to be usable", connected).await.map_err(|error| error.to_string())?;
        Ok(connection)
    }

    /// Makes a call as recorded. `streaming` is as on the wire; without `answered` it is a send.
    pub(crate) async fn call(
        &mut self,
        key: Key,
        target: &str,
        values: &[Value],
        uploads: &[Key],
        (answered, streaming): (bool, bool),
        reads: Reads,
    ) -> Result<(), String> {
        let connection = self.connected().await?;
        let uploads: Vec<Upload<Item>> = uploads
            .iter()
            .map(|upload| {
                let (items, mut rest) = unbounded_channel();
                self.uploads.insert(upload.clone(), items);
                Upload::new(stream::poll_fn(move |cx| rest.poll_recv(cx)))
            })
            .collect();
        let (target, values) = (target.to_owned(), values.to_vec());
        let (give_up, given_up) = oneshot::channel();
        let call = async move {
            match uploads.len() {
                0 => run(connection, target, Passed::<0> { values, uploads }, (answered, streaming), reads).await,
                1 => run(connection, target, Passed::<1> { values, uploads }, (answered, streaming), reads).await,
                _ => run(connection, target, Passed::<2> { values, uploads }, (answered, streaming), reads).await,
            }
        };
        let mut call = Box::pin(async move {
            tokio::select! {
                biased;
                outcome = call => outcome,
                Ok(()) = given_up => Outcome::Given,
            }
        });
        // Handed over here and now, before the next.
        let task = match (&mut call).now_or_never() {
            Some(outcome) => tokio::spawn(async { outcome }),
            None => tokio::spawn(call),
        };
        self.calls.push_back((key, Running { task, give_up: Some(give_up) }));
        Ok(())
    }

    /// Wants no more of a call.
    pub(crate) fn give_up(&mut self, key: &Key) {
        let call = self.calls.iter_mut().find(|(of, _)| of == key);
        let _ = call.and_then(|(_, call)| call.give_up.take()).map(|give_up| give_up.send(()));
    }

    /// Sends an item of an upload, or ends it.
    pub(crate) fn upload(&mut self, key: &Key, item: Option<Item>) -> Result<(), String> {
        let Some(item) = item else {
            self.uploads.remove(key);
            return Ok(());
        };
        let upload = self.uploads.get(key).ok_or(format!("{key:?} is no upload"))?;
        upload.send(item).map_err(|_| format!("nobody reads the upload {key:?}"))
    }

    /// Waits for a call to end.
    pub(crate) async fn settle(&mut self, key: &Key) -> Result<(), String> {
        let Some(at) = self.calls.iter().position(|(of, _)| of == key) else { return Ok(()) };
        let Some((key, call)) = self.calls.remove(at) else { return Ok(()) };
        let outcome = deadline(&format!("the end of {key:?}"), call.task).await.map_err(|error| error.to_string())?;
        self.outcomes.push((key, outcome));
        Ok(())
    }

    /// Stops the connection, which the recorded program did when it was connected.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        let connection = self.connected().await?;
        let mut stopping = Box::pin(async move { connection.stop().await });
        if (&mut stopping).now_or_never().is_none() {
            self.stopping = Some(tokio::spawn(stopping));
        }
        Ok(())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopping.is_some()
    }

    /// Waits for the end of everything. Gives what became of the connection.
    pub(crate) async fn finish(&mut self) -> Result<Vec<Event>, String> {
        let Ok(connection) = self.connection().await else { return Ok(Vec::new()) };
        if let Some(stopping) = &mut self.stopping {
            deadline("the stop", stopping).await.map_err(|error| error.to_string())?;
        }
        deadline("the end of the connection", connection.closed()).await;
        while let Some((key, _)) = self.calls.front() {
            let key = key.clone();
            self.settle(&key).await?;
        }
        let refused = connection.invoke::<Value>("Echo", ()).await;
        if *connection.state().borrow() != State::Disconnected || !matches!(refused, Err(CallError::Refused(_))) {
            return Err(format!("after its end a call gives {refused:?}"));
        }
        let events = self.events.take().expect("it is connected");
        Ok(deadline("the last event", events.collect()).await)
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens.load(Ordering::Relaxed)
    }
}

async fn run(
    connection: Connection,
    target: String,
    arguments: impl Arguments,
    (answered, streaming): (bool, bool),
    reads: Reads,
) -> Outcome {
    if streaming {
        return match reads {
            Reads::Text => collect(connection.stream::<String>(&target, arguments), Value::from).await,
            _ => collect(connection.stream::<Value>(&target, arguments), |value| value).await,
        };
    }
    let result = match (answered, reads) {
        (false, _) => connection.send(&target, arguments).await.map(|()| Value::Nil),
        (true, Reads::Anything) => connection.invoke::<Value>(&target, arguments).await,
        (true, Reads::Integer) => connection.invoke::<i32>(&target, arguments).await.map(Value::from),
        (true, Reads::Text) => connection.invoke::<String>(&target, arguments).await.map(Value::from),
    };
    result.map_or_else(Outcome::Failed, Outcome::Value)
}

async fn collect<T: serde::de::DeserializeOwned>(mut items: hub_core::Items<T>, to: fn(T) -> Value) -> Outcome {
    let (mut values, mut misread) = (Vec::new(), 0);
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => values.push(to(item)),
            Err(CallError::Decode(_)) => misread += 1,
            Err(error) => return Outcome::Items(values, misread, Some(error)),
        }
    }
    Outcome::Items(values, misread, None)
}
