//! Serving an application to clients that may not be well-meaning.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::events;

/// How long a client may take for the head of a request, and be silent before the next (Kestrel's RequestHeadersTimeout).
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What is held of a head that has not all come yet. A hub takes less: see `HubOptions::maximum_request_head_size`.
const HEAD_BUFFER: usize = 64 * 1024;

/// Serves an application, as [`axum::serve()`] does, with what a server of hubs needs:
///
/// - Small messages leave at once (`TCP_NODELAY`).
/// - A socket on which no whole head of a request has come for 30 s is closed, be it silent from the beginning, in the
///   middle of a head, or after a request. With `axum::serve` it stays for as long as its peer likes, and so does what it
///   holds: a file descriptor, and up to 400 kB. A proxy that keeps connections for later use should keep them for less
///   than that (nginx: `keepalive_timeout` of the `upstream`).
/// - Heads of more than 64 KiB are answered 431.
///
/// Handlers can ask for [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo). What is spoken is HTTP/1.1, which is what
/// WebSockets need. For TLS, HTTP/2 and connections limited in number put a proxy in front, or write the loop with
/// hyper-util; with `axum::serve` let the proxy wait for heads, too.
///
/// It ends only by being dropped: then no connection is accepted any more, and those that are open go on. Clients of a hub
/// are told by [`HubHandle::shutdown`](crate::HubHandle::shutdown).
///
/// # Errors
/// None so far: what `accept` fails with is waited out.
///
/// ```no_run
/// # async fn run(app: axum::Router) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("localhost:5000").await?;
/// hub_server::serve(listener, app).await
/// # }
/// ```
pub async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    serve_within(HEAD_TIMEOUT, listener, app).await
}

async fn serve_within(head_timeout: Duration, mut listener: TcpListener, app: Router) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(HEAD_BUFFER);
    loop {
        let (socket, address) = Listener::accept(&mut listener).await;
        // A socket that is gone already needs no option.
        let _ = socket.set_nodelay(true);
        let app = TowerToHyperService::new(app.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            app.call(request)
        });
        let connection = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                events::connection_failed(&error);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn start(head_timeout: Duration, app: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_within(head_timeout, listener, app));
        address
    }

    /// All that comes back for this, until the server closes the connection.
    async fn exchange(server: SocketAddr, sent: &[u8]) -> (SocketAddr, String) {
        let mut socket = TcpStream::connect(server).await.unwrap();
        socket.write_all(sent).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        (socket.local_addr().unwrap(), answer)
    }

    #[tokio::test]
    async fn sockets_that_say_nothing_are_closed() {
        let server = start(Duration::from_millis(50), Router::new().route("/", get(async || "hello"))).await;
        for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\nX-A: "] {
            assert_eq!(exchange(server, sent.as_bytes()).await.1, "", "{sent:?}");
        }
    }

    #[tokio::test]
    async fn whole_requests_are_answered_and_told_who_asks() {
        async fn who(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
            address.to_string()
        }

        let server = start(HEAD_TIMEOUT, Router::new().route("/", get(who))).await;
        let (client, answer) = exchange(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{client}")), "{answer}");

        let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD_BUFFER));
        let mut socket = TcpStream::connect(server).await.unwrap();
        // It may not want to hear all of it.
        let _ = socket.write_all(large.as_bytes()).await;
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 431");
    }
}
