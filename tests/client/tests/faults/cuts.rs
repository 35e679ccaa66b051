//! Servers that cut their messages anywhere, or send what is no message at all, in both protocols.

use bytes::{Bytes, BytesMut};
use client_tests::{Fake, Socket, deadline};
use futures_util::{SinkExt, future::join};
use hub_client::{Connection, Ended};
use hub_core::message::{Invocation, Message as HubMessage, Outcome, Target};
use hub_core::{Args, CallError, Codec, InvocationId};
use tokio_tungstenite::tungstenite::Message;

fn encoded(codec: Codec, messages: &[HubMessage]) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        codec.encode(message, &mut bytes);
    }
    bytes.freeze()
}

async fn send(socket: &mut Socket, bytes: &[u8]) {
    socket.stream.send(Message::binary(bytes.to_vec())).await.expect("the client is there");
}

#[tokio::test]
async fn messages_may_be_cut_anywhere_and_share_a_frame() {
    // P-HS-05, P-FRM-02, P-FRM-04
    for codec in Codec::ALL {
        let said = HubMessage::Invocation(Invocation {
            headers: Vec::new(),
            id: None,
            target: Target::from("Said"),
            arguments: Args::new(codec.encode_value(&["\u{1F600}"]).unwrap()),
            streams: Vec::new(),
        });
        let five = Outcome::Value(codec.encode_value(&5).unwrap());
        let five = encoded(codec, &[HubMessage::Completion { id: InvocationId::numbered(1), outcome: five }]);
        let before = [&b"{}\x1e"[..], &encoded(codec, &[HubMessage::Ping, said])[..]].concat();
        for size in 1..=before.len() {
            let fake = Fake::new().await;
            let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
            let builder = Connection::builder(fake.at("/hub")).protocol(codec).skip_negotiation();
            let builder = builder.on("Said", move |text: String| {
                let _ = told.send(text);
                async {}
            });
            let client = async {
                let connection = builder.connect().await.unwrap();
                let called = connection.invoke::<u32>("Five", ()).await;
                (connection, called)
            };
            let server = async {
                let mut socket = fake.upgrade().await;
                socket.receive().await;
                for piece in before.chunks(size) {
                    send(&mut socket, piece).await;
                }
                while !socket.receive().await.contains("Five") {}
                for piece in five.chunks(size) {
                    send(&mut socket, piece).await;
                }
                socket
            };
            let ((_connection, called), _socket) = deadline("the call", join(client, server)).await;
            assert_eq!(called, Ok(5), "cut every {size} bytes");
            assert_eq!(said.recv().await.as_deref(), Some("\u{1F600}"));
        }
    }
}

/// Bytes that mean nothing, the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn noise_ends_the_connection_and_nothing_else() {
    for codec in Codec::ALL {
        for seed in 0..100 {
            let fake = Fake::new().await;
            let builder = Connection::builder(fake.at("/hub")).protocol(codec).skip_negotiation();
            let client = async {
                let connection = builder.connect().await.unwrap();
                let called = connection.invoke::<u32>("Any", ()).await;
                (connection.closed().await, called)
            };
            let server = async {
                let mut socket = fake.upgrade().await;
                socket.receive().await;
                send(&mut socket, b"{}\x1e").await;
                while !socket.receive().await.contains("Any") {}
                let noise = noise(seed, 1 + seed as usize % 60);
                // One whole message by its framing, so that the client does not wait for more.
                let framed = match codec {
                    Codec::Json => [&noise[..], b"\x1e"].concat(),
                    Codec::MessagePack => [&[noise.len() as u8][..], &noise].concat(),
                };
                send(&mut socket, &framed).await;
                // It may be a message of a type that is not known, which is passed over.
                socket.cut();
            };
            let ((ended, called), ()) = deadline("the end", join(client, server)).await;
            assert!(matches!(ended, Ended::Protocol(_) | Ended::Lost(_)), "{codec:?} {seed}: {ended:?}");
            assert_eq!(called, Err(CallError::Closed(ended.to_string())), "{codec:?} {seed}");
        }
    }
}
