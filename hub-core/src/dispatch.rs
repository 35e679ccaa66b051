//! What `#[hub]` and `#[callbacks]` generate: a table of methods, and how one of them is run.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};

use crate::args::{Args, ArgsError};
use crate::caller::Caller;
use crate::codec::{Codec, Payload};
use crate::contract::{IncomingUpload, Upload};
use crate::error::HubError;

/// A future that a task may own.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The methods that clients may call. `#[hub]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no hub methods",
    label = "not a hub",
    note = "put `#[hub]` on the impl that holds its methods"
)]
pub trait Dispatch: Sized + Send + Sync + 'static {
    /// One entry a method. Names differ when case is ignored (P-INV-01).
    const METHODS: &'static [Method<Self>];
}

/// The methods that the hub may call on a client. `#[callbacks]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no callbacks",
    label = "a hub could call nothing here",
    note = "put `#[callbacks]` on the impl that holds them"
)]
pub trait Callbacks: Sized + Send + Sync + 'static {
    /// One entry a method.
    const METHODS: &'static [Method<Arc<Self>>];
}

/// Decides whether a caller may use a method.
pub type Policy = fn(&Caller<'_>) -> bool;

/// One method, called on an `H`: the hub value of the call, or the callbacks that all calls share.
pub struct Method<H: 'static> {
    /// The name on the wire.
    pub name: &'static str,
    /// Whether callers get nothing, one answer or a stream.
    pub kind: Kind,
    /// Whether a call may be dropped where it waits, when its caller cancels it or has gone. A stream always may; what is
    /// neither runs to its end (P-CX-10).
    pub cancellable: bool,
    /// How many of the parameters are streams from the caller.
    pub uploads: usize,
    /// All of them must agree.
    pub policies: &'static [Policy],
    /// Reads the arguments, then asks for the hub, then starts the method (the order of P-INV-11).
    pub start: Start<H>,
}

/// See [`Method::start`]. The closure hands out the hub, or says why this caller gets none.
pub type Start<H> = fn(Call, &mut dyn FnMut() -> Option<H>) -> Result<Started, ArgsError>;

/// A running method, or `None` where the closure of [`Start`] gave no hub. The payload is the result, which is null
/// for a method without one (P-INV-12).
pub type Started = Option<BoxFuture<Result<Payload, HubError>>>;

/// What a method answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing. A hub answers null to those who wait for it (P-INV-12), a client that there is no result (P-CR-07).
    Notice,
    /// One result.
    Answer,
    /// Items, until the stream ends.
    Stream,
}

/// What a method is called with.
pub struct Call {
    /// The arguments as they came.
    pub arguments: Args,
    /// The streams from the caller, in the order of the parameters.
    pub uploads: Vec<IncomingUpload>,
    /// Where a stream's items go; `None` when the caller asked for a single answer.
    pub items: Option<Box<dyn ItemSink>>,
}

impl Call {
    /// Reads all arguments, as a tuple.
    ///
    /// # Errors
    /// When there are more or fewer than the tuple has, or one is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.arguments.read()
    }

    /// Takes the next stream from the caller.
    pub fn upload<T: DeserializeOwned>(&mut self) -> Upload<T> {
        if self.uploads.is_empty() {
            // Fewer streams than parameters: the call is refused before it runs (P-UP-03).
            return Upload::incoming(IncomingUpload { payloads: Box::pin(Ended), detailed_errors: false });
        }
        Upload::incoming(self.uploads.remove(0))
    }

    /// The protocol to answer in.
    pub fn codec(&self) -> Codec {
        self.arguments.codec()
    }
}

/// Where a streaming method's items go.
pub trait ItemSink: Send + Sync {
    /// Ready when another item may be pushed (P-STR-09).
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Hands an item over.
    fn push(&self, item: Payload);
}

/// Encodes the result of a method.
///
/// # Errors
/// When its `Serialize` fails: the caller gets an error, and the connection stays (P-DIV-03).
pub fn answer<T: Serialize>(codec: Codec, result: &T) -> Result<Payload, HubError> {
    Ok(codec.encode_value(result)?)
}

/// Sends the items of a stream until it ends, fails, or this future is dropped.
///
/// # Errors
/// The first error of the stream, or an item that cannot be encoded.
pub async fn pump<T, E, S>(codec: Codec, items: Option<Box<dyn ItemSink>>, stream: S) -> Result<Payload, HubError>
where
    T: Serialize,
    E: Into<HubError>,
    S: Stream<Item = Result<T, E>>,
{
    if let Some(sink) = items {
        let mut stream = pin!(stream);
        loop {
            std::future::poll_fn(|cx| sink.poll_room(cx)).await;
            match std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                Some(item) => sink.push(codec.encode_value(&item.map_err(Into::into)?)?),
                None => break,
            }
        }
    }
    Ok(Payload::null(codec))
}

struct Ended;

impl Stream for Ended {
    type Item = Result<Payload, HubError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}
