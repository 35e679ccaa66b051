//! A socket to a server that refuses HELLO, as one that speaks RESP3.
//!
//! What is asked of Redis here differs in two points. We introduce ourselves by `AUTH`: so the HELLO that would be written is
//! left out, and that written in its place. And what is pushed looks like any other list: so where a connection listens,
//! lists of three that are no part of others, `*3`, are read as pushes, `>3`. (A `PONG` is one of two.)

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use redis::Cmd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// The longest line that is waited for. Lengths and errors are lines; texts, which may be longer, are passed on as they come.
const LONGEST_LINE: usize = 64 * 1024;

/// A socket that translates.
pub(crate) struct Resp2<S> {
    socket: S,
    greeting: Greeting,
    /// Where pushes come.
    pushes: Option<Pushes>,
}

/// What becomes of the first command.
enum Greeting {
    /// This is to be written in its place.
    Due(BytesMut),
    /// This of it is still to be written.
    Under(BytesMut),
    Done,
}

#[derive(Default)]
struct Pushes {
    /// What was read and not translated: the beginning of a line.
    raw: BytesMut,
    /// What was translated.
    ready: BytesMut,
    /// How many values of lists that were begun are to come.
    open: u64,
    /// How many bytes of a text are to come, with their end.
    text: u64,
}

impl<S> Resp2<S> {
    /// With this command in the place of the first. Where it `listens`, pushes are told.
    pub(crate) fn new(socket: S, greeting: &Cmd, listens: bool) -> Self {
        let greeting = Greeting::Due(BytesMut::from(&greeting.get_packed_command()[..]));
        Self { socket, greeting, pushes: listens.then(Pushes::default) }
    }
}

impl Pushes {
    fn translate(&mut self) {
        loop {
            if self.text > 0 {
                let length = usize::try_from(self.text).map_or(self.raw.len(), |text| text.min(self.raw.len()));
                if length == 0 {
                    return;
                }
                self.text -= length as u64;
                let text = self.raw.split_to(length);
                self.ready.extend_from_slice(&text);
                continue;
            }
            let Some(end) = self.raw.iter().position(|byte| *byte == b'\n') else { return };
            let mut line = self.raw.split_to(end + 1);
            let is_top = self.open == 0;
            self.open = self.open.saturating_sub(1);
            // None has the length -1, and nothing behind it.
            let number = std::str::from_utf8(&line[1..]).ok().and_then(|number| number.trim_end().parse::<u64>().ok());
            match (line[0], number) {
                (b'$', Some(length)) => self.text = length.saturating_add(2),
                (b'*', Some(items)) => {
                    self.open = self.open.saturating_add(items);
                    if is_top && items == 3 {
                        line[0] = b'>';
                    }
                }
                _ => {}
            }
            self.ready.extend_from_slice(&line);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Resp2<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, pushes, .. } = &mut *self;
        let Some(pushes) = pushes else { return Pin::new(socket).poll_read(cx, buf) };
        while pushes.ready.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            pushes.raw.extend_from_slice(read.filled());
            pushes.translate();
            if pushes.raw.len() > LONGEST_LINE {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end")));
            }
        }
        let length = pushes.ready.len().min(buf.remaining());
        buf.put_slice(&pushes.ready.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Resp2<S> {
    /// Writes what is left of the greeting.
    fn poll_greet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Greeting::Under(left) = &mut self.greeting {
            if left.is_empty() {
                self.greeting = Greeting::Done;
                break;
            }
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            left.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resp2<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Greeting::Due(greeting) = &mut self.greeting {
            // It is all in the first write.
            let Some(length) = first_command(buf) else {
                return Poll::Ready(Err(io::Error::other("the greeting was not written at once")));
            };
            self.greeting = Greeting::Under(std::mem::take(greeting));
            return Poll::Ready(Ok(length));
        }
        ready!(self.poll_greet(cx))?;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_greet(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The length of the command with which this begins.
fn first_command(bytes: &[u8]) -> Option<usize> {
    let line = |from: usize| {
        let length = bytes.get(from..)?.iter().position(|byte| *byte == b'\n')?;
        let number = std::str::from_utf8(bytes.get(from + 1..from + length)?).ok()?.trim_end().parse::<usize>().ok()?;
        Some((number, from + length + 1))
    };
    let (arguments, mut at) = line(0)?;
    for _ in 0..arguments {
        let (length, behind) = line(at)?;
        at = behind.checked_add(length)?.checked_add(2)?;
    }
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use redis::cmd;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::Resp2;

    #[tokio::test]
    async fn pushes_are_told_however_they_are_cut() {
        let said = b"+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n\
            *3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$6\r\n*3\r\n\r\n\r\n*1\r\n*3\r\n:1\r\n:2\r\n$-1\r\n*3\r\n:1\r\n:2\r\n:3\r\n-ERR\r\n";
        let read = b"+OK\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n\
            >3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$6\r\n*3\r\n\r\n\r\n*1\r\n*3\r\n:1\r\n:2\r\n$-1\r\n>3\r\n:1\r\n:2\r\n:3\r\n-ERR\r\n";
        for piece in 1..said.len() {
            let (socket, mut server) = duplex(piece);
            let mut socket = Resp2::new(socket, &cmd("PING"), true);
            let (_, all) = tokio::join!(async move { server.write_all(said).await.unwrap() }, async {
                let mut all = Vec::new();
                socket.read_to_end(&mut all).await.unwrap();
                all
            });
            assert_eq!(all, read, "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn the_first_command_is_another_one() {
        let (socket, mut server) = duplex(7);
        let mut auth = cmd("AUTH");
        auth.arg("a password");
        let mut socket = Resp2::new(socket, &auth, false);
        let mut hello = cmd("HELLO");
        hello.arg(3).arg("AUTH").arg("default").arg("a password");
        let written = [hello.get_packed_command(), cmd("PING").get_packed_command()].concat();
        let reading = async {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            all
        };
        let writing = async move {
            socket.write_all(&written).await.unwrap();
            socket.shutdown().await.unwrap();
        };
        let ((), all) = tokio::join!(writing, reading);
        assert_eq!(all, [auth.get_packed_command(), cmd("PING").get_packed_command()].concat());
    }
}
