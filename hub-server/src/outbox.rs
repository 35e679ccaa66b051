//! What waits to leave through one connection, and what happens when too much does.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_channel::oneshot;
use hub_core::message::{Invocation, Outcome};
use hub_core::session::CallKey;
use hub_core::{InvocationId, Payload};

use crate::calls::Finished;
use crate::lock;
use crate::options::{HubOptions, SlowReader};
use crate::streams_waiting::StreamsWaiting;

/// How much a stream may put ahead of what the socket has taken (P-STR-09).
const STREAM_WINDOW_ITEMS: usize = 64;
const STREAM_WINDOW_BYTES: usize = 64 * 1024;

/// How many bytes of messages the driver takes at a time. The rest stays here, within reach of the policy for slow
/// readers.
const AT_ONCE: usize = 64 * 1024;

/// What a message that waits costs beside its bytes.
const OVERHEAD: usize = 64;

/// Something for the connection's driver to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Write a message that is shared with other connections.
    Send(Bytes),
    /// Write an item of a stream.
    Item(CallKey, Payload),
    /// Answer a call, behind what its method sent before (P-LT-16).
    Answer(Box<Finished>),
    /// Ask the client, and hand its answer on.
    Ask(Box<Ask>),
    /// Nobody waits for this answer any more.
    Forget(InvocationId),
    /// Let the next plain call begin.
    ReleaseSlot(CallKey),
}

impl Command {
    /// The messages and bytes that it counts for.
    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Send(message) => (1, message.len()),
            Self::Item(_, item) => (1, item.bytes().len()),
            _ => (0, 0),
        }
    }
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

/// The queue between everybody who sends and the one task that writes. Messages and bytes are counted from the push
/// until the socket has taken them.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    limits: Limits,
    dropped: AtomicUsize,
}

/// See [`HubOptions`].
#[derive(Debug)]
struct Limits {
    messages: usize,
    bytes: usize,
    burst_bytes: usize,
    slow_after: Duration,
    slow_reader: SlowReader,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Command>,
    /// Queued, or with the driver and not yet with the socket.
    messages: usize,
    bytes: usize,
    closed: bool,
    end: Option<End>,
    /// Since when the socket takes nothing of what it was offered. `None` when it took all, and when it was not asked yet.
    stuck: Option<Instant>,
    driver: Option<Waker>,
    /// Senders that wait for this connection's turn.
    senders: Vec<Waker>,
    streams: Option<Box<StreamsWaiting>>,
}

impl State {
    fn queue(&mut self, command: Command) {
        let (messages, bytes) = command.weight();
        self.messages += messages;
        self.bytes += bytes;
        self.queue.push_back(command);
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
    /// Queued behind more than the bound. The sender gives way, so that the connection gets its turn.
    Crowded,
    /// The connection has ended: messages to it vanish (P-LT-17).
    Ended,
    /// The client reads too slowly, and what its policy says was done. `first` marks the first time.
    Full {
        first: bool,
    },
}

/// When a call is answered.
#[derive(Debug)]
pub(crate) enum Answering {
    Now(Finished),
    Queued,
    /// The client hears the end of the connection only.
    TooLate(Finished),
}

impl Outbox {
    pub(crate) fn new(options: &HubOptions) -> Self {
        Self {
            state: Mutex::default(),
            limits: Limits {
                messages: options.outbox_messages,
                bytes: options.outbox_bytes,
                burst_bytes: options.outbox_burst_bytes.max(options.outbox_bytes),
                slow_after: options.slow_reader_after,
                slow_reader: options.slow_reader,
            },
            dropped: AtomicUsize::new(0),
        }
    }

    /// Queues a message, unless the client reads too slowly. `hurry` is set when the outboxes of the hub hold too much
    /// together: then nobody who is over the bound gets more time.
    pub(crate) fn send(&self, message: Bytes, hurry: bool) -> Pushed {
        let mut state = lock(&self.state);
        if state.closed {
            return Pushed::Ended;
        }
        let fits = self.has_room(&state, &message);
        if fits || !self.is_slow(&state, &message, hurry) {
            state.queue(Command::Send(message));
            wake(state);
            return if fits { Pushed::Queued } else { Pushed::Crowded };
        }
        // What is dropped goes outside of the lock: it may hold values of the application.
        let mut waited = VecDeque::new();
        let dropped = match self.limits.slow_reader {
            SlowReader::Disconnect => {
                // What waits would never be read in time. Its memory is needed now.
                waited = std::mem::take(&mut state.queue);
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
                state.queue(Command::Send(message));
                dropped
            }
        };
        let first = self.dropped.fetch_add(dropped, Ordering::Relaxed) == 0;
        let senders = std::mem::take(&mut state.senders);
        wake(state);
        senders.into_iter().for_each(Waker::wake);
        drop(waited);
        Pushed::Full { first }
    }

    fn has_room(&self, state: &State, message: &Bytes) -> bool {
        state.messages < self.limits.messages
            && (state.messages == 0 || state.bytes + message.len() <= self.limits.bytes)
    }

    /// Whether a client whose outbox has no room reads too slowly: its socket was asked and takes nothing, for a while
    /// by now. The bound for bursts holds in any case.
    fn is_slow(&self, state: &State, message: &Bytes, hurry: bool) -> bool {
        let stuck = |since: Instant| hurry || now().saturating_duration_since(since) >= self.limits.slow_after;
        state.bytes + message.len() + OVERHEAD * state.messages > self.limits.burst_bytes
            || state.stuck.is_some_and(stuck)
    }

    /// Queues what is bounded elsewhere: items by [`poll_room`](Self::poll_room), the rest by the calls that run.
    pub(crate) fn push(&self, command: Command) -> bool {
        let mut state = lock(&self.state);
        if state.closed {
            return false;
        }
        state.queue(command);
        wake(state);
        true
    }

    /// Queues an answer behind what waits, or gives it back: when nothing does, and when the connection is about to end,
    /// because the end comes first then.
    pub(crate) fn push_answer(&self, finished: Finished) -> Answering {
        let mut state = lock(&self.state);
        match state.end {
            Some(End::Abort | End::ShutdownNow | End::SlowReader) => Answering::TooLate(finished),
            _ if state.closed || state.queue.is_empty() => Answering::Now(finished),
            _ => {
                state.queue.push_back(Command::Answer(Box::new(finished)));
                Answering::Queued
            }
        }
    }

    /// Ready when the bound is kept again, or the socket was offered what waits and takes nothing: this waits for the
    /// connection's task, never for the client.
    pub(crate) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        let fits = state.messages <= self.limits.messages && state.bytes <= self.limits.bytes;
        if state.closed || state.stuck.is_some() || fits || state.messages <= 1 {
            return Poll::Ready(());
        }
        if !state.senders.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.senders.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ready when a stream may produce another item.
    pub(crate) fn poll_room(&self, stream: CallKey, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.closed {
            // The stream is about to be dropped. It must not run on until then.
            return Poll::Pending;
        }
        if state.messages < STREAM_WINDOW_ITEMS && state.bytes < STREAM_WINDOW_BYTES {
            return Poll::Ready(());
        }
        state.streams.get_or_insert_default().wait(stream, cx.waker());
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

    /// Takes what waits into `commands`, which is empty, or has the driver woken when something comes. While the socket
    /// is blocked, what waits stays here, where the policy for slow readers applies to it, unless the connection ends:
    /// then it leaves first.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        blocked: bool,
        commands: &mut VecDeque<Command>,
    ) -> Option<End> {
        let mut state = lock(&self.state);
        let end = state.end.take();
        if state.queue.is_empty() || blocked && end.is_none() {
            if end.is_none() && !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.driver = Some(cx.waker().clone());
            }
        } else if end.is_some() || state.bytes <= AT_ONCE {
            std::mem::swap(&mut state.queue, commands);
        } else {
            let mut bytes = 0;
            while bytes < AT_ONCE
                && let Some(command) = state.queue.pop_front()
            {
                bytes += command.weight().1 + OVERHEAD;
                commands.push_back(command);
            }
            if state.queue.is_empty() {
                // It has been long.
                state.queue = VecDeque::new();
            }
        }
        end
    }

    /// The socket has taken this much, and since `stuck` nothing of the rest.
    pub(crate) fn offered(&self, messages: usize, bytes: usize, stuck: Option<Instant>) {
        let mut state = lock(&self.state);
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        state.stuck = stuck;
        // Most of the time nobody waits.
        let fits = state.messages <= self.limits.messages && state.bytes <= self.limits.bytes;
        let senders = if stuck.is_some() || fits { std::mem::take(&mut state.senders) } else { Vec::new() };
        let room = STREAM_WINDOW_ITEMS.saturating_sub(state.messages);
        let streams = match &mut state.streams {
            Some(streams) if room >= STREAM_WINDOW_ITEMS / 2 => streams.take(room),
            _ => Vec::new(),
        };
        drop(state);
        senders.into_iter().chain(streams).for_each(Waker::wake);
    }

    /// Whether streams wait for room.
    pub(crate) fn streams_wait(&self) -> bool {
        lock(&self.state).streams.as_ref().is_some_and(|streams| !streams.is_empty())
    }

    /// Nothing can be queued from now on. What still waited is given back.
    pub(crate) fn close(&self) -> VecDeque<Command> {
        let mut state = lock(&self.state);
        state.closed = true;
        let senders = std::mem::take(&mut state.senders);
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        senders.into_iter().for_each(Waker::wake);
        queue
    }

    /// How many messages were dropped because the client read too slowly.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The clock of the runtime, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Wakes the driver, outside of the lock that it takes first.
fn wake(mut state: std::sync::MutexGuard<'_, State>) {
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}
