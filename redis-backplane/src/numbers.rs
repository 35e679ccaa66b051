//! Numbering of messages, by which receivers notice what they missed. Pure: no clock, no lock.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use hub_core::backplane::NodeId;

use crate::wire::{Number, Stamp};

/// How many channels a sender numbers for sure. It keeps up to twice as many; of one that it has not published to for
/// longer, the numbering begins anew, in an epoch of its own.
const NUMBERED_CHANNELS: usize = 16_384;
/// How many senders a receiver follows for sure in one channel, and up to twice as many.
const KNOWN_SENDERS: usize = 512;

/// The numbers that one sender gives to its messages, channel by channel.
#[derive(Debug)]
pub(crate) struct Numbers {
    next: Recent<Arc<str>, Number>,
    epochs: u32,
}

impl Default for Numbers {
    fn default() -> Self {
        Self::remembering(NUMBERED_CHANNELS)
    }
}

impl Numbers {
    fn remembering(channels: usize) -> Self {
        Self { next: Recent::new(channels), epochs: 0 }
    }

    /// The number of the next message to this channel.
    pub(crate) fn next(&mut self, channel: &Arc<str>) -> Number {
        let epochs = &mut self.epochs;
        let next = self.next.get_or_insert(channel, || {
            *epochs = epochs.wrapping_add(1);
            Number { epoch: *epochs, in_epoch: 0 }
        });
        let number = *next;
        next.in_epoch = next.in_epoch.wrapping_add(1);
        number
    }
}

/// What was received last in one channel, sender by sender.
#[derive(Debug)]
pub(crate) struct Seen(Recent<NodeId, Number>);

impl Default for Seen {
    fn default() -> Self {
        Self(Recent::new(KNOWN_SENDERS))
    }
}

/// What a number says about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is new, and so many before it were missed.
    New {
        /// How many.
        missed: u64,
    },
    /// It was here before, or comes behind a later one.
    Old,
}

impl Seen {
    /// Notes a message. Of a sender that was not known, nothing is missed: when the subscription began, its numbering
    /// may have been anywhere.
    pub(crate) fn note(&mut self, stamp: Stamp) -> Sight {
        let Stamp { node, number } = stamp;
        let mut known = true;
        let last = self.0.get_or_insert(&node, || {
            known = false;
            number
        });
        let missed = match (known, last.epoch == number.epoch) {
            (false, _) => 0,
            // Also of an earlier epoch: what was not confirmed is published again, from the first on.
            (true, _) if !number.is_after(*last) => return Sight::Old,
            (true, true) => number.in_epoch - last.in_epoch - 1,
            // Its numbering began anew while we listened: from 0.
            (true, false) => number.in_epoch,
        };
        *last = number;
        Sight::New { missed }
    }
}

/// A map that remembers at least the `capacity` keys that were used last, and at most twice as many: two generations,
/// of which the older is thrown away when the younger is full.
#[derive(Debug)]
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity }
    }

    fn get_or_insert(&mut self, key: &K, insert: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= self.capacity && !self.young.contains_key(key) {
            let mut oldest = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            if let Some(value) = oldest.remove(key) {
                self.young.insert(key.clone(), value);
            }
        }
        let old = &mut self.old;
        self.young.entry(key.clone()).or_insert_with(|| old.remove(key).unwrap_or_else(insert))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Numbers, Seen, Sight};
    use crate::wire::{Number, Stamp};
    use hub_core::backplane::NodeId;

    fn from(sender: u8, number: Number) -> Stamp {
        Stamp { node: NodeId::new([sender; 6]), number }
    }

    #[test]
    fn each_channel_has_its_own_numbers() {
        let mut numbers = Numbers::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let first: Vec<Number> = [&a, &a, &b, &a].map(|channel| numbers.next(channel)).into();
        assert_eq!(first.iter().map(|number| number.in_epoch).collect::<Vec<_>>(), [0, 1, 0, 2]);
        assert_eq!(first[0].epoch, first[3].epoch);
        assert_ne!(first[0].epoch, first[2].epoch);
    }

    #[test]
    fn gaps_are_counted_and_repetitions_are_told() {
        let mut seen = Seen::default();
        let number = |in_epoch| from(1, Number { epoch: 3, in_epoch });
        assert_eq!(seen.note(number(40)), Sight::New { missed: 0 });
        assert_eq!(seen.note(number(41)), Sight::New { missed: 0 });
        assert_eq!(seen.note(number(45)), Sight::New { missed: 3 });
        assert_eq!(seen.note(number(45)), Sight::Old);
        assert_eq!(seen.note(number(44)), Sight::Old);
        // What was published again after a cut, of the epoch before.
        assert_eq!(seen.note(from(1, Number { epoch: 2, in_epoch: 99 })), Sight::Old);
        let last = Number { epoch: u32::MAX, in_epoch: 7 };
        assert!(Number { epoch: 0, in_epoch: 0 }.is_after(last) && !last.is_after(Number { epoch: 0, in_epoch: 0 }));
        // Another sender, of whom nothing is known.
        assert_eq!(seen.note(from(2, Number { epoch: 1, in_epoch: 1000 })), Sight::New { missed: 0 });
    }

    #[test]
    fn a_numbering_that_began_anew_is_no_huge_loss() {
        let mut numbers = Numbers::remembering(2);
        let mut seen = Seen::default();
        let channel: Arc<str> = "a".into();
        for _ in 0..1000 {
            assert_eq!(seen.note(from(1, numbers.next(&channel))), Sight::New { missed: 0 });
        }
        // Enough others that it is forgotten.
        for other in 0..5 {
            numbers.next(&format!("other {other}").into());
        }
        // Two get lost, the third arrives.
        numbers.next(&channel);
        numbers.next(&channel);
        assert_eq!(seen.note(from(1, numbers.next(&channel))), Sight::New { missed: 2 });
        assert!(numbers.next.young.len() + numbers.next.old.len() <= 4);
    }

    #[test]
    fn what_is_used_is_not_forgotten() {
        let mut numbers = Numbers::remembering(4);
        let busy: Arc<str> = "busy".into();
        for round in 0..100_u64 {
            assert_eq!(numbers.next(&busy).in_epoch, round);
            numbers.next(&format!("once {round}").into());
        }
    }
}
