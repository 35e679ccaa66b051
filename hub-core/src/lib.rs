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
