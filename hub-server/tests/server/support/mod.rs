//! What the tests stand on: a server on a port of the system's choice, clients, and events that hubs report.

mod client;
mod http;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hub_server::{Hub, HubHandle, HubRoute};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

pub(crate) use self::client::Client;
pub(crate) use self::http::Answer;

/// The arguments of a call without any.
pub(crate) const NONE: [(); 0] = [];

/// The text of a Close message that tells nothing.
pub(crate) const CLOSED_WITH_ERROR: &str = "Connection closed with an error.";

/// Long enough for a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what must happen.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until something is so that tells nobody when it becomes so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start(app: Router) -> Self {
        Self::serve(app, None).await
    }

    /// One hub, at `/hub`.
    pub(crate) async fn of<H: Hub>(route: HubRoute<H>) -> (Self, HubHandle<H>) {
        let (router, handle) = route.build();
        (Self::start(Router::new().nest("/hub", router)).await, handle)
    }

    /// One hub, whose sockets take little that is not read at the other end.
    pub(crate) async fn with_small_buffers<H: Hub>(route: HubRoute<H>) -> (Self, HubHandle<H>) {
        let (router, handle) = route.build();
        (Self::serve(Router::new().nest("/hub", router), Some(16 * 1024)).await, handle)
    }

    async fn serve(app: Router, send_buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(size) = send_buffer {
            // Accepted sockets inherit it.
            socket.set_send_buffer_size(size).unwrap();
        }
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(2048).unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, task: task.abort_handle() }
    }

    /// Takes no more connections, and forgets its hubs. Those that are open go on.
    pub(crate) fn stop(self) {
        self.task.abort();
    }

    /// A client of `/hub` whose handshake is done.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_to("/hub").await
    }

    pub(crate) async fn connect_to(&self, path: &str) -> Client {
        let mut client = self.open(path).await;
        client.handshake().await;
        client
    }

    /// A client that has not sent its handshake.
    pub(crate) async fn open(&self, path: &str) -> Client {
        self.try_open(path, &[]).await.unwrap_or_else(|status| panic!("{path} is answered {status}"))
    }

    pub(crate) async fn try_open(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        Client::open(self.address, path, headers, None).await
    }

    /// A client that takes next to nothing without reading, its handshake done.
    pub(crate) async fn connect_small(&self) -> Client {
        let mut client = Client::open(self.address, "/hub", &[], Some(4 * 1024)).await.unwrap();
        client.handshake().await;
        client
    }

    /// The status of a refused WebSocket, or 101.
    pub(crate) async fn dial(&self, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        self.try_open(path, headers).await.map_or_else(|status| status, |_| 101)
    }

    pub(crate) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        within("an HTTP answer", http::request(self.address, method, path, headers)).await
    }

    pub(crate) async fn negotiate(&self, path: &str, headers: &[(&str, &str)]) -> Value {
        let answer = self.request("POST", &format!("{path}/negotiate?negotiateVersion=1"), headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// Events that a hub reports to its test.
pub(crate) fn events<T: Debug>() -> (UnboundedSender<T>, Events<T>) {
    let (sender, receiver) = unbounded_channel();
    (sender, Events(receiver))
}

pub(crate) struct Events<T>(UnboundedReceiver<T>);

impl<T: Debug> Events<T> {
    pub(crate) async fn next(&mut self) -> T {
        within("an event", self.0.recv()).await.expect("the hub is still there")
    }

    /// Nothing has happened so far.
    pub(crate) fn assert_none(&mut self) {
        assert!(self.0.try_recv().is_err(), "an event");
    }
}

// Messages.

pub(crate) fn invocation(id: &str, target: &str, arguments: impl Serialize) -> Value {
    json!({ "type": 1, "invocationId": id, "target": target, "arguments": arguments })
}

pub(crate) fn stream_invocation(id: &str, target: &str, arguments: impl Serialize) -> Value {
    json!({ "type": 4, "invocationId": id, "target": target, "arguments": arguments })
}

pub(crate) fn notice(target: &str, arguments: impl Serialize) -> Value {
    json!({ "type": 1, "target": target, "arguments": arguments })
}

pub(crate) fn item(id: &str, item: impl Serialize) -> Value {
    json!({ "type": 2, "invocationId": id, "item": item })
}

pub(crate) fn result(id: &str, result: impl Serialize) -> Value {
    json!({ "type": 3, "invocationId": id, "result": result })
}

pub(crate) fn void(id: &str) -> Value {
    json!({ "type": 3, "invocationId": id })
}

pub(crate) fn error(id: &str, text: &str) -> Value {
    json!({ "type": 3, "invocationId": id, "error": text })
}

pub(crate) fn cancel(id: &str) -> Value {
    json!({ "type": 5, "invocationId": id })
}

/// A Close message that allows the client to reconnect, or does not.
pub(crate) fn close(error: Option<&str>, allow_reconnect: bool) -> Value {
    let mut close = json!({ "type": 7 });
    if let Some(error) = error {
        close["error"] = error.into();
    }
    if allow_reconnect {
        close["allowReconnect"] = true.into();
    }
    close
}

/// What is answered when a method fails.
pub(crate) fn unexpected(target: &str) -> String {
    format!("An unexpected error occurred invoking '{target}' on the server.")
}
