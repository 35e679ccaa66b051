//! What a node does for others, with the test as the other node; and what it does when others do not answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hub_core::backplane::{
    Attachment, Backplane, Delivery, Framed, InProcess, Inbox, NodeId, Reply, Request, Subscribed, Topic, Unreachable,
    publish_to_connection,
};
use hub_core::message::Outcome;
use hub_core::{Answers, Codec, ConnectionId, HubError, Identity, Remote, Result, Untyped};
use hub_server::{Context, Hub, HubHandle, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::support::{Client, Events, NONE, Server, close, events, notice, result, within};

struct Desk {
    cx: Context<Self>,
}

impl Hub for Desk {
    type Client = Untyped;
}

#[hub]
impl Desk {
    #[method]
    async fn id(&self) -> Result<String> {
        Ok(self.cx.connection_id().to_string())
    }

    #[method]
    async fn ask(&self, id: &str) -> Result<u32> {
        let answer = self.cx.connection(id).invoke("Number", ()).await;
        answer.map_err(|error| HubError::public(error.to_string()))
    }
}

/// Soon enough for a test that waits for it, late enough for a busy machine to reply.
const TIMEOUT: Duration = Duration::from_millis(500);

fn desk(backplane: impl Backplane + 'static) -> HubRoute<Desk> {
    let options = HubOptions { backplane_timeout: TIMEOUT, ..HubOptions::default() };
    HubRoute::new(|cx| Desk { cx }).options(options).unwrap().backplane(backplane)
}

/// A node that is the test itself.
struct Fake {
    attachment: Arc<dyn Attachment>,
    received: Events<Delivery>,
}

struct Report(UnboundedSender<Delivery>);

impl Inbox for Report {
    fn deliver(&self, _: &Topic, delivery: Delivery) {
        let _ = self.0.send(delivery);
    }
}

impl Fake {
    async fn attach(backplane: &InProcess) -> Self {
        let (sender, received) = events();
        let attachment = backplane.attach("Desk", Arc::new(Report(sender)));
        attachment.subscribe(&Topic::Node(attachment.node())).await;
        Self { attachment, received }
    }

    /// An id that this node could have made.
    fn connection_id(&self) -> ConnectionId {
        format!("{}AAAAAAAAAAAAAA", self.attachment.node()).into()
    }

    async fn request(&self, id: u64, connection: &ConnectionId, request: Request) {
        let request = Delivery::Request { id, from: self.attachment.node(), connection: connection.clone(), request };
        publish_to_connection(&*self.attachment, connection, &request).await.unwrap();
    }

    async fn next_request(&mut self) -> (u64, NodeId, Request) {
        match self.received.next().await {
            Delivery::Request { id, from, request, .. } => (id, from, request),
            other => panic!("{other:?}"),
        }
    }

    async fn reply(&self, to: NodeId, id: u64, reply: Reply) {
        self.attachment.publish(&Topic::Node(to), &Delivery::Reply { id, reply }).await.unwrap();
    }

    async fn expect_reply(&mut self, id: u64, reply: Reply) {
        assert_eq!(self.received.next().await, Delivery::Reply { id, reply });
    }
}

struct Test {
    server: Server,
    hub: HubHandle<Desk>,
    fake: Fake,
}

async fn one_and_a_fake() -> Test {
    let backplane = InProcess::new();
    let (server, hub) = Server::of(desk(backplane.clone())).await;
    Test { server, hub, fake: Fake::attach(&backplane).await }
}

async fn id(client: &mut Client) -> ConnectionId {
    client.call("Id", NONE).await.unwrap().as_str().unwrap().into()
}

fn ask(target: &str, arguments: impl serde::Serialize) -> Request {
    let arguments = Codec::ALL.map(|codec| codec.encode_value(&arguments).unwrap());
    Request::Ask { target: target.into(), arguments }
}

fn answer(number: u32) -> Reply {
    Reply::Answer(Outcome::Value(Codec::Json.encode_value(&number).unwrap()))
}

#[tokio::test]
async fn asks_its_clients_for_others() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    let id = id(&mut client).await;
    fake.request(1, &id, ask("Number", (7,))).await;
    let question = client.next().await;
    assert_eq!((&question["target"], &question["arguments"]), (&json!("Number"), &json!([7])));
    fake.request(2, &id, Request::IsWaiting(1)).await;
    fake.expect_reply(2, Reply::Done).await;
    client.send(&result(question["invocationId"].as_str().unwrap(), 42)).await;
    fake.expect_reply(1, answer(42)).await;

    // Answered, and so not waited for any more.
    fake.request(3, &id, Request::IsWaiting(1)).await;
    fake.expect_reply(3, Reply::Unknown).await;
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_forgotten() {
    // P-CR-06, P-CR-12
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    let id = id(&mut client).await;
    fake.request(1, &id, ask("Number", NONE)).await;
    let question = client.next().await;
    fake.request(1, &id, Request::Forget(1)).await;
    fake.request(2, &id, Request::IsWaiting(1)).await;
    fake.expect_reply(2, Reply::Unknown).await;
    client.send(&result(question["invocationId"].as_str().unwrap(), 42)).await;
    // The late answer harms nobody, and reaches nobody.
    client.call("Id", NONE).await.unwrap();
    fake.request(3, &id, Request::IsWaiting(1)).await;
    fake.expect_reply(3, Reply::Unknown).await;
}

#[tokio::test]
async fn others_learn_that_the_asked_one_has_left() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    let id = id(&mut client).await;
    fake.request(1, &id, ask("Number", NONE)).await;
    client.next().await;
    client.close().await;
    fake.expect_reply(1, Reply::Disconnected).await;
    fake.request(2, &id, ask("Number", NONE)).await;
    let Delivery::Reply { id: 2, reply } = fake.received.next().await else { panic!("no reply") };
    // It is listed until its disconnected hook has run (P-LT-12).
    assert!(matches!(reply, Reply::Unknown | Reply::Disconnected), "{reply:?}");
}

#[tokio::test]
async fn ends_connections_for_others() {
    // P-CLS-03
    let Test { server, hub, mut fake } = one_and_a_fake().await;
    let mut client = server.connect().await;
    let id = id(&mut client).await;
    fake.request(1, &id, Request::Abort).await;
    fake.expect_reply(1, Reply::Done).await;
    assert_eq!(client.rest().await, (vec![close(None, false)], Some(1000)));

    let theirs = fake.connection_id();
    let (aborted, ()) = tokio::join!(hub.abort_connection(&*theirs), async {
        let (id, from, request) = fake.next_request().await;
        assert_eq!(request, Request::Abort);
        fake.reply(from, id, Reply::Done).await;
    });
    aborted.unwrap();
}

#[tokio::test]
async fn what_is_for_a_client_elsewhere_is_sent_on_however_much_comes_at_once() {
    let backplane = InProcess::new();
    let (server, _hub) = Server::of(desk(backplane.clone())).await;
    let (mut fake, another) = (Fake::attach(&backplane).await, Fake::attach(&backplane).await);
    let node = NodeId::of(&id(&mut server.connect().await).await).unwrap();
    // It was negotiated there, and lives at the fake.
    let moved = ConnectionId::from(format!("{node}BBBBBBBBBBBBBB"));
    fake.attachment.subscribe(&Topic::Connection(moved.clone())).await;
    let messages = (0..20_000).map(|number| {
        let message = Framed { json: Some(number.to_string().into()), messagepack: None };
        Delivery::Direct { message, to: vec![moved.clone()] }
    });
    // Without a pause in which it could be sent on.
    for message in messages.clone() {
        another.attachment.publish(&Topic::Node(node), &message).now_or_never().unwrap().unwrap();
    }
    for message in messages {
        assert_eq!(fake.received.next().await, message);
    }
}

#[tokio::test]
async fn a_group_change_that_is_not_acknowledged_fails() {
    let Test { hub, mut fake, .. } = one_and_a_fake().await;
    let theirs = fake.connection_id();
    let failed = hub.add_to_group(&*theirs, "g").await.unwrap_err();
    assert!(matches!(fake.next_request().await.2, Request::Join(group) if &*group == "g"));
    let why = format!("the node of connection '{theirs}' did not reply within 500ms");
    assert_eq!(failed.to_string(), format!("other nodes could not be reached: {why}"));

    // P-LT-08: there is no such connection any more.
    let (left, ()) = tokio::join!(hub.remove_from_group(&*theirs, "g"), async {
        let (id, from, request) = fake.next_request().await;
        assert!(matches!(request, Request::Leave(group) if &*group == "g"));
        fake.reply(from, id, Reply::Unknown).await;
    });
    left.unwrap();
}

#[tokio::test]
async fn an_answer_may_take_its_time() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    client.begin("1", "Ask", (&*fake.connection_id(),)).await;
    let (question, from, request) = fake.next_request().await;
    assert_eq!(request, ask("Number", NONE));
    for _ in 0..3 {
        let (id, from, request) = fake.next_request().await;
        assert_eq!(request, Request::IsWaiting(question));
        fake.reply(from, id, Reply::Done).await;
        // P-CR-10: meanwhile the client is served.
        client.call("Id", NONE).await.unwrap();
    }
    fake.reply(from, question, answer(42)).await;
    assert_eq!(client.next().await, result("1", 42));
}

#[tokio::test]
async fn an_answer_that_got_lost_is_not_waited_for() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    client.begin("1", "Ask", (&*fake.connection_id(),)).await;
    fake.next_request().await;
    let (id, from, _) = fake.next_request().await;
    fake.reply(from, id, Reply::Unknown).await;
    let why = format!("Connection '{}' disconnected.", fake.connection_id());
    assert!(client.next().await["error"].as_str().unwrap().ends_with(&why));
}

#[tokio::test]
async fn a_node_that_has_died_is_not_waited_for() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    let theirs = fake.connection_id();
    client.begin("1", "Ask", (&*theirs,)).await;
    fake.next_request().await;
    drop(fake);
    let why = format!("Connection '{theirs}' disconnected.");
    assert!(client.next().await["error"].as_str().unwrap().ends_with(&why));
}

#[tokio::test]
async fn a_node_that_is_silent_is_not_waited_for() {
    let Test { server, mut fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    client.begin("1", "Ask", (&*fake.connection_id(),)).await;
    fake.next_request().await;
    for _ in 0..2 {
        assert!(matches!(fake.next_request().await.2, Request::IsWaiting(_)));
    }
    let error = client.next().await["error"].take();
    assert!(error.as_str().unwrap().contains("did not reply within"), "{error}");
    // The other node is told in case it is only slow.
    assert!(matches!(fake.next_request().await.2, Request::Forget(_)));
}

#[tokio::test]
async fn a_message_without_the_clients_protocol_is_dropped() {
    // P-RED-18
    let Test { server, fake, .. } = one_and_a_fake().await;
    let mut client = server.connect().await;
    for json in [None, Some(Bytes::from_static(b"{\"type\":1,\"target\":\"News\",\"arguments\":[]}\x1e"))] {
        let message = Framed { json, messagepack: Some(Bytes::from_static(b"\x00")) };
        fake.attachment.publish(&Topic::All, &Delivery::Notice { message, except: Vec::new() }).await.unwrap();
    }
    assert_eq!(client.next().await, notice("News", NONE));
}

#[tokio::test]
async fn hubs_of_other_names_are_others() {
    let backplane = InProcess::new();
    let (first, one) = Server::of(desk(backplane.clone()).name("one")).await;
    let (second, other) = Server::of(desk(backplane.clone()).name("other")).await;
    let (mut of_one, mut of_other) = (first.connect().await, second.connect().await);
    one.all().send("One", ()).await.unwrap();
    other.all().send("Other", ()).await.unwrap();
    assert_eq!(of_one.next().await, notice("One", NONE));
    assert_eq!(of_other.next().await, notice("Other", NONE));
}

#[test]
fn routes_can_be_built_before_there_is_a_runtime() {
    let backplane = InProcess::new();
    let (one, other) = (desk(backplane.clone()), desk(backplane.clone()));
    let ((one, _), (other, handle)) = (one.build(), other.build::<()>());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let server = Server::start(axum::Router::new().nest("/hub", one).nest("/other", other)).await;
        let mut client = server.connect().await;
        handle.all().send("News", ()).await.unwrap();
        assert_eq!(client.next().await, notice("News", NONE));
    });
}

/// A backplane whose subscriptions to users and groups are in force when the test says so.
#[derive(Debug)]
struct Slow {
    inner: InProcess,
    subscribed: watch::Receiver<bool>,
}

#[derive(Debug)]
struct SlowAttachment(Arc<dyn Attachment>, watch::Receiver<bool>);

impl Backplane for Slow {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        Arc::new(SlowAttachment(self.inner.attach(hub, inbox), self.subscribed.clone()))
    }
}

#[async_trait::async_trait]
impl Attachment for SlowAttachment {
    fn node(&self) -> NodeId {
        self.0.node()
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.0.propose_secret(secret);
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.0.publish(topic, delivery).await
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.0.publish_in_turn(topic, delivery).await
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        self.0.publish_counted(topic, delivery).await
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let subscribed = self.0.subscribe(topic);
        let mut allowed = self.1.clone();
        if !matches!(topic, Topic::User(_) | Topic::Group(_)) {
            return subscribed;
        }
        Box::pin(async move {
            let _ = allowed.wait_for(|allowed| *allowed).await;
            subscribed.await;
        })
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.0.unsubscribe(topic);
    }
}

#[tokio::test]
async fn no_client_has_started_before_others_reach_it() {
    // P-RED-15: ASP.NET Core answers the handshake before.
    let (allow, subscribed) = watch::channel(false);
    let route = desk(Slow { inner: InProcess::new(), subscribed }).identify(async |_| Ok(Identity::user("ann")));
    let (server, hub) = Server::of(route).await;
    let mut client = server.open("/hub").await;
    client.send_text("{\"protocol\":\"json\",\"version\":1}\x1e").await;
    // It is listed, so the handshake has been read; and sent to before it has been answered.
    within("the connection", async {
        while hub.connection_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hub.all().send("News", ()).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(client.next().now_or_never().is_none(), "answered too early");
    allow.send(true).unwrap();
    assert_eq!(client.next().await, json!({}));
    assert_eq!(client.next().await, notice("News", NONE));
}

#[tokio::test]
async fn joining_again_waits_for_the_first_time() {
    let (allow, subscribed) = watch::channel(false);
    let (server, hub) = Server::of(desk(Slow { inner: InProcess::new(), subscribed })).await;
    let mut client = server.connect().await;
    let id = id(&mut client).await;
    let mut joins = [hub.add_to_group(&*id, "g"), hub.add_to_group(&*id, "g")].map(Box::pin);
    for join in &mut joins {
        assert!(join.now_or_never().is_none(), "done before messages of other nodes reach it");
    }
    allow.send(true).unwrap();
    for join in joins {
        within("it is joined", join).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_where_nobody_listens_is_not_said_to_be_done() {
    let Test { hub, fake, .. } = one_and_a_fake().await;
    let theirs = fake.connection_id();
    drop(fake);
    let failed = hub.add_to_group(&*theirs, "g").await.unwrap_err().to_string();
    let why = format!("nobody listens for connection '{theirs}': its node has ended, or is cut off");
    assert_eq!(failed, format!("other nodes could not be reached: {why}"));
    // P-LT-08: these are nowhere.
    hub.add_to_group("nobody", "g").await.unwrap();
}

#[test]
fn the_timeout_has_a_range() {
    let options = HubOptions { backplane_timeout: Duration::ZERO, ..HubOptions::default() };
    assert_eq!(
        options.validate().unwrap_err().to_string(),
        "backplane_timeout is 0ns, which is outside of its range: 1ms to 86400s"
    );
}
