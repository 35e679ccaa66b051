//! The client.

use std::error::Error;
use std::io::Write;

use futures_util::{StreamExt, TryStreamExt, stream};
use hub_client::Connection;
use hub_core::Upload;

use crate::contract::CounterHubProxy;

/// Counts, and writes what comes of it.
pub(crate) async fn count(url: &str, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let connection = Connection::builder(format!("{url}/counter")).connect().await?;
    let hub = CounterHubProxy::new(connection.clone());

    // A stream is read as any other.
    let mut numbers = hub.countdown(5, 100);
    while let Some(number) = numbers.next().await {
        writeln!(out, "down: {}", number?)?;
    }

    // Dropping it cancels it: this one would last a year.
    let first: Vec<u32> = hub.countdown(315_360_000, 100).take(3).try_collect().await?;
    writeln!(out, "a long countdown begins with {first:?}")?;

    // Whatever is a stream can be uploaded. Numbers go up and sums come down at the same time.
    let mut sums = hub.add_up(Upload::new(stream::iter(1..=5)));
    while let Some(sum) = sums.next().await {
        writeln!(out, "up: the sum is {}", sum?)?;
    }

    // Uploads are as fast as the hub reads them, so they may be of any length.
    let sum = hub.sum(Upload::new(stream::iter(1..=100_000))).await?;
    writeln!(out, "the sum of a hundred thousand is {sum}")?;

    let mut too_much = hub.add_up(Upload::new(stream::iter([i64::MAX, 1])));
    while let Some(sum) = too_much.next().await {
        match sum {
            Ok(sum) => writeln!(out, "up: the sum is {sum}")?,
            Err(error) => writeln!(out, "up: {error}")?,
        }
    }
    connection.stop().await;
    Ok(())
}
