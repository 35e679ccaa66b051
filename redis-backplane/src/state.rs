//! What the link is at the moment, and what went through it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::lock;
use crate::wire::WireError;

/// The link to Redis. See [`RedisBackplane::link`](crate::RedisBackplane::link).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Publications go out, subscriptions are in force.
    Up,
    /// They do not, and it is tried again.
    Down {
        /// Since when.
        since: SystemTime,
        /// Why, for people to read: why it was lost, or why the last attempt failed.
        why: String,
    },
}

impl LinkState {
    /// Whether the link is up.
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Down { why, .. } => write!(f, "down: {why}"),
        }
    }
}

/// The states of all lanes, and what they amount to.
#[derive(Debug)]
pub(crate) struct Board {
    /// By the number of the lane. One that is missing has not been tried yet.
    lanes: Mutex<BTreeMap<usize, LinkState>>,
    pub(crate) link: watch::Sender<LinkState>,
}

impl Default for Board {
    fn default() -> Self {
        let why = "the first attempt is under way".to_owned();
        let link = watch::Sender::new(LinkState::Down { since: SystemTime::now(), why });
        Self { lanes: Mutex::default(), link }
    }
}

impl Board {
    /// A lane is up.
    pub(crate) fn up(&self, lane: usize) {
        let mut lanes = lock(&self.lanes);
        lanes.insert(lane, LinkState::Up);
        self.tell(&lanes);
    }

    /// A lane is down, for this reason.
    pub(crate) fn down(&self, lane: usize, why: &str) {
        let mut lanes = lock(&self.lanes);
        let since = match lanes.get(&lane) {
            Some(LinkState::Down { why: known, .. }) if known == why => return,
            Some(LinkState::Down { since, .. }) => *since,
            _ => SystemTime::now(),
        };
        lanes.insert(lane, LinkState::Down { since, why: why.to_owned() });
        self.tell(&lanes);
    }

    /// A lane is no more.
    pub(crate) fn remove(&self, lane: usize) {
        let mut lanes = lock(&self.lanes);
        if lane > 0 && lanes.remove(&lane).is_some() {
            self.tell(&lanes);
        }
    }

    pub(crate) fn is_up(&self, lane: usize) -> bool {
        lock(&self.lanes).get(&lane).is_some_and(LinkState::is_up)
    }

    /// The link is up when all of it is.
    fn tell(&self, lanes: &BTreeMap<usize, LinkState>) {
        let state = lanes.values().find(|state| !state.is_up()).unwrap_or(&LinkState::Up);
        self.link.send_if_modified(|link| {
            let changed = link != state;
            link.clone_from(state);
            changed
        });
    }
}

/// What a backplane has done since it was connected. See
/// [`RedisBackplane::counters`](crate::RedisBackplane::counters).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Publications that Redis confirmed.
    pub published: u64,
    /// Publications that were written and not confirmed: the link was lost with them under way and was not back in time, or
    /// Redis refused them. Some of them may have arrived. Those that were published again and confirmed are not among them.
    pub lost_out: u64,
    /// Deliveries received from other nodes.
    pub received: u64,
    /// Deliveries of other nodes that did not arrive here, known by the gaps in the numbers of those that did. What a
    /// sender published last is in no gap until it publishes to the same topic again.
    pub lost_in: u64,
    /// Messages that could not be read, and were refused: of another version, or none of ours.
    pub unreadable: u64,
    /// How often the link came up.
    pub links: u64,
}

/// The counters, as they are counted; and what of the losses is not logged yet.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) published: AtomicU64,
    pub(crate) lost_out: AtomicU64,
    /// How many of those were refused, and why the last was.
    refused: Mutex<(u64, String)>,
    pub(crate) received: AtomicU64,
    pub(crate) lost_in: AtomicU64,
    unreadable: AtomicU64,
    /// What was wrong with the last of them.
    why_unreadable: Mutex<Option<WireError>>,
    pub(crate) links: AtomicU64,
    logged: Logged,
}

#[derive(Debug, Default)]
struct Logged {
    lost_out: AtomicU64,
    lost_in: AtomicU64,
    unreadable: AtomicU64,
}

/// Losses since they were last asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) out: u64,
    /// How many of those Redis refused, and why the last.
    pub(crate) refused: (u64, String),
    pub(crate) lost_in: u64,
    pub(crate) unreadable: u64,
    /// What was wrong with the last of those.
    pub(crate) why_unreadable: Option<WireError>,
}

impl Counting {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn add_refused(&self, why: &str) {
        {
            let mut refused = lock(&self.refused);
            refused.0 += 1;
            why.clone_into(&mut refused.1);
        }
        Self::add(&self.lost_out, 1);
    }

    pub(crate) fn add_unreadable(&self, why: WireError) {
        *lock(&self.why_unreadable) = Some(why);
        Self::add(&self.unreadable, 1);
    }

    pub(crate) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            published: read(&self.published),
            lost_out: read(&self.lost_out),
            received: read(&self.received),
            lost_in: read(&self.lost_in),
            unreadable: read(&self.unreadable),
            links: read(&self.links),
        }
    }

    /// What was lost since this was called last.
    pub(crate) fn losses(&self) -> Losses {
        let since = |counter: &AtomicU64, logged: &AtomicU64| {
            let now = counter.load(Ordering::Relaxed);
            now.saturating_sub(logged.swap(now, Ordering::Relaxed))
        };
        Losses {
            out: since(&self.lost_out, &self.logged.lost_out),
            refused: std::mem::take(&mut *lock(&self.refused)),
            lost_in: since(&self.lost_in, &self.logged.lost_in),
            unreadable: since(&self.unreadable, &self.logged.unreadable),
            why_unreadable: *lock(&self.why_unreadable),
        }
    }
}
