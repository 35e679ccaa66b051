//! What waits to leave through one connection, and what happens when too much does.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_channel::oneshot;
use hub_core::message::{Invocation, Outcome};
use hub_core::session::CallKey;
use hub_core::{InvocationId, Payload};

use crate::lock;
use crate::options::{HubOptions, SlowReader};

/// How much a stream may put ahead of what the socket has taken (P-STR-09).
const STREAM_WINDOW_ITEMS: usize = 64;
const STREAM_WINDOW_BYTES: usize = 64 * 1024;

/// Something for the connection's driver to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Write a message that is shared with other connections.
    Send(Bytes),
    /// Write an item of a stream.
    Item(CallKey, Payload),
    /// Ask the client, and hand its answer on.
    Ask(Box<Ask>),
    /// Nobody waits for this answer any more.
    Forget(InvocationId),
    /// Let the next plain call begin.
    ReleaseSlot(CallKey),
}

/// A question to the client.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) invocation: Invocation,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// Why the server ends a connection by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The application said so: the client must not come back by itself.
    Abort,
    /// The server stops: once the calls that run are answered.
    Shutdown,
    /// The server stops, and waits no longer.
    ShutdownNow,
    /// The client reads too slowly.
    SlowReader,
}

/// The queue between everybody who sends and the one task that writes. Bounded by messages and by bytes, counted from
/// the push until the socket has taken them.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    max_messages: usize,
    max_bytes: usize,
    slow_reader: SlowReader,
    dropped: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Command>,
    /// Queued, or with the driver and not yet with the socket.
    messages: usize,
    bytes: usize,
    closed: bool,
    end: Option<End>,
    driver: Option<Waker>,
    streams: Vec<Waker>,
}

impl State {
    fn queue_message(&mut self, message: Bytes) {
        self.messages += 1;
        self.bytes += message.len();
        self.queue.push_back(Command::Send(message));
    }

    /// Drops the oldest message that waits here, if one does: what the driver has taken is beyond reach.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.queue.iter().position(|command| matches!(command, Command::Send(_)));
        let Some(Command::Send(message)) = oldest.and_then(|oldest| self.queue.remove(oldest)) else { return false };
        self.messages -= 1;
        self.bytes -= message.len();
        true
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// The connection has ended: messages to it vanish (P-LT-17).
    Ended,
    /// The outbox was full, and what its policy says was done. `first` marks the first time.
    Full {
        first: bool,
    },
}

impl Outbox {
    pub(crate) fn new(options: &HubOptions) -> Self {
        Self {
            state: Mutex::default(),
            max_messages: options.outbox_messages,
            max_bytes: options.outbox_bytes,
            slow_reader: options.slow_reader,
            dropped: AtomicUsize::new(0),
        }
    }

    /// Queues a message, unless too much waits already.
    pub(crate) fn send(&self, message: Bytes) -> Pushed {
        let mut state = lock(&self.state);
        if state.closed {
            return Pushed::Ended;
        }
        if self.has_room(&state, &message) {
            state.queue_message(message);
            wake(state);
            return Pushed::Queued;
        }
        let dropped = match self.slow_reader {
            SlowReader::Disconnect => {
                // What waits would never be read in time. Its memory is needed now.
                state.queue = VecDeque::new();
                state.end = Some(End::SlowReader);
                state.closed = true;
                1
            }
            SlowReader::DropNewest => 1,
            SlowReader::DropOldest => {
                let mut dropped = 0;
                while !self.has_room(&state, &message) && state.drop_oldest() {
                    dropped += 1;
                }
                // The latest state is kept in any case, also behind more than enough that the driver has taken.
                state.queue_message(message);
                dropped
            }
        };
        let first = self.dropped.fetch_add(dropped, Ordering::Relaxed) == 0;
        wake(state);
        Pushed::Full { first }
    }

    fn has_room(&self, state: &State, message: &Bytes) -> bool {
        state.messages < self.max_messages && (state.messages == 0 || state.bytes + message.len() <= self.max_bytes)
    }

    /// Queues what is bounded elsewhere: items by [`poll_room`](Self::poll_room), the rest by the calls that run.
    pub(crate) fn push(&self, command: Command) -> bool {
        let mut state = lock(&self.state);
        if state.closed {
            return false;
        }
        if let Command::Item(_, item) = &command {
            state.messages += 1;
            state.bytes += item.bytes().len();
        }
        state.queue.push_back(command);
        wake(state);
        true
    }

    /// Ready when a stream may produce another item.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.closed {
            // The stream is about to be dropped. It must not run on until then.
            return Poll::Pending;
        }
        if state.messages < STREAM_WINDOW_ITEMS && state.bytes < STREAM_WINDOW_BYTES {
            return Poll::Ready(());
        }
        if !state.streams.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.streams.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ends the connection. What was queued before leaves first, if the socket takes it.
    pub(crate) fn end(&self, end: End) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.end = Some(end);
            wake(state);
        }
    }

    /// Takes everything that waits into `commands`, which is empty, or has the driver woken when something comes.
    /// While the socket is blocked, what waits stays here, where the policy for slow readers applies to it, unless the
    /// connection ends: then it leaves first.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        blocked: bool,
        commands: &mut VecDeque<Command>,
    ) -> Option<End> {
        let mut state = lock(&self.state);
        let end = state.end.take();
        if (!blocked || end.is_some()) && !state.queue.is_empty() {
            std::mem::swap(&mut state.queue, commands);
        } else if end.is_none() && !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        end
    }

    /// The socket has taken this much.
    pub(crate) fn written(&self, messages: usize, bytes: usize) {
        let mut state = lock(&self.state);
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        if !state.streams.is_empty() && state.messages <= STREAM_WINDOW_ITEMS / 2 {
            let streams = std::mem::take(&mut state.streams);
            drop(state);
            streams.into_iter().for_each(Waker::wake);
        }
    }

    /// Nothing can be queued from now on.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.queue = VecDeque::new();
    }

    /// How many messages were dropped because the client read too slowly.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Wakes the driver, outside of the lock that it takes first.
fn wake(mut state: std::sync::MutexGuard<'_, State>) {
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}
