//! The cases of the Autobahn test suite against an echo on this transport: `tests/autobahn/run`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::any;
use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::upgrade::accept;

/// Sends each message back as it came, until the client closes or fails.
async fn echo<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<S>) {
    let (mut message, mut messages) = (Vec::new(), VecDeque::new());
    let mut space = vec![0; READ];
    while socket.ended.is_none() {
        let Ok(read @ 1..) = socket.socket.read(&mut space).await else { return };
        let mut input = &mut space[..read];
        while let Some(piece) = socket.next(&mut input) {
            match piece {
                Piece::Data(part) => message.extend_from_slice(part),
                Piece::End(kind) => messages.push_back((kind, Bytes::from(std::mem::take(&mut message)))),
                _ => {}
            }
        }
        while let Some((kind, message)) = messages.pop_front() {
            socket.frames_out.message(kind, message);
            if !socket.has_room() && poll_fn(|cx| socket.poll_flush(cx)).await.is_err() {
                return;
            }
        }
        if poll_fn(|cx| socket.poll_flush(cx)).await.is_err() {
            return;
        }
    }
    socket.close().await;
}

async fn on_connect(mut request: http::Request<Body>) -> impl IntoResponse {
    let response = accept::<Body>(request.headers()).unwrap();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move { echo(WebSocket::new(Socket::from(upgrade.await.unwrap()))).await });
    response
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", any(on_connect));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Of the suite's version that `tests/autobahn/run` names, without compression, which is not offered (P-WS-12).
const PASSED: &str = "301 cases passed";

/// `KOSOKU` is the program, `KOSOKU_REPORT` the folder for what it finds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test suite: tests/autobahn/run"]
async fn all_cases() {
    let address = serve().await;
    let mut kosoku = Command::new(std::env::var("KOSOKU").expect("KOSOKU names the program"));
    let report = std::env::var("KOSOKU_REPORT").expect("KOSOKU_REPORT names a folder");
    kosoku.args(["--parallelism", "4", "--exclude", "12.*", "--exclude", "13.*", "--outdir", &report]);
    kosoku.arg(address.to_string());
    let output = tokio::task::spawn_blocking(move || kosoku.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(PASSED), "{out}{err}");
}
