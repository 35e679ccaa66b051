//! Log lines that a client can cause as often as it likes: one a second of each kind, and then how many there were.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::lock;

/// How long lines of one kind are counted after one of them was shown.
const WINDOW: Duration = Duration::from_secs(1);

/// How many kinds are kept before those are looked for that are over. A kind is an event, a hub, and a method of it.
const KINDS: usize = 1024;

/// Those of the whole process, as its log is.
pub(crate) static REPEATS: LazyLock<Repeats> = LazyLock::new(Repeats::default);

#[derive(Debug, Default)]
pub(crate) struct Repeats {
    hasher: RandomState,
    kinds: Mutex<HashMap<u64, Kind>>,
}

#[derive(Debug)]
struct Kind {
    shown: Instant,
    hidden: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Shown,
    /// The first that is not shown: after so long the number of them is to be taken.
    Counted(Duration, KindId),
    Hidden,
}

/// Names a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KindId(u64);

impl Repeats {
    pub(crate) fn line(&self, kind: impl Hash, now: Instant) -> Line {
        let id = self.hasher.hash_one(kind);
        let mut kinds = lock(&self.kinds);
        let is_over = |kind: &Kind| kind.hidden == 0 && now.duration_since(kind.shown) >= WINDOW;
        match kinds.get_mut(&id) {
            Some(kind) if !is_over(kind) => {
                kind.hidden += 1;
                if kind.hidden > 1 {
                    return Line::Hidden;
                }
                Line::Counted(WINDOW.saturating_sub(now.duration_since(kind.shown)), KindId(id))
            }
            _ => {
                if kinds.len() >= KINDS {
                    kinds.retain(|_, kind| !is_over(kind));
                }
                kinds.insert(id, Kind { shown: now, hidden: 0 });
                Line::Shown
            }
        }
    }

    /// How many lines were not shown. The next of this kind is.
    pub(crate) fn take(&self, KindId(id): KindId) -> u64 {
        lock(&self.kinds).remove(&id).map_or(0, |kind| kind.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAY: (&str, &str, &str) = ("failed", "chat", "Say");

    #[test]
    fn one_a_second_is_shown_and_the_others_are_counted() {
        let (repeats, mut now) = (Repeats::default(), Instant::now());
        for _ in 0..2 {
            assert_eq!(repeats.line(SAY, now), Line::Shown);
            now += Duration::from_millis(400);
            let Line::Counted(wait, kind) = repeats.line(SAY, now) else { panic!("it is counted") };
            assert_eq!(wait, Duration::from_millis(600));
            assert_eq!(repeats.line(("failed", "chat", "Tell"), now), Line::Shown, "of another method");
            assert_eq!(repeats.line(("panicked", "chat", "Say"), now), Line::Shown, "another event");
            for _ in 0..98 {
                assert_eq!(repeats.line(SAY, now), Line::Hidden);
            }
            now += wait;
            assert_eq!(repeats.line(SAY, now), Line::Hidden, "until they are told");
            assert_eq!(repeats.take(kind), 100);
            assert_eq!(repeats.take(kind), 0);
            now += WINDOW;
        }
    }

    #[test]
    fn kinds_that_are_over_are_forgotten() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        for kind in 0..KINDS {
            assert_eq!(repeats.line(kind, now), Line::Shown);
        }
        assert_eq!(repeats.line("another", now + WINDOW), Line::Shown);
        assert_eq!(lock(&repeats.kinds).len(), 1);
    }
}
