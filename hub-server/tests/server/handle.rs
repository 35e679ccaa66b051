//! A hub from outside of its calls.

use std::sync::Arc;

use http::request::Parts;
use hub_core::backplane::{Backplane, Delivery, Emitter, InProcess, Inbox, NodeId, Reply, Topic};
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

/// Where three clients are, and who sends to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// All on one node.
    OneNode,
    /// One on the node that sends, two on another.
    TwoNodes,
    /// Each on a node of its own, the third by an id that the first made; the sender has none.
    Scattered,
    /// All on one node by ids that another made, which has gone.
    Moved,
}

const LAYOUTS: [Layout; 4] = [Layout::OneNode, Layout::TwoNodes, Layout::Scattered, Layout::Moved];

fn node(backplane: &InProcess) -> HubRoute<Radio> {
    HubRoute::new(|cx| Radio { cx }).backplane(backplane.clone()).identify(async |parts: Parts| {
        let user = parts.headers.get("x-user").and_then(|user| user.to_str().ok());
        Ok(Identity::user(user.unwrap_or_default()))
    })
}

struct Deaf;

impl Inbox for Deaf {
    fn deliver(&self, _: &Topic, _: Delivery) {}
}

/// A client of this user whose id `negotiator` made.
async fn by_id_of(negotiator: &Server, server: &Server, user: &str) -> Client {
    let user = [("x-user", user)];
    let negotiated = negotiator.negotiate("/hub", &user).await;
    let path = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
    let mut client = server.try_open(&path, &user).await.unwrap();
    client.handshake().await;
    assert_eq!(client.call("Id", NONE).await.unwrap(), negotiated["connectionId"]);
    client
}

/// Three clients: ann twice and bob, with the ids of their connections.
async fn three(layout: Layout) -> (HubHandle<Radio>, [Client; 3], [String; 3]) {
    three_on(&InProcess::new(), layout).await
}

async fn three_on(backplane: &InProcess, layout: Layout) -> (HubHandle<Radio>, [Client; 3], [String; 3]) {
    let (first, near) = Server::of(node(backplane)).await;
    let (second, _) = Server::of(node(backplane)).await;
    let (_, far) = Server::of(node(backplane)).await;
    let (hub, nodes) = match layout {
        Layout::OneNode => (near, [(&first, &first); 3]),
        Layout::TwoNodes => (near, [(&first, &first), (&second, &second), (&second, &second)]),
        Layout::Scattered => (far, [(&first, &first), (&second, &second), (&first, &second)]),
        Layout::Moved => {
            // A handle keeps its node.
            drop(near);
            (far, [(&first, &second); 3])
        }
    };
    let mut clients = [
        by_id_of(nodes[0].0, nodes[0].1, "ann").await,
        by_id_of(nodes[1].0, nodes[1].1, "ann").await,
        by_id_of(nodes[2].0, nodes[2].1, "bob").await,
    ];
    let mut ids = [const { String::new() }; 3];
    for (client, id) in clients.iter_mut().zip(&mut ids) {
        *id = client.call("Id", NONE).await.unwrap().as_str().unwrap().to_owned();
    }
    if layout == Layout::Moved {
        first.stop();
        let gone = NodeId::of(&ids[0].as_str().into()).unwrap();
        let watcher = backplane.attach("Radio", Arc::new(Deaf));
        let nothing = Delivery::Reply { id: 0, reply: Reply::Done };
        eventually("the node to be gone", async || {
            watcher.publish_counted(&Topic::Node(gone), &nothing).await == Ok(0)
        })
        .await;
    }
    (hub, clients, ids)
}

/// How often each client was reached since.
async fn reached(hub: &HubHandle<Radio>, clients: &mut [Client; 3], ids: &[String; 3]) -> [usize; 3] {
    for id in ids {
        // The way with the most hops, so that nothing comes behind it.
        hub.connection(id).send("Mark", ()).await.unwrap();
    }
    let mut counts = [0; 3];
    for (client, count) in clients.iter_mut().zip(&mut counts) {
        while client.next().await != notice("Mark", NONE) {
            *count += 1;
        }
    }
    counts
}

/// Sends by `$sender` to all targets, and checks whom it reaches.
macro_rules! reaches_whom_it_names {
    ($sender:expr, $layout:expr, $hub:expr, $clients:expr, $ids:expr) => {{
        // P-LT-01, P-LT-03, P-LT-04, P-LT-05, P-LT-13
        let (sender, layout, hub, clients, ids) = ($sender, $layout, $hub, $clients, $ids);
        let [a, b, c] = ids.clone();
        let unknown = "nobody".to_owned();
        let news = |number: u32| (number,);

        sender.all().send("News", news(1)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 1, 1], "{layout:?}");
        sender.all_except([a.clone(), unknown.clone()]).send("News", news(2)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [0, 1, 1], "{layout:?}");
        sender.connection(c.clone()).send("News", news(3)).await.unwrap();
        sender.connection(unknown.clone()).send("News", news(3)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [0, 0, 1], "{layout:?}");
        sender.connections([a.clone(), c, a.clone(), unknown.clone()]).send("News", news(4)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 0, 1], "{layout:?}: once each");
        sender.group("g").send("News", news(5)).await.unwrap();
        sender.group("G").send("News", news(5)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 1, 0], "{layout:?}: names have a case (P-LT-07)");
        sender.group_except("g", [b.clone()]).send("News", news(6)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 0, 0], "{layout:?}");
        sender.groups(["g", "h", "empty"]).send("News", news(7)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 2, 0], "{layout:?}: once a group");
        sender.user("ann").send("News", news(8)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 1, 0], "{layout:?}");
        sender.users(["ann", "bob", "ann", "eve"]).send("News", news(9)).await.unwrap();
        assert_eq!(reached(hub, clients, ids).await, [1, 1, 1], "{layout:?}: once each");
    }};
}

#[tokio::test]
async fn reaches_whom_it_names() {
    for layout in LAYOUTS {
        let backplane = InProcess::new();
        let (hub, mut clients, ids) = three_on(&backplane, layout).await;
        for (client, group) in [(0, "g"), (1, "g"), (1, "h")] {
            clients[client].call("Join", (group,)).await.unwrap();
        }
        reaches_whom_it_names!(&hub, layout, &hub, &mut clients, &ids);
        let emitter = Emitter::<Untyped>::new(&backplane, "Radio");
        reaches_whom_it_names!(&emitter, layout, &hub, &mut clients, &ids);
        let sent = emitter.groups(["g", ""]).send("News", ()).await;
        assert_eq!(sent, Err(CallError::Refused("Cannot send to an empty group name.".to_owned())), "P-LT-06");
    }
}

#[tokio::test]
async fn groups_are_joined_and_left() {
    for layout in LAYOUTS {
        groups_are_joined_and_left_in(layout).await;
    }
}

async fn groups_are_joined_and_left_in(layout: Layout) {
    // P-LT-08, P-LT-09
    let (hub, mut clients, ids) = three(layout).await;
    for _ in 0..2 {
        hub.add_to_group(&ids[0], "g").await.unwrap();
        hub.add_to_group(&ids[2], "g").await.unwrap();
    }
    hub.add_to_group("nobody", "g").await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    assert_eq!(reached(&hub, &mut clients, &ids).await, [1, 0, 1]);
    for _ in 0..2 {
        hub.remove_from_group(&ids[0], "g").await.unwrap();
    }
    hub.remove_from_group("nobody", "g").await.unwrap();
    clients[2].call("Leave", ("g",)).await.unwrap();
    hub.group("g").send("News", ()).await.unwrap();
    assert_eq!(reached(&hub, &mut clients, &ids).await, [0, 0, 0]);
}

#[tokio::test]
async fn connections_that_have_ended_are_gone_everywhere() {
    // P-LT-10, P-LT-17
    let (hub, clients, ids) = three(Layout::OneNode).await;
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
    for layout in LAYOUTS {
        asks_a_client_in(layout).await;
    }
}

async fn asks_a_client_in(layout: Layout) {
    let (hub, [mut ann, ..], [id, ..]) = three(layout).await;
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
    for layout in LAYOUTS {
        what_cannot_be_sent_is_refused_in(layout).await;
    }
}

async fn what_cannot_be_sent_is_refused_in(layout: Layout) {
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }

    let (hub, mut clients, ids) = three(layout).await;
    let id = &ids[0];
    for sent in [
        hub.all().send("News", (Unwritable,)).await,
        hub.connection(id).send("News", (Unwritable,)).await,
        hub.connection(id).invoke::<_, u32>("News", (Unwritable,)).await.map(|_| ()),
    ] {
        assert!(matches!(&sent, Err(CallError::Encode(why)) if why.contains("not today")), "{sent:?}");
    }
    let sent = hub.groups(["g", ""]).send("News", ()).await;
    assert_eq!(sent, Err(CallError::Refused("Cannot send to an empty group name.".to_owned())), "P-LT-06");
    assert_eq!(reached(&hub, &mut clients, &ids).await, [0, 0, 0]);
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
