//! When to try again: a policy, and the delays that it gives, without a clock.

use std::time::Duration;

use hub_core::InvalidOption;

/// How long a connection must have lasted for the next loss to begin with the first delay again.
const LASTED: Duration = Duration::from_secs(30);

/// When a lost connection is tried again. Without one it is not (P-CLI-02).
///
/// Each loss has all the attempts. It begins with the first delay, unless the connection had just come back: when one
/// that was made again is lost within 30 s, and the next one too, and so on, no delay is shorter than the second, the
/// third and so on. So a client does not hammer at a server that takes it and throws it out: by default it knocks after
/// 0, 2, 10, and then every 30 seconds.
///
/// ```
/// use std::time::Duration;
/// use hub_client::Reconnect;
///
/// // After 0, 2, 10 and 30 seconds, then never.
/// let patient = Reconnect::default();
/// // For ever, at first after up to half a second, later after up to a minute.
/// let tireless = Reconnect::exponential(Duration::from_millis(500), Duration::from_secs(60));
/// // The same, ten times.
/// let stubborn = tireless.clone().attempts(10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    delays: Schedule,
    attempts: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Schedule {
    Fixed(Vec<Duration>),
    Exponential { first: Duration, most: Duration },
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::after([0, 2, 10, 30].map(Duration::from_secs))
    }
}

impl Reconnect {
    /// Does not try again, which is the default of a connection.
    pub fn never() -> Self {
        Self::after([])
    }

    /// Waits for each of these in turn, and gives up behind the last.
    pub fn after(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self { delays: Schedule::Fixed(delays.into_iter().collect()), attempts: None }
    }

    /// Doubles the delay from `first` up to `most`, without end. Each is shortened at random, down to the half of it,
    /// so that the clients of a server that comes back do not come all at once.
    pub fn exponential(first: Duration, most: Duration) -> Self {
        // No further than a day: what is longer is never.
        let most = most.min(Duration::from_secs(24 * 60 * 60));
        Self { delays: Schedule::Exponential { first, most }, attempts: None }
    }

    /// Gives up after so many attempts.
    #[must_use]
    pub fn attempts(mut self, most: usize) -> Self {
        self.attempts = Some(most);
        self
    }

    /// # Errors
    /// A delay that is longer than a day; or one that doubles and is next to nothing, with which a client would never
    /// stop to knock.
    pub(crate) fn check(&self) -> Result<(), InvalidOption> {
        match &self.delays {
            Schedule::Fixed(delays) => {
                delays.iter().try_for_each(|delay| InvalidOption::check_time("reconnect", *delay, Duration::ZERO))
            }
            Schedule::Exponential { first, most } => {
                InvalidOption::check_time("reconnect", *first.min(most), Duration::from_millis(1))
            }
        }
    }

    /// The delays before the attempts; `random` is a fraction from 0 to 1.
    pub(crate) fn delays(&self, flaps: Flaps, random: fn() -> f64) -> Delays<'_> {
        Delays { policy: self, random, given: 0, least: flaps.0 }
    }
}

/// How many connections in a row came back and were lost soon.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaps(usize);

impl Flaps {
    /// A connection that had come back was lost after this time.
    pub(crate) fn lost_after(&mut self, lasted: Duration) {
        self.0 = if lasted < LASTED { self.0.saturating_add(1) } else { 0 };
    }
}

pub(crate) struct Delays<'a> {
    policy: &'a Reconnect,
    random: fn() -> f64,
    given: usize,
    /// No delay is one of those before this one.
    least: usize,
}

impl Iterator for Delays<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.policy.attempts.is_some_and(|most| self.given >= most) {
            return None;
        }
        let next = self.given.max(self.least);
        let delay = match &self.policy.delays {
            Schedule::Fixed(delays) if self.given >= delays.len() => return None,
            Schedule::Fixed(delays) => *delays.get(next).or(delays.last())?,
            Schedule::Exponential { first, most } => {
                let doubled = 2_u32.checked_pow(next.try_into().unwrap_or(u32::MAX));
                let delay = doubled.and_then(|times| first.checked_mul(times)).map_or(*most, |delay| delay.min(*most));
                delay.mul_f64(0.5 + (self.random)().clamp(0.0, 1.0) / 2.0)
            }
        };
        self.given = self.given.saturating_add(1);
        Some(delay)
    }
}

/// A fraction from 0 to 1. Where the system has no randomness to give, clients come all at once.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Flaps, LASTED, Reconnect};
    use std::time::Duration;

    fn seconds(policy: &Reconnect, random: fn() -> f64, count: usize) -> Vec<f64> {
        policy.delays(Flaps::default(), random).take(count).map(|delay| delay.as_secs_f64()).collect()
    }

    #[test]
    fn connections_that_do_not_last_make_the_delays_longer() {
        let policy = Reconnect::default();
        let delays = |policy: &Reconnect, flaps| {
            policy.delays(flaps, || 1.0).take(4).map(|delay| delay.as_secs()).collect::<Vec<_>>()
        };
        let mut flaps = Flaps::default();
        for expected in [[0, 2, 10, 30], [2, 2, 10, 30], [10, 10, 10, 30], [30; 4], [30; 4]] {
            assert_eq!(delays(&policy, flaps), expected);
            flaps.lost_after(LASTED - Duration::from_millis(1));
        }
        let doubling = Reconnect::exponential(Duration::from_secs(1), Duration::from_secs(20));
        assert_eq!(delays(&doubling, flaps), [20; 4]);
        flaps.lost_after(LASTED);
        assert_eq!(delays(&policy, flaps), [0, 2, 10, 30]);
        flaps.lost_after(Duration::ZERO);
        assert_eq!(delays(&doubling, flaps), [2, 2, 4, 8]);
        assert!(delays(&Reconnect::never(), flaps).is_empty());
    }

    #[test]
    fn the_default_gives_up_after_four() {
        // P-CLI-02
        assert_eq!(seconds(&Reconnect::default(), || 0.0, 9), [0.0, 2.0, 10.0, 30.0]);
        assert_eq!(seconds(&Reconnect::default().attempts(2), || 0.0, 9), [0.0, 2.0]);
        assert!(seconds(&Reconnect::never(), || 0.0, 9).is_empty());
    }

    #[test]
    fn exponential_delays_double_to_their_maximum() {
        let policy = Reconnect::exponential(Duration::from_secs(1), Duration::from_secs(10));
        assert_eq!(seconds(&policy, || 1.0, 6), [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        assert_eq!(seconds(&policy, || 0.0, 6), [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]);
        assert_eq!(policy.delays(Flaps::default(), || 1.0).nth(5000), Some(Duration::from_secs(10)));
        assert_eq!(seconds(&policy.attempts(1), || 1.0, 6), [1.0]);
    }

    #[test]
    fn delays_that_overflow_are_the_maximum() {
        let policy = Reconnect::exponential(Duration::MAX, Duration::from_secs(3));
        assert_eq!(seconds(&policy, || 1.0, 3), [3.0; 3]);
    }
}
