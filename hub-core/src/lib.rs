//! The SignalR hub protocol without IO, and what contracts between hubs and clients are made of.
//!
//! An application's contract crate depends on this crate alone: no runtime, no sockets.
//!
//! ```
//! use hub_core::{Result, Stream, Upload, contract};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! pub struct Line { pub from: String, pub text: String }
//!
//! /// What a client may ask of the hub.
//! #[contract]
//! pub trait ChatHub {
//!     async fn say(&self, room: &str, text: &str) -> Result<u64>;
//!     async fn typing(&self, room: &str);
//!     fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<Line>>;
//!     async fn import(&self, room: &str, lines: Upload<Line>) -> Result<u64>;
//! }
//!
//! /// What the hub may ask of a client. No arrow: a notice. An arrow: a question.
//! #[contract]
//! pub trait ChatClient {
//!     async fn said(&self, room: &str, line: &Line);
//!     async fn confirm(&self, question: &str) -> Result<bool>;
//! }
//! ```
//!
//! The hub implements `ChatHub` under `#[hub]` (crate `hub-server`) and calls its clients through the generated
//! `ChatClientProxy`; the client implements `ChatClient` under `#[callbacks]` (crate `hub-client`) and calls the hub
//! through `ChatHubProxy`. On the wire the methods are `Say`, `Typing`, `History`, ...
//!
//! # Values on the wire
//!
//! What goes over the wire is [`serde`]'s business, in forms that clients of .NET and JavaScript have:
//!
//! | in Rust | in JSON | in MessagePack |
//! | --- | --- | --- |
//! | integers | a number | the shortest integer; what 64 bits cannot hold is decimal text |
//! | `f32`, `f64` | a number, `2` if it is whole; not a number is null | float32, float64. Integers are read too, as fractions |
//! | `String`, `char` | text | str, which must be UTF-8; bytes and dates are none |
//! | [`Binary`] | base64 | bin; str is read as its UTF-8, and a list of numbers |
//! | [`Timestamp`], `chrono::DateTime<Utc>`, `jiff::Timestamp` | text as RFC 3339 | extension -1 |
//! | structs | objects, whose members are read in any case | maps by name, whose case matters |
//! | enums | their name, or an object of one member | their name, or a map of one entry |
//! | `Option` | null or the value | nil or the value |
//! | tuples, lists | arrays | arrays |
//!
//! - Members that are unknown are skipped, and the last of several of one name wins.
//! - A list is no object, and a number no name.
//! - **Null is for `Option` alone.** .NET has a null for every text, list and object, so a client may send one where it
//!   means nothing: a parameter or member that may be null is an `Option`, or has `#[serde(default, deserialize_with =
//!   "..")]`. A null that is refused is in the server's log at debug, with its place: ``argument 1: `Items[0].Name`:
//!   invalid type: null, expected a string (what may be null is an `Option`)``.
//! - `serde_json::Value` takes any value, and dates and bytes as JSON has them.
//!
//! Sources: P-JSON-17, P-JSON-20, P-MP-09 to P-MP-12, P-INV-08.
//!
//! # Layout
//!
//! For those who read the code, in this order:
//! - [`message`]: the messages of the protocol;
//! - [`framing`]: bytes to whole frames;
//! - [`Codec`]: a frame to a message, its payloads left undecoded, and back;
//! - [`handshake`]: the first message each way;
//! - [`negotiate`]: what precedes a connection, over HTTP;
//! - [`Args`]: arguments to typed values;
//! - [`session`]: the state machine of a connection, for both ends;
//! - [`dispatch`]: what the macros generate;
//! - [`Outgoing`]: a message to many;
//! - [`backplane`]: how several nodes serve one hub.
//!
//! # Features
//!
//! None is on by default.
//! - `conformance`: the module `conformance`, with the suite that every [backplane] passes, and backplanes that lose
//!   deliveries or fall silent on demand. For tests.
//!
//! Rules are cited by number (`P-INV-05`) from the project's wire checklist.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod args;
pub mod backplane;
mod caller;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
pub mod dispatch;
mod error;
pub mod framing;
pub mod handshake;
pub mod message;
pub mod negotiate;
mod one_line;
mod options;
mod outgoing;
pub mod session;
mod together;

pub use futures_core::Stream;
pub use hub_macros::contract;

pub use self::args::{Args, ArgsError, Lend};
pub use self::caller::{Caller, Identity};
pub use self::codec::{Binary, Codec, MAX_DEPTH, Payload, Timestamp, TimestampError, TransferFormat};
pub use self::contract::{
    Answers, Argument, ArgumentList, Arguments, IncomingUpload, Items, OutgoingUpload, Payloads, Proxy, Remote,
    Streams, Unbound, Untyped, Upload,
};
pub use self::dispatch::{Callbacks, Dispatch};
pub use self::error::{CallError, EncodeError, HubError, ProtocolError, Result, short_type_name, with_detail};
pub use self::message::{ConnectionId, GroupName, InvocationId, UserId};
pub use self::one_line::OneLine;
pub use self::options::InvalidOption;
pub use self::outgoing::{Outgoing, with_outgoing};
