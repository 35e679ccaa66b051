//! A socket that lets others run.
//!
//! What is received is handed over as it is read, and ends in the outboxes of many connections. Where much has come, the task
//! that reads would fill them all before one of the tasks that empty them has had its turn.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read in one turn.
const TURN: usize = 64 * 1024;

/// A socket of which so much is read at most until others have run.
pub(crate) struct Paced<S> {
    socket: S,
    /// How much was read in this turn.
    read: usize,
}

impl<S> Paced<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_pending() {
            self.read = 0;
        } else {
            self.read += buf.filled().len() - before;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::AsyncReadExt;

    use super::{Paced, TURN};

    #[tokio::test]
    async fn others_run_while_much_is_read() {
        // All of it is there, so nothing else would have it wait.
        let all = vec![7; 10 * TURN];
        let mut socket = Paced::new(&all[..]);
        let turns = Cell::new(0);
        let reading = async {
            let (mut piece, mut all) = ([0; 4096], 0);
            loop {
                match socket.read(&mut piece).await.unwrap() {
                    0 => return all,
                    length => all += length,
                }
            }
        };
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let read = tokio::select! {
            biased;
            read = reading => read,
            () = others => unreachable!(),
        };
        assert_eq!(read, all.len());
        assert!((9..=10).contains(&turns.get()), "{}", turns.get());
    }
}
