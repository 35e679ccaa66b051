//! What the generated proxies are made of: whom one can call, with which arguments, and the streams of both directions.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::codec::{Codec, Payload};
use crate::error::{CallError, EncodeError, HubError};

/// Somewhere a message can be sent: one connection, a user, a group, everyone.
///
/// Generated proxies call it; calling it by hand is the untyped door for peers without a Rust contract.
pub trait Remote: Send + Sync {
    /// Calls `target` without waiting for an answer. Success means that the message was handed over, not that it was
    /// received (P-LT-02).
    fn send<A: Arguments>(&self, target: &str, arguments: A) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// A remote that is exactly one connection, and so can answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a single connection, so it cannot answer",
    label = "only a caller or one connection can return a result",
    note = "use `.caller()` or `.connection(id)`"
)]
pub trait Answers: Remote {
    /// Calls `target` and waits for its result.
    fn invoke<A: Arguments, T: DeserializeOwned + Send>(
        &self,
        target: &str,
        arguments: A,
    ) -> impl Future<Output = Result<T, CallError>> + Send;
}

/// A connection to a hub, which streams in both directions. A hub cannot ask its clients for streams.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection to a hub, so it cannot stream",
    label = "only a client's connection can stream"
)]
pub trait Streams: Answers {
    /// Calls the streaming method `target`. Dropping the items cancels the stream.
    fn stream<A: Arguments, T: DeserializeOwned + Send + 'static>(&self, target: &str, arguments: A) -> Items<T>;
}

/// A contract's proxy, before it is bound to somebody: `ChatClientProxy` stands for `ChatClientProxy<R>` of any `R`.
pub trait Proxy {
    /// The proxy that calls `R`.
    type Bound<R: Remote>;

    /// Binds the proxy to a remote.
    fn bind<R: Remote>(remote: R) -> Self::Bound<R>;
}

/// The `R` of a proxy that is not bound yet.
#[derive(Debug, Clone, Copy)]
pub struct Unbound;

/// The proxy of hubs whose clients have no Rust contract: the bare [`Remote`].
#[derive(Debug, Clone, Copy)]
pub struct Untyped;

impl Proxy for Untyped {
    type Bound<R: Remote> = R;

    fn bind<R: Remote>(remote: R) -> R {
        remote
    }
}

/// One argument: any [`Serialize`] value, or an [`Upload`].
pub trait Argument: Send {
    /// What is written into the argument list.
    type Value: Serialize + ?Sized;

    /// Whether this is an upload.
    const IS_UPLOAD: bool = false;

    /// The value, or `None` for an upload, which leaves the argument list for the list of streams (P-UP-01).
    fn value(&self) -> Option<&Self::Value>;

    /// The stream, if this argument is one.
    fn into_upload(self) -> Option<OutgoingUpload>;
}

impl<T: Serialize + Send> Argument for T {
    type Value = T;

    fn value(&self) -> Option<&T> {
        Some(self)
    }

    fn into_upload(self) -> Option<OutgoingUpload> {
        None
    }
}

impl<T: Serialize + Send + 'static> Argument for Upload<T> {
    type Value = ();

    const IS_UPLOAD: bool = true;

    fn value(&self) -> Option<&()> {
        None
    }

    fn into_upload(self) -> Option<OutgoingUpload> {
        match self.0 {
            Source::Application(items) => Some(OutgoingUpload(Box::pin(Encoding(items)))),
            // An upload that came in was decoded by nobody yet: it can be read, not sent on.
            Source::Peer(_) | Source::Over => None,
        }
    }
}

/// The arguments of a call: a tuple of up to 16, `()` for none, an [`ArgumentList`] where only the running program knows
/// how many there are.
pub trait Arguments: Send {
    /// How many of them are uploads.
    const UPLOADS: usize;

    /// Encodes the values, without the uploads.
    ///
    /// # Errors
    /// When a value's `Serialize` fails.
    fn encode(&self, codec: Codec) -> Result<Payload, EncodeError>;

    /// The uploads, in the order of the arguments.
    fn into_uploads(self) -> Vec<OutgoingUpload>;
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            const UPLOADS: usize = 0 $(+ $name::IS_UPLOAD as usize)*;

            fn encode(&self, codec: Codec) -> Result<Payload, EncodeError> {
                struct Values<'a, $($name),*>(&'a ($($name,)*));
                impl<$($name: Argument),*> Serialize for Values<'_, $($name),*> {
                    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                        let count = 0 $(+ usize::from(self.0.$index.value().is_some()))*;
                        let mut values = serializer.serialize_seq(Some(count))?;
                        $(if let Some(value) = self.0.$index.value() { values.serialize_element(value)?; })*
                        values.end()
                    }
                }
                codec.encode_value(&Values(self))
            }

            fn into_uploads(self) -> Vec<OutgoingUpload> {
                let mut uploads = Vec::new();
                $(uploads.extend(self.$index.into_upload());)*
                uploads
            }
        }
    )*};
}

impl Arguments for () {
    const UPLOADS: usize = 0;

    fn encode(&self, codec: Codec) -> Result<Payload, EncodeError> {
        codec.encode_value::<[(); 0]>(&[])
    }

    fn into_uploads(self) -> Vec<OutgoingUpload> {
        Vec::new()
    }
}

/// Arguments of a call whose number is known only at run time: one for each value.
///
/// A bare `Vec` is no list of arguments, so that nobody who means one argument sends several.
///
/// ```
/// use hub_core::{ArgumentList, Arguments, Codec};
///
/// let arguments: ArgumentList<u32> = (1..4).collect();
/// assert_eq!(&arguments.encode(Codec::Json).unwrap().bytes()[..], b"[1,2,3]");
/// let one = (vec![1, 2, 3],);
/// assert_eq!(&one.encode(Codec::Json).unwrap().bytes()[..], b"[[1,2,3]]");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgumentList<T>(pub Vec<T>);

impl<T: Serialize + Send> Arguments for ArgumentList<T> {
    const UPLOADS: usize = 0;

    fn encode(&self, codec: Codec) -> Result<Payload, EncodeError> {
        codec.encode_value(&self.0)
    }

    fn into_uploads(self) -> Vec<OutgoingUpload> {
        Vec::new()
    }
}

impl<T> FromIterator<T> for ArgumentList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15)
}

/// What comes in on a stream before its type is known.
pub type Payloads<E> = Pin<Box<dyn Stream<Item = Result<Payload, E>> + Send>>;

/// The items of a streaming call. Dropping it cancels the stream (P-CAN-01).
pub struct Items<T> {
    payloads: Payloads<CallError>,
    of: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    /// The typed view of what arrives on a stream.
    pub fn new(payloads: Payloads<CallError>) -> Self {
        Self { payloads, of: PhantomData }
    }
}

impl<T: DeserializeOwned> Stream for Items<T> {
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.payloads.as_mut().poll_next(cx));
        Poll::Ready(item.map(|item| item?.read().map_err(|error| CallError::Decode(error.to_string()))))
    }
}

/// A stream from the caller: a parameter of a hub method, or an argument of a call.
///
/// In a hub method it yields what the caller sends. It ends with an error when the caller ends it with one (whose text
/// is public), when an item is not a `T` (P-UP-06: what comes behind it is dropped, the call and the connection go on), or
/// when the connection is lost (P-UP-10).
pub struct Upload<T>(Source<T>);

enum Source<T> {
    Application(Pin<Box<dyn Stream<Item = T> + Send>>),
    Peer(IncomingUpload),
    /// After an item that was not a `T`.
    Over,
}

/// An upload as it reaches the server: undecoded items.
pub struct IncomingUpload {
    /// The items; an error is the last of them.
    pub payloads: Payloads<HubError>,
    /// Whether an item that does not convert is explained in detail (P-UP-06).
    pub detailed_errors: bool,
}

impl<T> Upload<T> {
    /// The argument that streams `items` to the hub.
    pub fn new(items: impl Stream<Item = T> + Send + 'static) -> Self {
        Self(Source::Application(Box::pin(items)))
    }

    /// The parameter that yields what the caller sends.
    pub fn incoming(upload: IncomingUpload) -> Self {
        Self(Source::Peer(upload))
    }
}

impl<T: DeserializeOwned> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Source::Application(items) => items.as_mut().poll_next(cx).map(|item| item.map(Ok)),
            Source::Peer(upload) => {
                let Some(item) = ready!(upload.payloads.as_mut().poll_next(cx)) else { return Poll::Ready(None) };
                let detailed = upload.detailed_errors;
                Poll::Ready(Some(item.and_then(|item| {
                    item.read().map_err(|error| {
                        self.0 = Source::Over;
                        error.of_upload(detailed)
                    })
                })))
            }
            Source::Over => Poll::Ready(None),
        }
    }
}

/// A stream that leaves with a call, its items encoded as they are taken.
pub struct OutgoingUpload(Pin<Box<dyn EncodedItems>>);

impl OutgoingUpload {
    /// The next item in this protocol, or the text with which the stream ends in an error (P-UP-02).
    pub fn poll_next(&mut self, codec: Codec, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, String>>> {
        self.0.as_mut().poll_next(codec, cx)
    }
}

trait EncodedItems: Send {
    fn poll_next(self: Pin<&mut Self>, codec: Codec, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, String>>>;
}

struct Encoding<T>(Pin<Box<dyn Stream<Item = T> + Send>>);

impl<T: Serialize> EncodedItems for Encoding<T> {
    fn poll_next(
        mut self: Pin<&mut Self>,
        codec: Codec,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Payload, String>>> {
        let item = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(item.map(|item| codec.encode_value(&item).map_err(|error| error.to_string())))
    }
}
