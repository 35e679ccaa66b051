//! Many clients at once.

use futures_util::future::join_all;

use crate::support::Site;

const CLIENTS: usize = 100;

pub(crate) async fn a_hundred_clients_are_answered(site: &Site<'_>) {
    let mut clients = join_all((0..CLIENTS).map(|_| site.client())).await;
    let group = "crowd";
    // All at once, each with several calls outstanding.
    let calls = clients.iter().enumerate().map(async |(number, client)| {
        let (text, number) = (format!("text {number}"), number as i32);
        let (echoed, sum, joined) =
            tokio::join!(client.hub.echo(&text), client.hub.add(number, 1), client.hub.join_group(group));
        assert_eq!((echoed, sum, joined), (Ok(text), Ok(number + 1), Ok(())));
    });
    join_all(calls).await;
    // One reaches all, and each has an id of its own.
    let sender = clients[0].id();
    clients[0].hub.send_to_group(group, "to all").await.unwrap();
    let told = join_all(clients.iter_mut().map(|client| client.told())).await;
    assert!(told.iter().all(|told| *told == format!("Message to all {sender}")), "{told:?}");
    let mut ids: Vec<_> = clients.iter().map(|client| client.id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CLIENTS);
    // They ask each other, in a ring.
    let asked = clients.iter().enumerate().map(async |(number, client)| {
        let next = clients[(number + 1) % CLIENTS].id();
        assert_eq!(client.hub.ask_client(&next, "there?").await.as_deref(), Ok("there?!"));
    });
    join_all(asked).await;
    join_all(clients.iter().map(|client| client.connection.stop())).await;
}
