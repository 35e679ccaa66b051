//! The driver on a socket that does as it is told.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hub_core::Codec;
use hub_core::session::{Output, Session};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::attempt::Link;
use crate::builder::Prepared;
use crate::connection::Connection;
use crate::error::Ended;
use crate::transport::web_socket::WebSocket;

/// Gives what there is to read, and then nothing. It cannot be written to.
struct Broken(Bytes);

impl AsyncRead for Broken {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let length = self.0.len().min(into.remaining());
        into.put_slice(&self.0.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// So many notices and what ends them, each in a frame of its own.
fn frames(notices: usize, end: &str) -> Bytes {
    let notice = "{\"type\":1,\"target\":\"Said\",\"arguments\":[]}\u{1e}";
    let frame = |text: &str| [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [frame(notice).repeat(notices), frame(end)].concat().into()
}

#[tokio::test]
async fn what_came_before_a_write_failed_is_taken_however_far_behind_the_handlers_are() {
    let close = "{\"type\":7,\"error\":\"enough\"}\u{1e}";
    let closed = Ended::ByServer { error: Some("enough".to_owned()), allow_reconnect: false };
    let lost = Ended::Lost("The connection was lost: broken pipe".to_owned());
    for (end, ended) in [(close, closed), ("{\"type\":6}\u{1e}", lost)] {
        // Nobody handles anything: most of this is still with the socket when nothing can be written any more.
        let Prepared { connection, mut lifecycle, notices, .. } =
            Connection::builder("http://a/").prepare(|_| None).unwrap();
        let now = Instant::now().into_std();
        let options = Arc::clone(&lifecycle.connector.session_options);
        let mut session = Session::client(options, Codec::Json, now);
        session.handle_bytes(now, Bytes::from_static(b"{}\x1e"));
        assert!(matches!(session.poll_output(now), Some(Output::Opened(_))));
        let transport = WebSocket::new(Box::new(Broken(frames(10_000, end))), BytesMut::new());
        let mut link = Link { transport, session, id: None };
        assert_eq!(lifecycle.driver.run(&mut link).await, ended);
        assert_eq!(notices.pushed(), 10_000);
        drop(connection);
    }
}
