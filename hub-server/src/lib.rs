//! SignalR hubs on [axum](https://docs.rs/axum): annotated structs that clients call, and that call their clients.
//!
//! ```no_run
//! use hub_core::{Result, contract};
//! use hub_server::{Context, Hub, HubRoute, hub};
//!
//! /// What the hub may ask of a client.
//! #[contract]
//! pub trait ChatClient {
//!     async fn said(&self, from: &str, text: &str);
//! }
//!
//! /// One value per call: who is calling, and whatever state you give it.
//! struct Chat { cx: Context<Chat> }
//!
//! impl Hub for Chat {
//!     type Client = ChatClientProxy;
//!     async fn connected(&self) -> Result<()> { self.cx.join("lobby").await }
//! }
//!
//! #[hub]
//! impl Chat {
//!     #[method]
//!     async fn say(&self, text: &str) -> Result<()> {
//!         let from = self.cx.user_id().unwrap_or("somebody");
//!         self.cx.group("lobby").said(from, text).await?;
//!         Ok(())
//!     }
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! let app: axum::Router = axum::Router::new().merge(HubRoute::new(|cx| Chat { cx }).at("/chat"));
//! let listener = tokio::net::TcpListener::bind("localhost:5000").await?;
//! hub_server::serve(listener, app).await
//! # }
//! ```
//!
//! Any SignalR client can connect: `new HubConnectionBuilder().withUrl("http://localhost:5000/chat")`. The wire is that of
//! ASP.NET Core SignalR, over WebSockets, in JSON and MessagePack.
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `jwt` | no | [`jwt`]: callers identified by a signed token |
//!
//! # One message, from socket to method and back
//!
//! 1. `transport/web_socket.rs` hands bytes to
//! 2. `connection.rs`, the one task of a connection, which gives them to
//! 3. [`hub_core::session::Session`], which cuts frames, decodes them, and puts out a call;
//! 4. `dispatcher.rs` finds the method, has its arguments decoded, asks the policies, constructs the hub and starts
//! 5. the method, whose future `calls.rs` polls until it is done. The answer goes back into the
//! 6. `Session`, comes out as bytes, and
//! 7. `transport/web_socket.rs` writes them, together with all that is ready by then.
//!
//! A callback starts in `context.rs` (or `handle.rs`), goes through `clients.rs` and `fan_out.rs` to the connections that
//! `registry.rs` lists, waits in the `outbox.rs` of each, and leaves through steps 6 and 7 of its connection.
//!
//! With a [backplane](HubRoute::backplane), what is sent to everyone, groups and users goes through `nodes/mod.rs` to all
//! nodes, comes in by `nodes/inbox.rs` at each, this one too, in the order of all ([`SendOrder`]), and takes the same way
//! from their `registry.rs` on; what is for single connections takes it only where they are elsewhere. Questions to clients
//! of other nodes are in `nodes/questions.rs`; what came here for clients that are elsewhere leaves by
//! `nodes/forwards.rs`.
//!
//! Before a connection: `route.rs` takes the HTTP requests, `admission.rs` says which are let in (`hosts.rs`, `origins.rs`)
//! and whose they are (`identify.rs`), `negotiate.rs` and `tokens.rs` hand out ids, `upgrade.rs` makes a WebSocket of one. At
//! its end: `shutdown.rs`. Every limit is in `options.rs`, every log line in `events.rs`.
//!
//! # Who waits for whom
//!
//! Nobody waits for another client. A send puts the message into the outbox of each recipient. If that has more than its
//! bound by then, the send waits until the recipient's task has had its turn, but never for its socket; who is slow, and
//! what happens then, is [`SlowReader`]'s to say. With a backplane, a send waits until that has taken the message.
//!
//! Calls of one client run in its own task, one plain call at a time by default; a method that blocks its thread must say so
//! with [`tokio::task::spawn_blocking`]. The task works off 64 messages or 64 KiB at a time, and then lets others go first.
//! What a client can make the server hold is [`HubOptions::client_bytes`] and its outbox.
//!
//! # When a method ends early
//!
//! What a client sent before it went is done, one call after the other, and then the disconnected hook runs; its socket and its
//! memberships go at once. A call runs to its end, though its client be gone, and though its caller cancel it: hub-client does so when the future
//! of a call is dropped, .NET from version 11 whenever a token fires. The answer is then for nobody, but what was accepted
//! is done, and nothing is left half done. A method that wants to know takes part in one of two ways:
//!
//! - it watches for [`Context::cancelled`], and what it does then, and returns, is its own decision;
//! - it is marked `#[cancellable]`, in the impl under `#[hub]`, and is dropped where it waits, as any future is. That suits
//!   methods that only look something up. What must not be left half done stays out of them, or goes into a task of its
//!   own: `tokio::spawn(..).await`.
//!
//! Both happen when the caller cancels the call, and when its connection ends. A stream that nobody reads any more is
//! always dropped. A cancellation is read in its turn, as with ASP.NET Core: behind a call that waits for the one before it
//! ([`HubOptions::maximum_parallel_invocations_per_client`]), it waits too.
//!
//! ```
//! # use hub_core::Result;
//! # use hub_server::hub;
//! # struct Shop;
//! #[hub]
//! impl Shop {
//!     /// Is done, whatever becomes of who ordered.
//!     #[method]
//!     async fn order(&self, article: u64) -> Result<u64> {
//! #       Ok(article)
//!         // ..
//!     }
//!
//!     /// Is dropped when nobody waits for it any more.
//!     #[method]
//!     #[cancellable]
//!     async fn search(&self, words: &str) -> Result<Vec<u64>> {
//! #       Ok(vec![words.len() as u64])
//!         // ..
//!     }
//! }
//! ```
//!
//! # What the log shows
//!
//! Log lines go to [`tracing`]. A private error or a panic is one at level ERROR, with the text of the error in one line
//! (see [`OneLine`](hub_core::OneLine)). What clients can cause as often as they like is shown once a second for each hub
//! and method; how often it happened within that second is told at its end, in the field `times`.

mod admission;
mod budget;
mod calls;
mod cancellations;
mod clients;
mod connection;
mod context;
mod dispatcher;
mod events;
mod fan_out;
mod handle;
mod held;
mod hosts;
mod hub;
mod identify;
#[cfg(feature = "jwt")]
pub mod jwt;
mod line;
mod negotiate;
mod nodes;
mod options;
mod origins;
mod outbox;
mod peer;
mod registry;
mod repeats;
mod request;
mod route;
mod serve;
mod shutdown;
mod streams_waiting;
mod tokens;
mod transport;
mod upgrade;
mod uploads;

pub use hub_core::InvalidOption;
pub use hub_macros::hub;

pub use self::clients::{Many, One};
pub use self::context::{Client, Context, DisconnectReason, Hub};
pub use self::handle::HubHandle;
pub use self::identify::Refusal;
pub use self::options::{HubOptions, SendOrder, SlowReader};
pub use self::origins::Origins;
pub use self::request::Request;
pub use self::route::HubRoute;
pub use self::serve::serve;

/// What generated code may name.
#[doc(hidden)]
pub use hub_core::__private;

/// Locks what no panic can leave half done.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Compiles what README.md shows.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
