//! What the official .NET client and ASP.NET Core said to each other, recorded in `tests/data/dotnet-client`, and how it
//! is compared with what is said now: by meaning.
//!
//! `conformance-hub` replays the client's side against our hub, `client` the server's side against our client.
//!
//! Reading order: `recording` (the files), `wire` (bytes to messages), `names` (what may differ).

mod names;
mod recording;
mod wire;

pub use self::names::Names;
pub use self::recording::{Head, Kind, Protocol, Side, Step, Transcript, recorded};
pub use self::wire::{Ended, Lane, Sent, arguments, ended, field, first_message, frame, invocation_id, kind, target};
