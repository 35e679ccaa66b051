//! The socket below an upgraded connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What came out of an HTTP upgrade.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Plain TCP, without the layers that HTTP needed, and what HTTP had read of the bytes behind its own.
    Tcp { stream: TcpStream, ahead: Bytes },
    /// Anything else: TLS, pipes.
    Other(Box<TokioIo<Upgraded>>),
}

impl Socket {
    fn tcp(stream: TokioIo<TcpStream>, ahead: &[u8]) -> Self {
        // A copy, for it holds all of the buffer that HTTP read into, be it empty.
        Self::Tcp { stream: stream.into_inner(), ahead: Bytes::copy_from_slice(ahead) }
    }
}

impl From<Upgraded> for Socket {
    fn from(upgraded: Upgraded) -> Self {
        // What `axum::serve` serves, then what hyper does by itself.
        let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::tcp(parts.io, &parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Self::tcp(parts.io, &parts.read_buf),
            Err(upgraded) => Self::Other(Box::new(TokioIo::new(upgraded))),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp { stream, ahead } if ahead.is_empty() => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp { ahead, .. } => {
                let length = ahead.len().min(buffer.remaining());
                buffer.put_slice(&ahead[..length]);
                ahead.advance(length);
                if ahead.is_empty() {
                    // Lets go of its buffer.
                    *ahead = Bytes::new();
                }
                Poll::Ready(Ok(()))
            }
            Self::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            Self::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Other(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp { stream, .. } => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_flush(cx),
            Self::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            Self::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
