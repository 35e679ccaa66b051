//! Connections to the hub under test, and what it calls on them.

use client_tests::{ConformanceClient, ConformanceHubProxy, Sample, Server, deadline};
use hub_client::{Builder, Connection, callbacks};
use hub_core::{Codec, HubError, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Which server, in which protocol.
pub(crate) struct Site<'a> {
    pub(crate) server: &'a Server,
    pub(crate) codec: Codec,
}

/// A client, typed in both directions.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) hub: ConformanceHubProxy<Connection>,
    notices: UnboundedReceiver<String>,
}

impl Site<'_> {
    pub(crate) fn builder(&self, path: &str) -> Builder {
        Connection::builder(self.server.at(path)).protocol(self.codec)
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_at("/hub").await
    }

    pub(crate) async fn client_at(&self, path: &str) -> Client {
        self.connect(self.builder(path)).await
    }

    pub(crate) async fn connect(&self, builder: Builder) -> Client {
        let (told, notices) = unbounded_channel();
        let connection = builder.callbacks(Told(told)).connect().await.expect("the server is there");
        Client { hub: ConformanceHubProxy::new(connection.clone()), connection, notices }
    }

    /// A token for a user, from the server.
    pub(crate) async fn token(&self, query: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.server.url.trim_start_matches("http://");
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /token?{query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        let token = response.split(['\r', '\n']).find(|line| line.starts_with("eyJ"));
        token.unwrap_or_else(|| panic!("no token in {response}")).to_owned()
    }
}

impl Client {
    /// What the hub called next.
    pub(crate) async fn told(&mut self) -> String {
        deadline("a notice", self.notices.recv()).await.expect("the connection lives")
    }

    /// The id, as the hub knows it.
    pub(crate) fn id(&self) -> String {
        self.connection.id().expect("it was negotiated").to_string()
    }
}

struct Told(UnboundedSender<String>);

impl Told {
    fn tell(&self, what: String) {
        let _ = self.0.send(what);
    }
}

#[callbacks]
impl ConformanceClient for Told {
    async fn message(&self, text: &str, from: &str) {
        self.tell(format!("Message {text} {from}"));
    }

    async fn receive(&self, text: &str) {
        self.tell(format!("Receive {text}"));
    }

    async fn object(&self, sample: &Sample) {
        self.tell(format!("Object {sample:?}"));
    }

    async fn stream_canceled(&self) {
        self.tell("StreamCanceled".to_owned());
    }

    async fn wait_canceled(&self) {
        self.tell("WaitCanceled".to_owned());
    }

    async fn ask(&self, prompt: &str) -> Result<String> {
        match prompt {
            "fail" => Err(HubError::public("I will not")),
            "fail quietly" => Err(HubError::private("a secret")),
            "panic" => panic!("on purpose"),
            _ => Ok(format!("{prompt}!")),
        }
    }

    async fn connected(&self, id: &str) {
        self.tell(format!("Connected {id}"));
    }

    async fn gone(&self, id: &str, error: Option<String>) {
        self.tell(format!("Gone {id} {error:?}"));
    }
}
