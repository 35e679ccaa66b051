//! What arrives is what was sent.

use bytes::Bytes;

use crate::backplane::{Delivery, Framed, NodeId, Reply, Request, Topic};
use crate::codec::{Codec, Payload};
use crate::conformance::bench::{Bench, note};
use crate::conformance::{Broken, Cluster};
use crate::message::{ConnectionId, Outcome};

const MEBIBYTE: usize = 1 << 20;

/// Every kind of delivery, request and reply arrives equal to what was sent, whatever is absent or extreme in it.
pub async fn every_kind_of_delivery_arrives_as_it_was_sent<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let mut kinds = Vec::new();
    kinds.extend(notices());
    kinds.extend(requests());
    kinds.extend(replies());
    all_arrive(cluster, kinds).await
}

/// Messages without a byte and of 1 MiB, in either protocol or both, arrive as they were sent.
pub async fn messages_arrive_whole_whatever_their_size<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let sizes = [0, 1, 127, 128, 255, 256, 65_535, 65_536, MEBIBYTE];
    let mut kinds = Vec::new();
    for size in sizes {
        let bytes = scrambled(size);
        kinds.push(notice(Some(&bytes), None));
        kinds.push(notice(None, Some(&bytes)));
    }
    let large = scrambled(MEBIBYTE);
    kinds.push(notice(Some(&large), Some(&large)));
    let value = Payload::new(Codec::MessagePack, large.clone());
    kinds.push(Delivery::Reply { id: 1, reply: Reply::Answer(Outcome::Value(value)) });
    let arguments = [Payload::new(Codec::Json, large.clone()), Payload::new(Codec::MessagePack, large)];
    kinds.push(request(1, Request::Ask { target: "Confirm".into(), arguments }));
    all_arrive(cluster, kinds).await
}

/// Messages of different sizes keep their order: a large one goes no other way than a small one (guarantee 1).
pub async fn large_messages_and_small_ones_keep_their_order<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    receiver.subscribe(&topic).await?;
    let sizes = [0, 65_536, 0, 0, MEBIBYTE, 0, 0, 0].into_iter().cycle().take(24);
    let text = |(number, size)| format!("{number}: {}", "x".repeat(size));
    let sent: Vec<_> = sizes.enumerate().map(|sized| (topic.clone(), note(text(sized)))).collect();
    for (topic, delivery) in &sent {
        sender.publish(topic, delivery).await?;
    }
    receiver.expect(&sender, &sent).await
}

async fn all_arrive<C: Cluster>(cluster: &C, kinds: Vec<Delivery>) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topic = Topic::Node(receiver.id());
    // One at a time, for a difference to be told of the one that differs.
    for delivery in kinds {
        sender.publish(&topic, &delivery).await?;
        receiver.expect(&sender, &[(topic.clone(), delivery)]).await?;
    }
    Ok(())
}

/// Every byte there is, in no order that could be guessed.
fn scrambled(size: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn notice(json: Option<&Bytes>, messagepack: Option<&Bytes>) -> Delivery {
    let message = Framed { json: json.cloned(), messagepack: messagepack.cloned() };
    Delivery::Notice { message, except: Vec::new() }
}

fn notices() -> Vec<Delivery> {
    let json = Bytes::from_static(b"{\"type\":1,\"target\":\"Said\",\"arguments\":[\"\\u001e\"]}\x1e");
    let messagepack = Bytes::from_static(b"\x0a\x96\x01\x80\xc0\xa4Said\x90\x90");
    let framings = [
        Framed { json: Some(json.clone()), messagepack: Some(messagepack.clone()) },
        Framed { json: Some(json), messagepack: None },
        Framed { json: None, messagepack: Some(messagepack) },
        Framed { json: None, messagepack: None },
    ];
    let ids: Vec<ConnectionId> =
        (0..300).map(|number| format!("id {number}").into()).chain(["".into(), "\n,:\0é".into()]).collect();
    let mut all = Vec::new();
    for message in framings {
        for ids in [&ids[..0], &ids[..1], &ids] {
            all.push(Delivery::Notice { message: message.clone(), except: ids.to_vec() });
            all.push(Delivery::Direct { message: message.clone(), to: ids.to_vec() });
        }
    }
    all
}

fn request(id: u64, request: Request) -> Delivery {
    Delivery::Request { id, from: NodeId::new([0, 255, 128, 10, 13, 58]), connection: "connection".into(), request }
}

fn requests() -> Vec<Delivery> {
    let arguments = [
        Payload::new(Codec::Json, Bytes::from_static("[\"Löschen?\", null]".as_bytes())),
        Payload::new(Codec::MessagePack, Bytes::from_static(b"\x92\xa4L\xc3\xb6s\xc0")),
    ];
    let ask = |target: &str| Request::Ask { target: target.into(), arguments: arguments.clone() };
    let kinds = [
        Request::Join("lobby".into()),
        Request::Join("".into()),
        Request::Leave("lobby".into()),
        Request::Leave("\n\0日本".into()),
        Request::Abort,
        ask("Confirm"),
        ask(""),
        Request::IsWaiting(0),
        Request::IsWaiting(u64::MAX),
        Request::Forget(0),
        Request::Forget(u64::MAX),
    ];
    let numbers = [0, 1, 1 << 53, u64::MAX].into_iter().cycle();
    kinds.into_iter().zip(numbers).map(|(kind, id)| request(id, kind)).collect()
}

fn replies() -> Vec<Delivery> {
    let value = |codec, bytes: &'static [u8]| Outcome::Value(Payload::new(codec, Bytes::from_static(bytes)));
    let kinds = [
        Reply::Done,
        Reply::Unknown,
        Reply::Disconnected,
        Reply::Answer(Outcome::Void),
        Reply::Answer(Outcome::Error(String::new())),
        Reply::Answer(Outcome::Error("nicht schön".to_owned())),
        Reply::Answer(value(Codec::Json, b"{\"a\": [1.0, 1e3]}")),
        Reply::Answer(value(Codec::Json, b"null")),
        Reply::Answer(value(Codec::MessagePack, b"\x81\xa1a\xcb\x3f\xf0\0\0\0\0\0\0")),
        Reply::Answer(value(Codec::MessagePack, b"\xc0")),
    ];
    let numbers = [0, 1, 1 << 53, u64::MAX].into_iter().cycle();
    kinds.into_iter().zip(numbers).map(|(reply, id)| Delivery::Reply { id, reply }).collect()
}
