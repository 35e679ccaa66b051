//! The transport over a pipe, with bytes at the other end.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// A frame of a client; the key leaves the payload as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..0x1_0000 => bytes.extend([0xfe, (length >> 8) as u8, length as u8]),
        _ => {
            bytes.push(0xff);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn close_frame(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

/// The server's end, and the client's; the pipe holds `size` bytes each way.
fn pair(size: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (server, client) = duplex(size);
    (WebSocket::new(server), client)
}

async fn receive<S>(socket: &mut WebSocket<S>) -> Received
where
    WebSocket<S>: Transport,
{
    poll_fn(|cx| socket.poll_receive(cx)).await
}

/// All bytes that come until something else does.
async fn receive_all(socket: &mut WebSocket<DuplexStream>) -> (Vec<u8>, Received) {
    let mut all = Vec::new();
    loop {
        match receive(socket).await {
            Received::Bytes(bytes) => all.extend_from_slice(&bytes),
            end => return (all, end),
        }
    }
}

async fn flush(socket: &mut WebSocket<DuplexStream>) {
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
}

/// Whether it takes all at once.
async fn try_flush(socket: &mut WebSocket<DuplexStream>) -> bool {
    poll_fn(|cx| Poll::Ready(socket.poll_flush(cx).is_ready())).await
}

/// The frames that came: first byte and payload.
async fn frames(client: &mut DuplexStream) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Ok(first) = client.read_u8().await {
        let length = match client.read_u8().await.unwrap() {
            126 => usize::from(client.read_u16().await.unwrap()),
            127 => client.read_u64().await.unwrap() as usize,
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        client.read_exact(&mut payload).await.unwrap();
        frames.push((first, payload));
    }
    frames
}

#[tokio::test]
async fn a_message_is_handed_up_before_it_ends() {
    let (mut socket, mut client) = pair(1 << 20);
    // A frame of a TiB, of which ten bytes come, and then ten more.
    client.write_all(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    for _ in 0..2 {
        client.write_all(b"0123456789").await.unwrap();
        let mut got = Vec::new();
        while got.len() < 10 {
            let Received::Bytes(bytes) = receive(&mut socket).await else { panic!("no bytes") };
            got.extend_from_slice(&bytes);
        }
        assert_eq!(got, b"0123456789");
    }
    // All that is long comes in pieces, so that a part that is kept does not keep much.
    client.write_all(&[b'x'; 200_000]).await.unwrap();
    let mut length = 0;
    while length < 200_000 {
        let Received::Bytes(bytes) = receive(&mut socket).await else { panic!("no bytes") };
        assert!(bytes.len() <= READ);
        length += bytes.len();
    }
}

#[tokio::test]
async fn what_came_together_is_handed_up_together() {
    let (mut socket, mut client) = pair(1 << 16);
    client
        .write_all(&[frame(0x01, b"a"), frame(0x89, b""), frame(0x80, b"b"), frame(0x82, b"c")].concat())
        .await
        .unwrap();
    assert!(matches!(receive(&mut socket).await, Received::Bytes(bytes) if bytes == "abc"));
    // Control frames alone count as something that came.
    client.write_all(&frame(0x8a, b"")).await.unwrap();
    assert!(matches!(receive(&mut socket).await, Received::Bytes(bytes) if bytes.is_empty()));
}

#[tokio::test]
async fn violations_end_with_their_code_after_what_was_right() {
    for (wrong, code) in [
        (vec![0x81, 1, b'a'], 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x83, b""), 1002),
    ] {
        let (mut socket, mut client) = pair(1 << 16);
        // What follows a violation is read as nothing, however it looks.
        let more = [frame(0x81, b"more"), close_frame(1000), vec![0xff; 1000]].concat();
        client.write_all(&[frame(0x81, b"right"), wrong, more].concat()).await.unwrap();
        let (bytes, end) = receive_all(&mut socket).await;
        assert_eq!(bytes, b"right");
        assert!(matches!(end, Received::Failed(_)), "{end:?}");
        assert!(matches!(receive(&mut socket).await, Received::Failed(_)), "and again");
        let client = async move {
            // The client sees why, and that this end is closed, before its own is.
            assert_eq!(frames(&mut client).await, [(0x88, u16::to_be_bytes(code).to_vec())]);
        };
        tokio::join!(socket.close(), client);
    }
}

#[tokio::test]
async fn a_close_of_the_client_is_answered_with_its_code() {
    for payload in [&b""[..], b"\x03\xe8", b"\x0b\xb8why"] {
        let (mut socket, mut client) = pair(1 << 16);
        client.write_all(&[frame(0x81, b"last"), frame(0x88, payload), frame(0x81, b"late")].concat()).await.unwrap();
        let (bytes, end) = receive_all(&mut socket).await;
        assert_eq!(bytes, b"last");
        assert!(matches!(end, Received::End { closed: true }), "{end:?}");
        // The client stays, and need not: its close frame has come.
        socket.close().await;
        assert_eq!(frames(&mut client).await, [(0x88, payload[..payload.len().min(2)].to_vec())]);
    }
}

#[tokio::test]
async fn a_close_of_the_server_waits_for_the_clients() {
    let (mut socket, mut client) = pair(64);
    socket.send(Bytes::from_static(b"last"), TransferFormat::Text).unwrap();
    let client = async move {
        // Far more than the pipe holds: it is read, and is nothing.
        let much = [frame(0x02, &[0; 10_000]), frame(0x89, b"ping"), frame(0x80, &[0; 10_000])].concat();
        client.write_all(&much).await.unwrap();
        client.write_all(&close_frame(1000)).await.unwrap();
        assert_eq!(frames(&mut client).await, [(0x81, b"last".to_vec()), (0x88, vec![0x03, 0xe8])]);
    };
    tokio::join!(socket.close(), client);

    // Or for the end of the connection.
    let (mut socket, client) = pair(64);
    drop(client);
    socket.close().await;
}

#[tokio::test]
async fn a_lost_connection_is_no_close() {
    let (mut socket, mut client) = pair(64);
    client.write_all(&frame(0x81, b"half a frame")[..10]).await.unwrap();
    drop(client);
    let (bytes, end) = receive_all(&mut socket).await;
    assert_eq!(bytes, b"half");
    assert!(matches!(end, Received::End { closed: false }), "{end:?}");
}

#[tokio::test]
async fn messages_leave_whole_whatever_the_socket_takes_at_once() {
    let lengths = [0, 1, 125, 126, 4096, 4097, 5000, 65_535, 65_536, 65_537, 200_000, 3, 16_384, 70_000, 9];
    for (size, one_piece) in [(1, false), (97, false), (1000, false), (1 << 20, false), (1000, true)] {
        // A byte at a time takes its time.
        let lengths: Vec<_> = lengths.into_iter().filter(|length| size > 1 || *length < 5000).collect();
        let (mut socket, mut client) = pair(size);
        socket.frames_out.one_piece(one_piece);
        let bytes = |length: &usize| (0..*length).map(|at| (at * 7 + length) as u8).collect::<Vec<_>>();
        let messages: Vec<_> = lengths.iter().map(bytes).collect();
        let sending = async {
            for (message, format) in messages.iter().zip([TransferFormat::Text, TransferFormat::Binary].iter().cycle())
            {
                if !socket.has_room() {
                    flush(&mut socket).await;
                }
                socket.send(Bytes::copy_from_slice(message), *format).unwrap();
            }
            flush(&mut socket).await;
            drop(socket);
        };
        let ((), frames) = tokio::join!(sending, frames(&mut client));
        let (mut whole, mut message) = (Vec::new(), Vec::new());
        for (first, payload) in frames {
            assert_eq!(first & 0xf == 0, !message.is_empty(), "a continuation of something, or a beginning");
            message.extend(payload);
            if first & 0x80 != 0 {
                whole.push(std::mem::take(&mut message));
            }
        }
        assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert!(whole == messages);
    }
}

#[tokio::test]
async fn opcodes_follow_the_protocol() {
    // P-WS-03
    let (mut socket, mut client) = pair(1 << 20);
    socket.send(Bytes::from_static(b"a"), TransferFormat::Text).unwrap();
    socket.send(Bytes::from_static(b"b"), TransferFormat::Binary).unwrap();
    socket.send(Bytes::from(vec![0; 150_000]), TransferFormat::Binary).unwrap();
    flush(&mut socket).await;
    drop(socket);
    let firsts: Vec<_> = frames(&mut client).await.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0x81, 0x82, 0x02, 0x00, 0x80]);
}

#[tokio::test]
async fn pings_are_answered() {
    let (mut socket, mut client) = pair(1 << 16);
    let pings: Vec<_> = (0..10).map(|number| frame(0x89, &[number])).collect();
    client.write_all(&pings.concat()).await.unwrap();
    receive(&mut socket).await;
    flush(&mut socket).await;
    drop(socket);
    assert_eq!(frames(&mut client).await, (0..10).map(|number| (0x8a, vec![number])).collect::<Vec<_>>());
}

#[tokio::test]
async fn pongs_do_not_pile_up() {
    let (mut socket, mut client) = pair(64);
    let mut most = 0;
    for number in 0..20_000_u16 {
        client.write_all(&frame(0x89, &number.to_be_bytes())).await.unwrap();
        receive(&mut socket).await;
        try_flush(&mut socket).await;
        most = most.max(socket.frames_out.held());
    }
    assert!(most < 5_000, "{most} bytes");
    // The client reads after all, and finds the answer to its last ping behind those that were on their way.
    let sending = async {
        flush(&mut socket).await;
        drop(socket);
    };
    let ((), frames) = tokio::join!(sending, frames(&mut client));
    let numbers: Vec<_> = frames.iter().map(|(_, payload)| u16::from_be_bytes([payload[0], payload[1]])).collect();
    assert!(numbers.is_sorted() && numbers.len() < 2_000, "{numbers:?}");
    assert_eq!(numbers.last(), Some(&19_999));
}

#[tokio::test]
async fn a_pong_gets_between_the_fragments_of_a_long_message() {
    let (mut socket, mut client) = pair(1000);
    socket.send(Bytes::from(vec![b'x'; 200_000]), TransferFormat::Text).unwrap();
    assert!(!try_flush(&mut socket).await);
    client.write_all(&frame(0x89, b"now")).await.unwrap();
    receive(&mut socket).await;
    let sending = async {
        flush(&mut socket).await;
        drop(socket);
    };
    let ((), frames) = tokio::join!(sending, frames(&mut client));
    assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x01, 0x8a, 0x00, 0x00, 0x80]);
    assert_eq!(frames[1].1, b"now");
}

#[tokio::test]
async fn a_close_waits_for_a_frame_and_not_for_a_message() {
    let (mut socket, mut client) = pair(1000);
    socket.send(Bytes::from(vec![b'x'; 200_000]), TransferFormat::Text).unwrap();
    assert!(!try_flush(&mut socket).await);
    client.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    receive(&mut socket).await;
    let ((), frames) = tokio::join!(
        async {
            socket.close().await;
            drop(socket);
        },
        frames(&mut client)
    );
    let seen: Vec<_> = frames.iter().map(|(first, payload)| (*first, payload.len())).collect();
    assert_eq!(seen, [(0x01, 65_536), (0x88, 2)]);
}

#[tokio::test]
async fn an_idle_connection_holds_nothing() {
    let (mut socket, mut client) = pair(1 << 20);
    client.write_all(&frame(0x89, &[0; 125])).await.unwrap();
    receive(&mut socket).await;
    for length in [10, 5_000, 100_000] {
        socket.send(Bytes::from(vec![0; length]), TransferFormat::Binary).unwrap();
        flush(&mut socket).await;
        assert_eq!(socket.frames_out.held(), 0, "after {length} bytes");
    }
}

/// Counts how often it is asked for something to read.
#[derive(Debug)]
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn the_socket_is_read_when_it_has_something_to_read() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (server, mut client) = duplex(64);
    let mut socket = WebSocket::new(Counting(server, Arc::clone(&asked)));
    for _ in 0..100 {
        // Other things wake the task.
        assert!(poll_fn(|cx| Poll::Ready(socket.poll_receive(cx).is_pending())).await);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    client.write_all(&frame(0x81, b"a")).await.unwrap();
    assert!(matches!(receive(&mut socket).await, Received::Bytes(bytes) if bytes == "a"));
}
