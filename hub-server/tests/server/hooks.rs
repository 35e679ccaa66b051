//! The hooks of a connection: connected and disconnected.

use std::sync::Arc;

use hub_core::{Answers, HubError, Remote, Result, Untyped};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubRoute, hub};
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{CLOSED_WITH_ERROR, Events, NONE, Server, close, events, eventually, notice, result};

/// What it does when a connection opens is in the connection's query.
struct Door {
    cx: Context<Self>,
    gate: Arc<Notify>,
    events: UnboundedSender<String>,
}

impl Door {
    fn tell(&self, event: impl Into<String>) {
        let _ = self.events.send(event.into());
    }
}

impl Hub for Door {
    type Client = Untyped;

    async fn connected(&self) -> Result<()> {
        self.cx.join("house").await?;
        self.cx.caller().send("Welcome", (1,)).await?;
        self.cx.group("house").send("Welcome", (2,)).await?;
        match self.cx.request().query("do").as_deref() {
            Some("wait") => {
                self.tell("waiting");
                self.gate.notified().await;
            }
            Some("ask") => {
                let answer = self.cx.caller().invoke::<_, u32>("Age", ()).await;
                self.tell(answer.unwrap_err().to_string());
            }
            Some("stay") => {
                self.tell("waiting");
                self.cx.disconnected().await;
                self.tell("ended");
            }
            Some("refuse") => return Err(HubError::public("the house is full")),
            Some("fail") => return Err(HubError::private("the lock is broken")),
            Some("panic") => panic!("the roof came down"),
            _ => {}
        }
        Ok(())
    }

    async fn disconnected(&self, _: &DisconnectReason) {
        // P-LT-12: still a member, but nothing reaches it.
        self.cx.caller().send("Lost", ()).await.unwrap();
        self.cx.group("house").send("Left", (self.cx.handle().connection_count(),)).await.unwrap();
        self.tell("left");
        assert!(self.cx.request().query("then").is_none(), "a panic in the hook");
    }
}

#[hub]
impl Door {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        Ok(number)
    }
}

struct House {
    server: Server,
    hub: HubHandle<Door>,
    gate: Arc<Notify>,
    events: Events<String>,
}

async fn house() -> House {
    let (sender, events) = events();
    let gate = Arc::new(Notify::new());
    let shared = Arc::clone(&gate);
    let route = HubRoute::new(move |cx| Door { cx, gate: Arc::clone(&shared), events: sender.clone() });
    let (server, hub) = Server::of(route).await;
    House { server, hub, gate, events }
}

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\x1e";
const ECHO: &str = "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[7]}\x1e";

#[tokio::test]
async fn what_the_hook_sends_comes_before_anything_else() {
    // P-HS-15, P-HS-05: the call comes in one frame with the handshake.
    let house = house().await;
    let mut client = house.server.open("/hub").await;
    client.send_text(&format!("{HANDSHAKE}{ECHO}")).await;
    for expected in [json!({}), notice("Welcome", [1]), notice("Welcome", [2]), result("1", 7)] {
        assert_eq!(client.next().await, expected);
    }
    // The group that was joined in the hook.
    house.hub.group("house").send("Dinner", ()).await.unwrap();
    assert_eq!(client.next().await, notice("Dinner", NONE));
}

#[tokio::test]
async fn messages_wait_for_the_hook() {
    let mut house = house().await;
    let mut client = house.server.open("/hub?do=wait").await;
    client.send_text(&format!("{HANDSHAKE}{ECHO}")).await;
    for expected in [json!({}), notice("Welcome", [1]), notice("Welcome", [2])] {
        assert_eq!(client.next().await, expected);
    }
    assert_eq!(house.events.next().await, "waiting");
    // It is a member meanwhile (P-LT-12).
    house.hub.all().send("Soon", ()).await.unwrap();
    assert_eq!(client.next().await, notice("Soon", NONE));
    house.gate.notify_one();
    assert_eq!(client.next().await, result("1", 7));
}

#[tokio::test]
async fn an_error_in_the_hook_closes_the_connection() {
    // P-CLS-02, P-CLS-03, P-CLS-05, P-ERR-01
    let public = format!("{CLOSED_WITH_ERROR} HubException: the house is full");
    for (path, text) in
        [("/hub?do=refuse", &*public), ("/hub?do=fail", CLOSED_WITH_ERROR), ("/hub?do=panic", CLOSED_WITH_ERROR)]
    {
        let mut house = house().await;
        let mut client = house.server.open(path).await;
        client.send_text(&format!("{HANDSHAKE}{ECHO}")).await;
        let (messages, code) = client.rest().await;
        let expected = [json!({}), notice("Welcome", [1]), notice("Welcome", [2]), close(Some(text), false)];
        assert_eq!((&*messages, code), (&expected[..], Some(1000)));
        // The end of the connection is the last that happens, after the hook that must not run (P-CLS-04).
        eventually("the end", async || house.hub.connection_count() == 0).await;
        house.events.assert_none();
        house.hub.group("house").send("Dinner", ()).await.unwrap();
        // The server goes on.
        house.server.connect().await;
    }
}

#[tokio::test]
async fn questions_in_the_hook_are_refused() {
    // P-CR-10
    let mut house = house().await;
    let mut client = house.server.connect_to("/hub?do=ask").await;
    let text = "Client results inside OnConnectedAsync Hub methods are not allowed.";
    assert_eq!(house.events.next().await, text);
    assert_eq!(client.next().await, notice("Welcome", [1]));
    assert_eq!(client.next().await, notice("Welcome", [2]));
    assert_eq!(client.call("Echo", (3,)).await, Ok(json!(3)));
}

#[tokio::test]
async fn the_hook_at_the_end_runs_once_and_others_hear_of_it() {
    let mut house = house().await;
    let mut stays = house.server.connect().await;
    let leaves = house.server.connect().await;
    // Its own two, and the second of the other.
    for number in [1, 2, 2] {
        assert_eq!(stays.next().await, notice("Welcome", [number]));
    }
    leaves.close().await;
    assert_eq!(stays.next().await, notice("Left", [2]), "P-LT-12: it is still listed");
    assert_eq!(house.events.next().await, "left");
    eventually("the end", async || house.hub.connection_count() == 1).await;
    house.events.assert_none();
}

#[tokio::test]
async fn a_panic_in_the_hook_at_the_end_is_contained() {
    let mut house = house().await;
    house.server.connect_to("/hub?then=panic").await.close().await;
    assert_eq!(house.events.next().await, "left");
    eventually("the end", async || house.hub.connection_count() == 0).await;
    let mut client = house.server.connect().await;
    client.next().await;
    client.next().await;
    assert_eq!(client.call("Echo", (3,)).await, Ok(json!(3)));
}

#[tokio::test]
async fn a_hook_that_waits_for_the_end_is_told_of_it() {
    let mut house = house().await;
    let client = house.server.connect_to("/hub?do=stay").await;
    assert_eq!(house.events.next().await, "waiting");
    client.cut();
    assert_eq!(house.events.next().await, "ended");
    assert_eq!(house.events.next().await, "left");
}
