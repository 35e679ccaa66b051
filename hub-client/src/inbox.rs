//! What has come in and was not taken yet: the items of one stream, or the notices for the handlers.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::lock;
use crate::transport::web_socket::LARGEST_READ;

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    /// There is room.
    Room,
    /// As many as are meant to wait.
    Full,
    /// So many bytes that the reader must be waited for, whoever else waits.
    Overfull,
}

/// From how many bytes on an inbox is overfull.
pub(crate) const OVERFULL: usize = 16 * 1024 * 1024;

/// What one that waits takes beside its own bytes. Many that are empty take memory too.
const ENTRY: usize = 128;

/// What one that waits may keep of what was read together with it, in bytes: a small part keeps the whole of a read.
const MOST_KEPT: u64 = LARGEST_READ as u64;

/// Weighs what waits by the memory that it keeps.
#[derive(Debug, Default)]
pub(crate) struct Scales {
    /// How much had been read when something was weighed the last time.
    read: u64,
}

impl Scales {
    /// The weight of something of this size, when so many bytes have been read from the connection so far. What was read
    /// since the last one waits with it, whatever became of the rest.
    pub(crate) fn weigh(&mut self, size: usize, read: u64) -> usize {
        let kept = read.saturating_sub(self.read).min(MOST_KEPT);
        self.read = self.read.max(read);
        size.max(usize::try_from(kept).unwrap_or(usize::MAX)) + ENTRY
    }
}

/// A queue from the driver to one reader. It takes whatever is pushed: the driver asks for room before it reads on.
pub(crate) struct Inbox<T> {
    /// From how many on the driver is to wait.
    bound: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    scales: Scales,
    /// How many there were, up to now.
    pushed: u64,
    /// How many of them the reader is done with: it has come back for the next one.
    done: u64,
    /// Who waits until it is done with so many.
    waits: Option<(u64, Waker)>,
    /// Nothing more comes.
    ended: bool,
    reader: Option<Waker>,
    driver: Option<Waker>,
}

impl<T> Inbox<T> {
    pub(crate) fn new(bound: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            scales: Scales::default(),
            pushed: 0,
            done: 0,
            waits: None,
            ended: false,
            reader: None,
            driver: None,
        };
        Self { bound, state: Mutex::new(state) }
    }

    /// Adds something of this size, when so many bytes have been read from the connection so far. Gives how much waits
    /// now.
    pub(crate) fn push(&self, item: T, size: usize, read: u64) -> Fill {
        let mut state = lock(&self.state);
        if state.ended {
            return Fill::Room;
        }
        let size = state.scales.weigh(size, read);
        state.waiting.push_back((item, size));
        state.bytes += size;
        state.pushed += 1;
        let (fill, reader) = (self.fill(&state), state.reader.take());
        // Who is woken may be the application's: not under the lock.
        drop(state);
        wake(reader);
        fill
    }

    /// Nothing more comes. What waits can still be taken.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// How many were ever pushed.
    pub(crate) fn pushed(&self) -> u64 {
        lock(&self.state).pushed
    }

    /// Ready when the reader is done with so many. One at a time may wait for it.
    pub(crate) fn poll_done(&self, cx: &mut Context<'_>, count: u64) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.done >= count {
            return Poll::Ready(());
        }
        state.waits = Some((count, cx.waker().clone()));
        Poll::Pending
    }

    /// How much waits, and whether the reader waits for more. The driver is woken when that changes.
    pub(crate) fn poll_level(&self, cx: &mut Context<'_>) -> (Fill, bool) {
        let mut state = lock(&self.state);
        state.driver = Some(cx.waker().clone());
        (self.fill(&state), state.reader.is_some())
    }

    fn fill(&self, state: &State<T>) -> Fill {
        if state.bytes > OVERFULL {
            Fill::Overfull
        } else if state.waiting.len() >= self.bound {
            Fill::Full
        } else {
            Fill::Room
        }
    }

    /// The next one; `None` is the end.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.state);
        let done = state.pushed - state.waiting.len() as u64;
        state.done = done;
        wake(state.waits.take_if(|(count, _)| *count <= done).map(|(_, waker)| waker));
        match state.waiting.pop_front() {
            Some((item, size)) => {
                state.bytes -= size;
                // Not at each: the driver goes on when half of it is read.
                if state.waiting.is_empty() || state.waiting.len() * 2 < self.bound {
                    wake(state.driver.take());
                }
                Poll::Ready(Some(item))
            }
            None if state.ended => Poll::Ready(None),
            None => {
                let waited = state.reader.replace(cx.waker().clone()).is_some();
                if !waited {
                    wake(state.driver.take());
                }
                Poll::Pending
            }
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::{ENTRY, Fill, Inbox, LARGEST_READ, Scales};

    #[test]
    fn what_waits_is_taken_in_order_and_behind_it_the_end() {
        let inbox = Inbox::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(inbox.poll_take(&mut cx).is_pending());
        assert_eq!(inbox.push('a', 3, 10), Fill::Room);
        assert_eq!(inbox.push('b', 4, 10), Fill::Full);
        assert_eq!(inbox.poll_level(&mut cx), (Fill::Full, false));
        inbox.end();
        assert_eq!(inbox.push('c', 1, 10), Fill::Room);
        assert_eq!(inbox.poll_take(&mut cx), Poll::Ready(Some('a')));
        assert_eq!(inbox.poll_take(&mut cx), Poll::Ready(Some('b')));
        assert_eq!(inbox.poll_take(&mut cx), Poll::Ready(None));
        assert_eq!(inbox.poll_level(&mut cx), (Fill::Room, false));
    }

    #[test]
    fn what_waits_weighs_what_it_keeps() {
        let mut scales = Scales::default();
        // Small ones out of one read share it.
        assert_eq!([scales.weigh(10, 5000), scales.weigh(10, 5000)], [5000 + ENTRY, 10 + ENTRY]);
        // A large one has its own bytes, a rare one the whole of a read.
        assert_eq!(scales.weigh(1_000_000, 1_005_000), 1_000_000 + ENTRY);
        assert_eq!(scales.weigh(10, u64::MAX), LARGEST_READ + ENTRY);
        assert_eq!(scales.weigh(10, 0), 10 + ENTRY);
    }

    #[test]
    fn the_reader_is_done_with_what_it_took_when_it_comes_back() {
        let inbox = Inbox::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(inbox.poll_done(&mut cx, 0), Poll::Ready(()));
        inbox.push('a', 1, 0);
        inbox.push('b', 1, 0);
        assert!(inbox.poll_take(&mut cx).is_ready());
        assert!(inbox.poll_done(&mut cx, 1).is_pending());
        assert!(inbox.poll_take(&mut cx).is_ready());
        assert_eq!(inbox.poll_done(&mut cx, 1), Poll::Ready(()));
        assert!(inbox.poll_done(&mut cx, 2).is_pending());
        assert!(inbox.poll_take(&mut cx).is_pending());
        assert_eq!(inbox.poll_done(&mut cx, 2), Poll::Ready(()));
    }
}
