//! A hub from outside of its calls.

use std::sync::Arc;

use hub_core::{Answers, CallError, Identity, Remote, Result, Untyped};
use hub_server::{Context, Hub, HubHandle, HubRoute, hub};
use serde::Serialize;
use serde_json::json;

use crate::support::{Client, NONE, Server, eventually, notice, result, within};

struct Radio {
    cx: Context<Self>,
}

impl Hub for Radio {
    type Client = Untyped;
}

#[hub]
impl Radio {
    #[method]
    async fn id(&self) -> Result<String> {
        Ok(self.cx.connection_id().to_string())
    }

    #[method]
    async fn join(&self, group: &str) -> Result<()> {
        self.cx.join(group).await
    }

    #[method]
    async fn leave(&self, group: &str) -> Result<()> {
        self.cx.leave(group).await
    }
}

/// Three clients: ann twice and bob, with the ids of their connections.
async fn three() -> (HubHandle<Radio>, [Client; 3], [String; 3]) {
    let route = HubRoute::new(|cx| Radio { cx })
        .identify(async |parts| Ok(Identity::user(parts.uri.query().unwrap_or_default())));
    let (server, hub) = Server::of(route).await;
    let mut clients =
        [server.connect_to("/hub?ann").await, server.connect_to("/hub?ann").await, server.connect_to("/hub?bob").await];
    let mut ids = [const { String::new() }; 3];
    for (client, id) in clients.iter_mut().zip(&mut ids) {
        *id = client.call("Id", NONE).await.unwrap().as_str().unwrap().to_owned();
    }
    (hub, clients, ids)
}

/// How often each client was reached since.
async fn reached(hub: &HubHandle<Radio>, clients: &mut [Client; 3]) -> [usize; 3] {
    hub.all().send("Mark", ()).await.unwrap();
    let mut counts = [0; 3];
    for (client, count) in clients.iter_mut().zip(&mut counts) {
        while client.next().await != notice("Mark", NONE) {
            *count += 1;
        }
    }
    counts
}

#[tokio::test]
async fn reaches_whom_it_names() {
    // P-LT-01, P-LT-03, P-LT-04, P-LT-05, P-LT-13
    let (hub, mut clients, ids) = three().await;
    let [a, b, c] = ids;
    for (client, group) in [(0, "g"), (1, "g"), (1, "h")] {
        clients[client].call("Join", (group,)).await.unwrap();
    }
    let unknown = "nobody".to_owned();
    let news = |number: u32| (number,);

    hub.all().send("News", news(1)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 1, 1]);
    hub.all_except([a.clone(), unknown.clone()]).send("News", news(2)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [0, 1, 1]);
    hub.connection(c.clone()).send("News", news(3)).await.unwrap();
    hub.connection(unknown.clone()).send("News", news(3)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [0, 0, 1]);
    hub.connections([a.clone(), c, a.clone(), unknown.clone()]).send("News", news(4)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 0, 1], "once each");
    hub.group("g").send("News", news(5)).await.unwrap();
    hub.group("G").send("News", news(5)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 1, 0], "names have a case (P-LT-07)");
    hub.group_except("g", [b.clone()]).send("News", news(6)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 0, 0]);
    hub.groups(["g", "h", "empty"]).send("News", news(7)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 2, 0], "once a group");
    hub.user("ann").send("News", news(8)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 1, 0]);
    hub.users(["ann", "bob", "ann", "eve"]).send("News", news(9)).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 1, 1], "once each");
}

#[tokio::test]
async fn groups_are_joined_and_left() {
    // P-LT-08, P-LT-09
    let (hub, mut clients, ids) = three().await;
    for _ in 0..2 {
        hub.add_to_group(&ids[0], "g").await.unwrap();
        hub.add_to_group(&ids[2], "g").await.unwrap();
    }
    hub.add_to_group("nobody", "g").await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [1, 0, 1]);
    for _ in 0..2 {
        hub.remove_from_group(&ids[0], "g").await.unwrap();
    }
    hub.remove_from_group("nobody", "g").await.unwrap();
    clients[2].call("Leave", ("g",)).await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    assert_eq!(reached(&hub, &mut clients).await, [0, 0, 0]);
}

#[tokio::test]
async fn connections_that_have_ended_are_gone_everywhere() {
    // P-LT-10, P-LT-17
    let (hub, clients, ids) = three().await;
    let [mut ann, _, bob] = clients;
    assert_eq!(hub.connection_count(), 3);
    hub.add_to_group(&ids[2], "g").await.unwrap();
    bob.close().await;
    eventually("bob to be gone", async || hub.connection_count() == 2).await;
    hub.connection(ids[2].clone()).send("News", ()).await.unwrap();
    hub.user("bob").send("News", ()).await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    hub.add_to_group(&ids[2], "g").await.unwrap();
    hub.all().send("Mark", ()).await.unwrap();
    assert_eq!(ann.next().await, notice("Mark", NONE));
}

#[tokio::test]
async fn asks_a_client() {
    let (hub, [mut ann, ..], [id, ..]) = three().await;
    let asked = hub.connection(id);
    let (answer, ()) = tokio::join!(asked.invoke::<_, String>("Name", ("full",)), async {
        let question = ann.next().await;
        assert_eq!((&question["target"], &question["arguments"]), (&json!("Name"), &json!(["full"])));
        ann.send(&result(question["invocationId"].as_str().unwrap(), "Ann Lee")).await;
    });
    assert_eq!(answer, Ok("Ann Lee".to_owned()));

    let answer = hub.connection("nobody").invoke::<_, String>("Name", ()).await;
    assert_eq!(answer, Err(CallError::Refused("Connection 'nobody' does not exist.".to_owned())), "P-CR-06");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }

    let (hub, mut clients, [id, ..]) = three().await;
    for sent in [
        hub.all().send("News", (Unwritable,)).await,
        hub.connection(id.clone()).send("News", (Unwritable,)).await,
        hub.connection(id).invoke::<_, u32>("News", (Unwritable,)).await.map(|_| ()),
    ] {
        assert!(matches!(&sent, Err(CallError::Encode(why)) if why.contains("not today")), "{sent:?}");
    }
    let sent = hub.groups(["g", ""]).send("News", ()).await;
    assert_eq!(sent, Err(CallError::Refused("Cannot send to an empty group name.".to_owned())), "P-LT-06");
    assert_eq!(reached(&hub, &mut clients).await, [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_and_go_leave_nothing_behind() {
    // P-LT-11: they join groups while they end.
    let (server, hub) = Server::of(HubRoute::new(|cx| Radio { cx })).await;
    let server = Arc::new(server);
    let comers = (0..8).map(|comer| {
        let (server, hub) = (Arc::clone(&server), hub.clone());
        tokio::spawn(async move {
            for round in 0..20 {
                let mut client = server.connect().await;
                client.begin("id", "Id", NONE).await;
                // News of the others may come before.
                let mut id = client.next().await;
                while id["type"] != 3 {
                    id = client.next().await;
                }
                client.notify("Join", ("g",)).await;
                if (comer + round) % 2 == 0 {
                    client.close().await;
                } else {
                    client.cut();
                }
                hub.add_to_group(id["result"].as_str().unwrap(), "g").await.unwrap();
                hub.group("g").send("News", ()).await.unwrap();
                hub.all().send("News", ()).await.unwrap();
            }
        })
    });
    for comer in comers.collect::<Vec<_>>() {
        within("all to have come and gone", comer).await.unwrap();
    }
    eventually("nobody to be left", async || hub.connection_count() == 0).await;
    // Not even in the group.
    let mut client = server.connect().await;
    client.call("Join", ("g",)).await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    assert_eq!(client.next().await, notice("News", NONE));
}
