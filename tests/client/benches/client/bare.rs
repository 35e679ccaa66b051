//! The same calls by hand, on a WebSocket: one loop that writes invocations, and reads their answers.

use std::collections::HashSet;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::calls::TEXT;
use crate::usage;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    r#type: u8,
    invocation_id: &'a str,
    target: &'a str,
    arguments: (&'a str,),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incoming<'a> {
    r#type: u8,
    invocation_id: Option<&'a str>,
    result: Option<String>,
}

struct Bare {
    socket: WebSocketStream<TcpStream>,
    last_id: u32,
    waiting: HashSet<String>,
}

/// Prints the CPU time a call, with so many calls outstanding.
pub(crate) async fn run(url: &str, outstanding: usize, calls: u32) {
    let address = url.trim_start_matches("http://").split('/').next().expect("a host and a port");
    let stream = TcpStream::connect(address).await.expect("the hub is there");
    stream.set_nodelay(true).expect("it is a socket");
    let (mut socket, _) = client_async(url.replace("http://", "ws://"), stream).await.expect("the hub is there");
    // In a task, as the calls of our client are.
    let measured = tokio::spawn(async move {
        socket.send(Message::text("{\"protocol\":\"json\",\"version\":1}\u{1e}")).await.expect("it is open");
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{}\u{1e}"));
        let mut bare = Bare { socket, last_id: 0, waiting: HashSet::new() };
        bare.echo(outstanding, calls / 10).await;
        let before = usage::cpu();
        bare.echo(outstanding, calls).await;
        (usage::cpu() - before) / f64::from(calls)
    });
    println!("{}", measured.await.expect("it does not panic"));
}

impl Bare {
    async fn echo(&mut self, outstanding: usize, calls: u32) {
        let (mut begun, mut answered) = (0, 0);
        while answered < calls {
            while begun < calls && self.waiting.len() < outstanding {
                self.invoke().await;
                begun += 1;
            }
            // All that is ready leaves in one write.
            self.socket.flush().await.expect("it is open");
            let mut next = self.socket.next().await;
            loop {
                let Message::Text(messages) = next.expect("it is open").expect("it is whole") else {
                    panic!("no text")
                };
                answered += self.take(&messages);
                match self.socket.next().now_or_never() {
                    Some(ready) => next = ready,
                    None => break,
                }
            }
        }
    }

    async fn invoke(&mut self) {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let invocation = Invocation { r#type: 1, invocation_id: &id, target: "Echo", arguments: (TEXT,) };
        let mut text = serde_json::to_string(&invocation).expect("it is data");
        text.push('\u{1e}');
        self.waiting.insert(id);
        self.socket.feed(Message::text(text)).await.expect("it is open");
    }

    /// How many calls these messages answer.
    fn take(&mut self, messages: &str) -> u32 {
        let mut answered = 0;
        for message in messages.split_terminator('\u{1e}') {
            let message: Incoming<'_> = serde_json::from_str(message).expect("a message");
            if message.r#type == 3 {
                assert!(
                    self.waiting.remove(message.invocation_id.expect("an answer has one")),
                    "asked and not answered"
                );
                assert_eq!(message.result.as_deref(), Some(TEXT));
                answered += 1;
            }
        }
        answered
    }
}
