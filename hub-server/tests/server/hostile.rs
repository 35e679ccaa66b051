//! Messages that no client sends: the server stays, and serves others.

use futures_util::{Stream, StreamExt, stream};
use hub_core::{Remote, Result, Untyped, Upload};
use hub_server::{Context, Hub, HubHandle, HubRoute, hub};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Server, eventually};

const FRAMES: usize = 1000;

struct Target {
    cx: Context<Self>,
}

impl Hub for Target {
    type Client = Untyped;
}

#[hub]
impl Target {
    #[method]
    async fn echo(&self, value: Value) -> Result<Value> {
        Ok(value)
    }

    #[method]
    async fn join(&self, group: &str, number: Option<i32>) -> Result<Option<i32>> {
        self.cx.join(group).await?;
        self.cx.group(group).send("Joined", (number,)).await?;
        Ok(number)
    }

    #[method]
    fn count(&self, to: u8) -> impl Stream<Item = Result<u8>> {
        stream::iter(0..to).map(Ok)
    }

    #[method]
    async fn sum(&self, mut numbers: Upload<u8>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number?);
        }
        Ok(sum)
    }
}

/// Numbers that look random and are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn pick<'a>(&mut self, of: &'a [Vec<u8>]) -> &'a [u8] {
        &of[self.below(of.len())]
    }

    /// One or two good messages, with a few changes.
    fn mutate(&mut self, good: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.pick(good).to_vec();
        if self.below(3) == 0 {
            bytes.extend_from_slice(self.pick(good));
        }
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.below(256) as u8,
                2 => bytes.insert(at, self.below(256) as u8),
                3 => drop(bytes.remove(at)),
                4 => bytes.truncate(at + 1),
                _ => {
                    let end = at + self.below(bytes.len() - at + 1);
                    bytes.extend_from_within(at..end);
                }
            }
        }
        bytes
    }
}

async fn attack(handshake: &'static str, good: &[Vec<u8>]) {
    let (server, hub): (Server, HubHandle<Target>) = Server::of(HubRoute::new(|cx| Target { cx })).await;
    let mut other = server.connect().await;
    let mut random = Random(0x5eed_0bad_cafe);
    let connect = async || {
        let mut client = server.open("/hub").await;
        client.send_text(handshake).await;
        client
    };
    let mut client: Client = connect().await;
    for number in 0..FRAMES {
        let frame = Message::binary(random.mutate(good));
        if client.try_send(frame.clone()).await.is_err() {
            client = connect().await;
            client.try_send(frame).await.unwrap();
        }
        if number % 20 == 0 {
            assert_eq!(other.call("Echo", (number,)).await, Ok(json!(number)));
        }
        if number % 5 == 0 {
            // A new one, whatever became of this one: a length that was changed makes it wait for the rest.
            client = connect().await;
        }
    }
    drop(client);
    eventually("all to be gone but one", async || hub.connection_count() == 1).await;
    assert_eq!(other.call("Echo", ("still here",)).await, Ok(json!("still here")));
}

#[tokio::test]
async fn mutated_json() {
    let good = [
        json!({"type": 1, "invocationId": "1", "target": "Echo", "arguments": [{"a": [1, 2.5, null, "é"]}]}),
        json!({"arguments": ["g", 7], "target": "Join", "type": 1, "headers": {"a": "b"}}),
        json!({"type": 1, "invocationId": "2", "target": "Sum", "arguments": [], "streamIds": ["3"]}),
        json!({"type": 2, "invocationId": "3", "item": 5}),
        json!({"type": 3, "invocationId": "3"}),
        json!({"type": 3, "invocationId": "s1", "result": {"x": 1}}),
        json!({"type": 4, "invocationId": "4", "target": "Count", "arguments": [200]}),
        json!({"type": 5, "invocationId": "4"}),
        json!({"type": 6}),
        json!({"type": 7, "error": "over", "allowReconnect": true}),
        json!({"type": 8, "sequenceId": 1}),
        json!({"type": 9, "sequenceId": 1}),
    ];
    let good = good.map(|message| format!("{message}\x1e").into_bytes());
    attack("{\"protocol\":\"json\",\"version\":1}\x1e", &good).await;
}

#[tokio::test]
async fn mutated_messagepack() {
    let good = [
        // Echo({"a": [1, 2.5, null]}), Join("g", 7), Sum with a stream, an item, its end, a result, Count(200).
        &b"\x96\x01\x80\xa11\xa4Echo\x91\x81\xa1a\x93\x01\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xc0\x90"[..],
        b"\x95\x01\x81\xa1a\xa1b\xc0\xa4Join\x92\xa1g\x07",
        b"\x96\x01\x80\xa12\xa3Sum\x90\x91\xa13",
        b"\x94\x02\x80\xa13\x05",
        b"\x94\x03\x80\xa13\x02",
        b"\x95\x03\x80\xa2s1\x03\x81\xa1x\x01",
        b"\x96\x04\x80\xa14\xa5Count\x91\xcc\xc8\x90",
        b"\x93\x05\x80\xa14",
        b"\x91\x06",
        b"\x93\x07\xa4over\xc3",
        b"\x92\x08\x24",
        b"\x92\x09\x24",
    ];
    let good = good.map(|body| [&[u8::try_from(body.len()).unwrap()], body].concat());
    attack("{\"protocol\":\"messagepack\",\"version\":1}\x1e", &good).await;
}
