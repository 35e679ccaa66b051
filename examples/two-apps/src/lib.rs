//! Two programs that send each other typed messages, in JSON and in both directions at once, as fast as they can, and
//! print how many there were in a second.
//!
//! ```sh
//! cargo run --release -p two-apps --bin plant                       # in one terminal
//! cargo run --release -p two-apps --bin control -- --seconds 5      # in another; or --messages 1000000
//! ```
//!
//! `plant` hosts a hub, `control` is its client. The plant sends readings of its sensors, control sends commands for its
//! valves: two streams in one call, one each way. Streams have flow control, so each side sends as fast as the other
//! reads, and nothing is lost. This file is what both programs know.

use std::time::{Duration, Instant};

use futures_util::stream;
use hub_core::{Result, Stream, Upload, contract};
use serde::{Deserialize, Serialize};

/// What the plant tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// Counts from 0.
    pub number: u64,
    /// Where it was measured.
    pub sensor: String,
    /// What was measured there.
    pub degrees: f64,
}

/// What control wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Counts from 0.
    pub number: u64,
    /// What is to be done,
    pub valve: String,
    /// and how.
    pub open: bool,
}

/// For how long each side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Length {
    /// So many messages.
    Messages(u64),
    /// As many as it can in so many seconds.
    Seconds(u64),
}

/// What control may ask of the plant.
#[contract]
pub trait PlantHub {
    /// Takes commands and gives readings, until both have ended.
    fn exchange(&self, length: Length, commands: Upload<Command>) -> impl Stream<Item = Result<Reading>>;
}

/// Messages of this number from 0, for as long as they are to be sent.
pub fn messages<T>(length: Length, make: impl Fn(u64) -> T + Send) -> impl Stream<Item = T> + Send {
    let began = Instant::now();
    let goes_on = move |number: &u64| match length {
        Length::Messages(count) => *number < count,
        Length::Seconds(seconds) => began.elapsed() < Duration::from_secs(seconds),
    };
    stream::iter((0..).take_while(goes_on).map(make))
}

/// The messages of one direction as they were counted.
#[derive(Debug)]
pub struct Count {
    began: Instant,
    messages: u64,
}

impl Count {
    /// Begins to count.
    #[expect(clippy::new_without_default, reason = "it starts a clock")]
    pub fn new() -> Self {
        Self { began: Instant::now(), messages: 0 }
    }

    /// Counts a message that came.
    ///
    /// # Panics
    /// When one is missing, or was overtaken: then the demonstration has failed.
    pub fn take(&mut self, number: u64) {
        assert_eq!(number, self.messages, "messages come whole and in order");
        self.messages += 1;
    }

    /// How many there were, and how fast.
    pub fn rate(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "they are figures to look at")]
        let rate = self.messages as f64 / seconds;
        format!("{} in {seconds:.2} s, {rate:.0}/s", self.messages)
    }
}
