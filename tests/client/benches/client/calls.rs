//! Calls by our client.

use futures_util::future::join_all;
use hub_client::Connection;

use crate::usage;

/// What is echoed.
pub(crate) const TEXT: &str = "a text of about the length that a chat has";

/// Prints the CPU time a call, with so many callers who each wait for their answers.
pub(crate) async fn run(url: &str, callers: usize, calls: u32) {
    let connection = Connection::builder(url).connect().await.expect("the hub is there");
    echo(&connection, callers, calls / 10).await;
    let before = usage::cpu();
    echo(&connection, callers, calls).await;
    println!("{}", (usage::cpu() - before) / f64::from(calls));
    connection.stop().await;
}

async fn echo(connection: &Connection, callers: usize, calls: u32) {
    let connection = connection.clone();
    let each = calls / callers as u32;
    // All in one task, as in the bare client.
    let callers = async move {
        let caller = async || {
            for _ in 0..each {
                let text: String = connection.invoke("Echo", (TEXT,)).await.expect("an answer");
                assert_eq!(text, TEXT);
            }
        };
        join_all((0..callers).map(|_| caller())).await;
    };
    tokio::spawn(callers).await.expect("it does not panic");
}
