//! A connection that is drained by the application: for game loops, graphical interfaces, and whatever else has a
//! thread of its own and no runtime.

mod arrivals;
mod calls;
mod drain;
mod handler;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{collections::HashMap, fmt, ops::Deref};

use futures_util::stream::SelectAll;
use hub_core::Args;
use hub_core::message::Target;
use tokio::runtime;
use tokio::sync::oneshot;

use self::calls::Task;
use self::handler::StateHandler;
use crate::builder::{Builder, Prepared};
use crate::error::ConnectError;
use crate::handlers::Handlers;
use crate::state::{Event, State};

pub(crate) use self::arrivals::{Arrivals, Arrived};
pub use self::calls::Calls;
pub use self::handler::PolledHandler;

/// A connection whose handlers run where the application calls [`drain`](Self::drain): on its own thread, with `&mut S`,
/// which is whatever the application keeps. From [`Builder::connect_polled`].
///
/// ```no_run
/// use std::collections::HashMap;
///
/// use hub_client::{Connection, Event, Reconnect};
/// use hub_core::CallError;
///
/// #[derive(Default)]
/// struct Game { players: HashMap<String, (f32, f32)>, me: (f32, f32), over: bool }
///
/// fn main() -> Result<(), CallError> {
///     let mut hub = Connection::builder("http://localhost:5000/game").reconnect(Reconnect::default()).connect_polled()?;
///     hub.on("Moved", |game: &mut Game, who: String, x: f32, y: f32| {
///         game.players.insert(who, (x, y));
///     });
///     let calls = hub.calls();
///     hub.on_event(move |_, event| {
///         if let Event::Connected(_) | Event::Reconnected(_) = event {
///             calls.invoke("Join", ("Ann",), |game: &mut Game, joined: Result<(), CallError>| game.over = joined.is_err());
///         }
///     });
///     let mut game = Game::default();
///     while !game.over {
///         hub.drain(&mut game);
///         // .. move, draw, wait for the next frame ..
///         if hub.is_connected() {
///             hub.send("Move", (game.me.0, game.me.1))?;
///         }
///     }
///     hub.stop();
///     Ok(())
/// }
/// ```
///
/// Nothing here waits for the network. The connection is driven by a thread of its own, so that it stays alive however
/// long a frame takes. Calls are those of [`Calls`], to which this dereferences: clone one into a handler that calls.
///
/// # What `drain` runs
///
/// Notices, questions, events and the results of calls, in the order in which they came, up to what had come when it was
/// called. Items of streams come beside them. A question is answered by the next drain, so mind how long the hub waits.
/// A handler that panics does so in `drain`.
///
/// Handlers given to the builder run in `drain`, too: those of [`Builder::callbacks`], with which the compiler checks
/// names and arguments, and those of [`Builder::on`]. They are futures and have no state but their own. One that waits
/// goes on in later drains; meanwhile the notices behind it wait, and nothing else does. It may wait for the hub, and for
/// whatever a tokio runtime offers.
///
/// # When nobody drains
///
/// 1024 notices may wait. Then nothing more is read from the socket until half of them are handled, as with a
/// [`Connection`](crate::Connection) whose handlers do not keep up: the hub is slowed down, then does what it does with
/// slow clients. While a call waits for its result the client reads on, up to 16 MiB. Pings go on.
///
/// # The end
///
/// Dropping it closes the connection without waiting for that; [`stop`](Self::stop) waits.
#[must_use = "the connection ends when this is dropped"]
pub struct Polled<S: 'static> {
    calls: Calls<S>,
    /// Those with state, by name.
    on: HashMap<String, Vec<StateHandler<S>>>,
    on_event: Vec<EventHandler<S>>,
    /// Those given to the builder.
    handlers: Arc<Handlers>,
    arrivals: Arc<Arrivals>,
    /// Rings the bell.
    waker: Waker,
    tasks: SelectAll<Task<S>>,
    /// A notice that was taken: it waits for what came before it.
    notice: Option<(Target, Args)>,
    /// How many notices were begun.
    begun: u64,
    /// A handler of the last of them that is not done.
    running: Option<drain::Running>,
    /// Dropped, it lets the thread end.
    alive: Option<oneshot::Sender<()>>,
    /// Closed when the connection has ended.
    ended: Receiver<()>,
    patience: Duration,
}

type EventHandler<S> = Box<dyn FnMut(&mut S, &Event)>;

impl<S> Polled<S> {
    pub(crate) fn start(builder: Builder) -> Result<Self, ConnectError> {
        let patience = builder.close_patience();
        let mut arrivals = None;
        let Prepared { connection, lifecycle, handlers, .. } = builder.prepare(|notices| {
            arrivals = Some(Arc::new(Arrivals::new(Arc::clone(notices))));
            arrivals.clone()
        })?;
        let no_thread = |error| ConnectError::Unreachable(format!("No thread can be started: {error}"));
        let Some(arrivals) = arrivals else { return Err(no_thread(std::io::ErrorKind::Other.into())) };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let handle = runtime.handle().clone();
        connection.runs_on(handle.clone());
        let (alive, gone) = oneshot::channel();
        let (end, ended) = channel();
        let drive = move || {
            runtime.block_on(async {
                lifecycle.start().await;
                drop(end);
                // Handlers may still use the runtime.
                let _ = gone.await;
            });
        };
        std::thread::Builder::new().name("hub-client".to_owned()).spawn(drive).map_err(no_thread)?;
        Ok(Self {
            waker: arrivals.bell.waker(),
            calls: Calls::new(connection, handle, Arc::clone(&arrivals.bell)),
            on: HashMap::new(),
            on_event: Vec::new(),
            handlers,
            arrivals,
            tasks: SelectAll::new(),
            notice: None,
            begun: 0,
            running: None,
            alive: Some(alive),
            ended,
            patience,
        })
    }

    /// Handles calls of the hub by this name, in [`drain`](Self::drain), for the life of the connection. A handler of a
    /// notice returns `()`, one that answers a question a `Result`.
    ///
    /// Several handlers of a name run in the order of registration. They take the place of those of the builder that have
    /// the same name.
    pub fn on<A>(&mut self, name: &str, mut handler: impl PolledHandler<S, A>) {
        let handler: StateHandler<S> = Box::new(move |state, arguments| handler.run(state, arguments));
        self.on.entry(name.to_owned()).or_default().push(handler);
    }

    /// Is told what becomes of the connection, in [`drain`](Self::drain).
    pub fn on_event(&mut self, handler: impl FnMut(&mut S, &Event) + 'static) {
        self.on_event.push(Box::new(handler));
    }

    /// Is told that there is something to drain, on whichever thread notices it, once until the next drain. For
    /// interfaces that draw only when something happens; a loop that drains sixty times a second does not need it.
    pub fn wake_with(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.arrivals.bell.on_ring(Arc::new(wake));
    }

    /// Runs what has come. Gives how many handlers ran.
    pub fn drain(&mut self, state: &mut S) -> usize {
        self.drain_until(state, None)
    }

    /// Runs what has come, but begins nothing more once this much time has passed: the rest is for the next drain.
    pub fn drain_for(&mut self, state: &mut S, budget: Duration) -> usize {
        self.drain_until(state, Instant::now().checked_add(budget))
    }

    /// What calls the hub, for handlers to keep.
    pub fn calls(&self) -> Calls<S> {
        self.calls.clone()
    }

    /// What the connection is at the moment.
    pub fn state(&self) -> State {
        *self.calls.connection().state().borrow()
    }

    /// Whether calls are possible.
    pub fn is_connected(&self) -> bool {
        self.state() == State::Connected
    }

    /// Closes the connection: what was handed over is sent, then a Close message. It waits until that is done, for at most
    /// the [`close_timeout`](Builder::close_timeout).
    pub fn stop(self) {
        self.calls.connection().begin_stop();
        // It ends by being closed, or takes too long.
        let _ = self.ended.recv_timeout(self.patience);
    }
}

/// Calls of the hub; see [`Calls`].
impl<S> Deref for Polled<S> {
    type Target = Calls<S>;

    fn deref(&self) -> &Calls<S> {
        &self.calls
    }
}

impl<S> Drop for Polled<S> {
    fn drop(&mut self) {
        self.calls.connection().begin_stop();
        self.arrivals.close();
        // They may hold what calls, and so themselves.
        drop(self.calls.take_started());
        self.alive.take();
    }
}

impl<S> fmt::Debug for Polled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").field("connection", self.calls.connection()).finish_non_exhaustive()
    }
}
