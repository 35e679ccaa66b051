//! What the client may ask of the hub.

use hub_core::{Result, Stream, Upload, contract};

#[contract]
pub(crate) trait CounterHub {
    /// Counts from `from` down to 0, one number every `milliseconds`.
    ///
    /// `-> impl Stream` makes it a stream to the client, which ends when the hub's stream does.
    fn countdown(&self, from: u32, milliseconds: u64) -> impl Stream<Item = Result<u32>>;

    /// Adds up what is uploaded. After each number comes the sum so far.
    ///
    /// A parameter `Upload` makes it a stream from the client: here one answers the other.
    fn add_up(&self, numbers: Upload<i64>) -> impl Stream<Item = Result<i64>>;

    /// The same, with one answer at the end.
    async fn sum(&self, numbers: Upload<i64>) -> Result<i64>;
}
