//! Clients by hand: many that count what they get, and one that sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::node::Node;

/// What is sent: 32 characters.
const TEXT: &str = "a text of thirty-two characters!";

/// A group of the listeners.
pub(crate) fn group(number: usize) -> String {
    format!("group-{number}")
}

/// Connections that listen, until this is dropped.
pub(crate) struct Swarm {
    count: Arc<Count>,
    _listeners: JoinSet<()>,
}

#[derive(Default)]
struct Count {
    received: AtomicUsize,
    awaited: AtomicUsize,
    reached: Notify,
}

impl Swarm {
    /// Connects so many, and lets each so many join a group.
    pub(crate) async fn connect(node: &Node, listeners: usize, in_a_group: Option<usize>) -> Self {
        let count = Arc::<Count>::default();
        let mut tasks = JoinSet::new();
        for number in 0..listeners {
            let mut client = Client::connect(node).await;
            if let Some(in_a_group) = in_a_group {
                client.call("JoinGroup", &group(number / in_a_group)).await;
            }
            tasks.spawn(listen(client, count.clone()));
        }
        Self { count, _listeners: tasks }
    }

    /// How many messages they got so far, together.
    pub(crate) fn received(&self) -> usize {
        self.count.received.load(Ordering::SeqCst)
    }

    /// Waits until they have so many.
    pub(crate) async fn wait_for(&self, received: usize) {
        self.count.awaited.store(received, Ordering::SeqCst);
        while self.received() < received {
            self.count.reached.notified().await;
        }
    }
}

async fn listen(mut client: Client, count: Arc<Count>) {
    while let Some(Ok(message)) = client.socket.next().await {
        let Message::Text(text) = message else { continue };
        let messages = text.split_terminator('\u{1e}').filter(|message| message.starts_with("{\"type\":1,")).count();
        let before = count.received.fetch_add(messages, Ordering::SeqCst);
        if (before + 1..=before + messages).contains(&count.awaited.load(Ordering::SeqCst)) {
            count.reached.notify_one();
        }
    }
}

/// The connection that sends.
pub(crate) struct Sender(Client);

impl Sender {
    pub(crate) async fn connect(node: &Node) -> Self {
        Self(Client::connect(node).await)
    }

    pub(crate) async fn broadcast(&mut self) {
        self.0.feed(&format!("{{\"type\":1,\"target\":\"Broadcast\",\"arguments\":[\"{TEXT}\"]}}")).await;
    }

    pub(crate) async fn send_to_group(&mut self, group: &str) {
        self.0.feed(&format!("{{\"type\":1,\"target\":\"SendToGroup\",\"arguments\":[\"{group}\",\"{TEXT}\"]}}")).await;
    }

    /// What was broadcast or sent leaves.
    pub(crate) async fn flush(&mut self) {
        self.0.flush().await;
    }

    /// Waits until the node has done everything that it was asked for.
    pub(crate) async fn synchronize(&mut self) {
        self.0.call("Echo", "").await;
    }
}

struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    async fn connect(node: &Node) -> Self {
        let stream = TcpStream::connect(node.address()).await.expect("the node is there");
        stream.set_nodelay(true).expect("it is a socket");
        let url = format!("ws://{}/hub", node.address());
        let (socket, _) = client_async(url, stream).await.expect("the hub is there");
        let mut client = Self { socket };
        client.feed("{\"protocol\":\"json\",\"version\":1}").await;
        client.flush().await;
        assert_eq!(client.socket.next().await.expect("open").expect("whole"), Message::text("{}\u{1e}"));
        client
    }

    /// Puts a message into the next write.
    async fn feed(&mut self, message: &str) {
        self.socket.feed(Message::text(format!("{message}\u{1e}"))).await.expect("it is open");
    }

    async fn flush(&mut self) {
        self.socket.flush().await.expect("it is open");
    }

    /// Calls a method with one argument, and waits for its answer, past all that comes before.
    async fn call(&mut self, target: &str, argument: &str) {
        self.feed(&format!(
            "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"{target}\",\"arguments\":[\"{argument}\"]}}"
        ))
        .await;
        self.flush().await;
        loop {
            let message = self.socket.next().await.expect("open").expect("whole");
            if message.to_text().is_ok_and(|text| text.contains("\"type\":3")) {
                return;
            }
        }
    }
}
