//! The Rust client of SignalR hubs: typed calls, streams in both directions, typed callbacks, automatic reconnect.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use hub_client::{Connection, Reconnect, callbacks};
//! use hub_core::{CallError, Result, Stream, contract};
//!
//! // The contract: a crate of its own, which the hub's server shares.
//!
//! #[contract]
//! pub trait ChatHub {
//!     async fn say(&self, room: &str, text: &str) -> Result<u64>;
//!     fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<String>>;
//! }
//!
//! #[contract]
//! pub trait ChatClient {
//!     async fn said(&self, room: &str, text: &str);
//!     async fn confirm(&self, question: &str) -> Result<bool>;
//! }
//!
//! // The client.
//!
//! struct Terminal;
//!
//! #[callbacks]
//! impl ChatClient for Terminal {
//!     async fn said(&self, room: &str, text: &str) { println!("#{room} {text}") }
//!     async fn confirm(&self, question: &str) -> Result<bool> { Ok(question.ends_with('?')) }
//! }
//!
//! # async fn run() -> Result<(), CallError> {
//! let connection = Connection::builder("http://localhost:5000/chat")
//!     .callbacks(Terminal)
//!     .reconnect(Reconnect::default())
//!     .connect()
//!     .await?;
//! let chat = ChatHubProxy::new(connection.clone());
//! chat.say("lobby", "hello").await?;
//! let mut history = chat.history("lobby", 20);
//! while let Some(line) = history.next().await {
//!     println!("{}", line?);
//! }
//! connection.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where there is no contract, the same by name:
//!
//! ```no_run
//! use hub_client::Connection;
//! use hub_core::{CallError, Items};
//!
//! # async fn run(connection: Connection) -> Result<(), CallError> {
//! let line: u64 = connection.invoke("Say", ("lobby", "hello")).await?;
//! let history: Items<String> = connection.stream("History", ("lobby", 20));
//! let registered = connection.on("Said", |room: String, text: String| async move {
//!     println!("#{room} {text}");
//! });
//! # Ok(())
//! # }
//! ```
//!
//! # Who keeps the connection
//!
//! [`Connection`] is a handle and cheap to clone. The connection ends by [`Connection::stop`], or when the last handle,
//! and the last stream of items, is dropped. A call whose future is dropped, or whose answer does not come within
//! [`Connection::with_deadline`], is cancelled, as is a stream whose [`Items`](hub_core::Items) are dropped: the hub is
//! told. Without a deadline a call waits as long as there is a connection.
//!
//! # Who waits for whom
//!
//! One task owns the socket. Handlers run in another: notices one after the other in the order in which they came,
//! questions beside them, so that a handler may call the hub and wait for the answer. What becomes of the connection
//! ([`Event`], [`Connection::closed`]) is told behind the notices that came before, whose handlers may take
//! [`Builder::close_timeout`] for it. Uploads are polled by the first task; a stream that blocks its thread delays
//! everything else.
//!
//! Whatever waits is bounded. A call waits for room in the send queue. When an application does not read the items of a
//! stream, or its handlers do not keep up, the client reads no more from the socket, unless somebody waits for
//! something else that must come through it; see [`Builder::stream_buffer`].
//!
//! # What a server can make it hold
//!
//! A server is trusted with the program's time, not with its memory. At most there are, for each connection: one message
//! of [`Builder::receive_limit`] that has begun, 16 MiB of notices whose handlers have not begun, 10,000 questions or
//! 16 MiB of them that are not answered, 16 MiB of items of each stream that the program has open, each with one message
//! beyond that, the answers to two pings, and a hundred cookies of 4 KiB. What waits counts with what it keeps: 128 bytes
//! more, and up to 64 KiB that were read together with it. A negotiation's answer has 256 KiB, that to the handshake 32 KiB.
//!
//! # Proxies
//!
//! Connections go through the HTTP proxies that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name, as those
//! of curl do; [`Builder::proxy`] and [`Builder::no_proxy`] say otherwise.
//!
//! # Without a runtime
//!
//! In a game loop or a graphical interface [`Polled`] is the connection: handlers and results run where the application
//! drains them, on its own thread, and nothing waits.
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `tls` | yes | `https` and `wss`, by rustls with the system's certificates |
//! | `cli` | no | the program `hubcall`, which calls and listens to any SignalR hub from a shell |
//!
//! # Layout
//!
//! For those who read the code, in this order:
//! 1. `builder.rs` collects options, which `options.rs` checks;
//! 2. `attempt.rs` makes one attempt to connect: `negotiate.rs` over `request.rs`, then `transport/upgrade.rs`, both on a
//!    socket from `dial.rs`, through the tunnel of a `proxy.rs` where there is one, with the `cookies.rs` that servers set
//!    and what `trust.rs` lets them have; then the handshake, over `transport/web_socket.rs`, which reads `frames.rs` and
//!    writes `masked.rs`;
//! 3. `connection.rs` is the handle. What it wants goes through `commands.rs` to
//! 4. `driver.rs`, which runs a connected socket around [`hub_core::session::Session`], with the open calls in
//!    `calls.rs` and the streams to the hub in `uploads.rs`;
//! 5. `lifecycle.rs` runs the driver, reconnects by the delays of `reconnect.rs`, and tells `state.rs`, events by way
//!    of `teller.rs`;
//! 6. what the hub calls goes through an `inbox.rs` to `handlers.rs`: those of `callbacks.rs` and those of `on.rs`;
//! 7. in `polled/` the application's thread takes what came instead: `arrivals.rs` keeps it in order, `drain.rs` runs it.
//!
//! `bin/hubcall` is a program of its own on top of it; its `main.rs` says where to begin.

mod attempt;
mod builder;
mod callbacks;
mod calls;
mod commands;
mod connection;
mod cookies;
mod dial;
mod driver;
mod error;
mod events;
mod handlers;
mod inbox;
mod lifecycle;
mod negotiate;
mod on;
mod options;
mod polled;
mod proxy;
mod reconnect;
mod request;
mod state;
mod teller;
mod token;
mod transport;
mod trust;
mod uploads;
mod url;

pub use hub_macros::callbacks;

pub use self::builder::Builder;
pub use self::connection::Connection;
pub use self::error::{ConnectError, Ended};
pub use self::on::{Handler, HandlerOutput, Registered};
pub use self::options::WhileReconnecting;
pub use self::polled::{Calls, Polled, PolledHandler};
pub use self::reconnect::Reconnect;
pub use self::state::{Event, Events, State};
pub use hub_core::InvalidOption;

/// What generated code may name.
#[doc(hidden)]
pub use hub_core::__private;

/// Locks what no panic can leave half done.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
