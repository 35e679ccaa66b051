//! The hub.

use std::time::Duration;

use axum::Router;
use futures_util::{Stream, StreamExt, stream};
use hub_core::{HubError, Result, Untyped, Upload};
use hub_server::{Hub, HubRoute, hub};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::contract::CounterHub;

/// It needs no state, and does not know its caller.
struct Counter;

impl Hub for Counter {
    type Client = Untyped;
}

#[hub]
impl CounterHub for Counter {
    fn countdown(&self, from: u32, milliseconds: u64) -> impl Stream<Item = Result<u32>> {
        // The stream runs as long as somebody reads it. A client that cancels it, goes away, or falls behind is no
        // concern of this code: the stream is dropped, or is not asked for its next item.
        stream::iter((0..=from).rev()).then(move |number| async move {
            sleep(Duration::from_millis(milliseconds)).await;
            Ok(number)
        })
    }

    fn add_up(&self, numbers: Upload<i64>) -> impl Stream<Item = Result<i64>> {
        // An error ends the stream; the client reads its text, for it is a public one.
        numbers.scan(0, |sum, number| {
            let added = number.and_then(|number| add(*sum, number)).inspect(|added| *sum = *added);
            std::future::ready(Some(added))
        })
    }

    async fn sum(&self, mut numbers: Upload<i64>) -> Result<i64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            // The upload itself may end with an error: the client's own, or that a number was none.
            sum = add(sum, number?)?;
        }
        Ok(sum)
    }
}

fn add(sum: i64, number: i64) -> Result<i64> {
    sum.checked_add(number).ok_or_else(|| HubError::public(format!("{sum} and {number} are too much for 64 bits")))
}

/// Serves the hub at `/counter`.
pub(crate) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let app: Router = Router::new().merge(HubRoute::new(|_| Counter).at("/counter"));
    hub_server::serve(listener, app).await
}
