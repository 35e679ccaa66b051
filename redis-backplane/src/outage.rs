//! While the link is down: when it is dialled again, and what is logged of why.

use std::collections::HashSet;
use std::time::Duration;

use crate::options::RedisOptions;

/// How many different reasons are logged in one outage.
const REASONS: usize = 16;
/// How many times longer is waited where Redis refuses us.
const REFUSED: u32 = 10;

/// The attempts since the link was up.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// How many attempts failed, one after the other.
    failed: u32,
    /// Whether Redis itself could not be reached, and not the link alone was cut.
    gone: bool,
    told: HashSet<String>,
}

impl Outage {
    /// A link was up, and lost this long after it was begun. One that was lost as soon as it was up is one more failed
    /// attempt. One that lasted for longer than one waits is none, and is made again at once: slots of a Cluster move one by one.
    pub(crate) fn begin(&mut self, lasted: Duration, options: &RedisOptions) {
        self.told.clear();
        self.gone = false;
        if lasted >= options.ping_interval.min(options.longest_retry) {
            self.failed = 0;
        }
    }

    /// An attempt failed.
    pub(crate) fn is_long(&mut self) {
        self.gone = true;
    }

    /// How long the next link listens before it publishes. Where Redis itself was gone, other nodes have to find it again,
    /// too, and what is published before they have is lost to them.
    pub(crate) fn head_start(&self, options: &RedisOptions) -> Duration {
        if self.gone { options.longest_retry } else { Duration::ZERO }
    }

    /// How long to wait before the next attempt: each time longer. One that was refused will be again, until somebody
    /// changes something.
    pub(crate) fn delay(&mut self, options: &RedisOptions, refused: bool) -> Duration {
        let doubled = 2_u32.checked_pow(self.failed).and_then(|times| options.first_retry.checked_mul(times));
        let longest = doubled.map_or(options.longest_retry, |delay| delay.min(options.longest_retry));
        self.failed = self.failed.saturating_add(1);
        // Without randomness all nodes come at once, which is no fault.
        let random = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        longest.mul_f64(0.5 + random / 2.0) * if refused { REFUSED } else { 1 }
    }

    /// Whether this reason was not told yet in this outage: some come in turns.
    pub(crate) fn is_news(&mut self, why: &str) -> bool {
        self.told.len() < REASONS && self.told.insert(why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Outage, REASONS};
    use crate::RedisOptions;

    #[test]
    fn reasons_that_come_in_turns_are_told_once_each() {
        let mut outage = Outage::default();
        let turns: Vec<bool> = ["reset", "broken pipe"].iter().cycle().take(6).map(|why| outage.is_news(why)).collect();
        assert_eq!(turns, [true, true, false, false, false, false]);
        // One that is different each time.
        let news = (0..100).filter(|number| outage.is_news(&number.to_string())).count();
        assert_eq!(news, REASONS - 2);
        let options = RedisOptions::default();
        outage.begin(options.ping_interval, &options);
        assert!(outage.is_news("reset"), "it is another outage");
    }

    #[test]
    fn a_link_that_did_not_last_is_one_more_failed_attempt() {
        let options = RedisOptions::default();
        let mut outage = Outage::default();
        let within = |outage: &mut Outage, most| {
            let delay = outage.delay(&options, false);
            assert!(delay >= most / 2 && delay <= most, "{delay:?}, {most:?} at most");
        };
        for times in 0..3 {
            within(&mut outage, options.first_retry * 2_u32.pow(times));
        }
        outage.begin(options.first_retry, &options);
        within(&mut outage, (options.first_retry * 8).min(options.longest_retry));
        for _ in 0..100 {
            outage.delay(&options, false);
        }
        within(&mut outage, options.longest_retry);
        outage.begin(options.ping_interval, &options);
        within(&mut outage, options.first_retry);
        outage.begin(options.ping_interval, &options);
        assert!(outage.delay(&options, true) >= options.first_retry * 5, "who is refused has time");
    }

    #[test]
    fn others_are_waited_for_where_redis_itself_was_gone() {
        let options = RedisOptions::default();
        let mut outage = Outage::default();
        assert!(outage.head_start(&options).is_zero(), "the first link has nothing to wait for");
        outage.is_long();
        assert_eq!(outage.head_start(&options), options.longest_retry);
        outage.begin(options.ping_interval, &options);
        assert!(outage.head_start(&options).is_zero(), "the link alone was cut");
    }
}
