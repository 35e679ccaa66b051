//! A long stream, received by our client.

use std::time::Duration;

use futures_util::StreamExt;
use hub_client::Connection;

use crate::usage;

/// Prints the CPU time an item, and by how much the memory grew. A slow reader takes a pause every now and then.
pub(crate) async fn run(url: &str, slow: bool, count: i32) {
    let connection = Connection::builder(url).connect().await.expect("the hub is there");
    // What any stream needs.
    receive(&connection, 1000, false).await;
    let (cpu, (memory, _)) = (usage::cpu(), usage::memory());
    receive(&connection, count, slow).await;
    println!("{} {}", (usage::cpu() - cpu) / f64::from(count), usage::memory().1 - memory);
    connection.stop().await;
}

async fn receive(connection: &Connection, count: i32, slow: bool) {
    let mut items = connection.stream::<i32>("Counter", (count, 0));
    for number in 0..count {
        assert_eq!(items.next().await, Some(Ok(number)));
        if slow && number % 1000 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(items.next().await, None);
}
