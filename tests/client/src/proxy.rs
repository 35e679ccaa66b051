//! An HTTP proxy that does one thing: tunnels, or refuses them.

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::fake::read_head;

/// A proxy that runs as long as this lives.
pub struct Proxy {
    /// Its host and port.
    pub address: String,
    heads: UnboundedReceiver<String>,
    running: JoinHandle<()>,
}

impl Proxy {
    /// Connects every tunnel to this host and port, whatever is asked for: names need not exist.
    pub async fn to(behind: &str) -> Self {
        // As some still answer.
        Self::start(Some(behind.to_owned()), "HTTP/1.0 200 Connection established\r\n\r\n".to_owned()).await
    }

    /// Answers with this status, and nothing else.
    pub async fn refusing(status: &str) -> Self {
        Self::start(None, format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nno.")).await
    }

    async fn start(behind: Option<String>, answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (told, heads) = unbounded_channel();
        let running = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (told, behind, answer) = (told.clone(), behind.clone(), answer.clone());
                tokio::spawn(async move {
                    let _ = told.send(read_head(&mut socket).await);
                    // The client may go away at any time.
                    let _ = socket.write_all(answer.as_bytes()).await;
                    if let Some(behind) = behind {
                        let mut behind = TcpStream::connect(behind).await.expect("the server is there");
                        let _ = copy_bidirectional(&mut socket, &mut behind).await;
                    }
                });
            }
        });
        Self { address, heads, running }
    }

    /// The heads of the requests so far.
    pub fn seen(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.heads.try_recv().ok()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}
