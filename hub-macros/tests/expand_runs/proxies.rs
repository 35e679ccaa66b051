//! Proxies: what they ask of a remote, and what leaves.

use std::future::Future;

use futures_util::{StreamExt, stream};
use hub_core::{Answers, Arguments, CallError, Proxy, Remote, Result, Stream, Streams, Upload, contract};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Connection, ready};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    text: String,
}

#[contract]
pub(crate) trait Chat {
    async fn typing(&self);
    async fn said(&self, room: &str, line: &Line);
    async fn say(&self, room: &str, text: String) -> Result<u64>;
    fn history(&self, room: &str) -> impl Stream<Item = Result<Line>>;
    async fn import(&self, room: &str, lines: Upload<Line>, last: Upload<u32>) -> Result<u64>;
    async fn dictate(&self, words: Upload<String>);
    fn translate<'a>(&'a self, words: Upload<String>, to: &'a [String]) -> impl Stream<Item = Result<String>> + Send;
}

/// A remote that is many connections: nothing but notices can be sent there.
struct Group(Connection);

impl Remote for Group {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        self.0.send(target, arguments).await
    }
}

#[test]
fn a_notice_goes_to_any_remote() {
    let connection = Connection::default();
    let group = ChatProxy::new(Group(connection.clone()));
    ready(group.typing()).unwrap();
    ready(group.said("lobby", &Line { text: "hi".into() })).unwrap();
    let expected =
        [("Typing".to_owned(), json!([]), vec![]), ("Said".to_owned(), json!(["lobby", { "text": "hi" }]), vec![])];
    assert_eq!(connection.asked(), expected);
}

#[test]
fn a_call_reads_its_answer() {
    let connection = Connection::answering(7);
    assert_eq!(ready(ChatProxy::new(connection.clone()).say("lobby", "hi".into())), Ok(7));
    assert_eq!(connection.asked(), [("Say".to_owned(), json!(["lobby", "hi"]), vec![])]);
    let odd = Connection::answering("seven");
    assert!(matches!(ready(ChatProxy::new(odd).say("lobby", "hi".into())), Err(CallError::Decode(_))));
}

#[test]
fn a_stream_yields_items() {
    let connection = Connection::answering(json!({ "text": "hi" }));
    let history = ChatProxy::new(connection.clone()).history("lobby");
    assert_eq!(ready(history.collect::<Vec<_>>()), [Ok(Line { text: "hi".into() })]);
    assert_eq!(connection.asked(), [("History".to_owned(), json!(["lobby"]), vec![])]);
}

#[test]
fn uploads_leave_beside_the_arguments() {
    let connection = Connection::answering(json!(2));
    let chat = ChatProxy::new(connection.clone());
    let lines = Upload::new(stream::iter([Line { text: "a".into() }]));
    assert_eq!(ready(chat.import("lobby", lines, Upload::new(stream::iter([1, 2])))), Ok(2));
    let expected =
        ("Import".to_owned(), json!(["lobby"]), vec![vec![json!({ "text": "a" })], vec![json!(1), json!(2)]]);
    assert_eq!(connection.asked(), [expected]);

    let words = || Upload::new(stream::iter(["a".to_owned()]));
    ready(chat.dictate(words())).unwrap();
    assert_eq!(connection.asked(), [("Dictate".to_owned(), json!([]), vec![vec![json!("a")]])]);
    drop(chat.translate(words(), &["de".to_owned()]));
    assert_eq!(connection.asked(), [("Translate".to_owned(), json!([["de"]]), vec![vec![json!("a")]])]);
}

#[test]
fn a_proxy_is_its_remote_and_no_more() {
    let proxy = ChatProxy::new(Connection::answering(1));
    assert_eq!(proxy.clone().remote().answer, json!(1));
    assert_eq!(format!("{:?}", ChatProxy::new(5)), "ChatProxy { remote: 5 }");
    let bound: ChatProxy<Connection> = <ChatProxy as Proxy>::bind(Connection::default());
    ready(bound.typing()).unwrap();
    assert_eq!(size_of::<ChatProxy<u16>>(), size_of::<u16>());
}

/// What a hub does with its client's proxy: generic in the proxy, on any thread.
#[expect(clippy::manual_async_fn, reason = "an `async fn` does not promise to be `Send`")]
fn announce<P: Proxy<Bound<Group> = ChatProxy<Group>>>(
    to: Group,
) -> impl Future<Output = Result<(), CallError>> + Send {
    async move {
        let line = Line { text: "now".to_owned() };
        P::bind(to).said("lobby", &line).await
    }
}

/// Any remote will do, and the future still may change threads.
#[expect(clippy::manual_async_fn, reason = "an `async fn` does not promise to be `Send`")]
fn ask_all<R: Streams + 'static>(remotes: Vec<R>) -> impl Future<Output = Result<u64, CallError>> + Send {
    async move {
        let mut sum = 0;
        for chat in remotes.into_iter().map(ChatProxy::new) {
            chat.typing().await?;
            sum += chat.say("lobby", "hi".to_owned()).await?;
            let mut history = chat.history("lobby");
            while let Some(line) = history.next().await {
                sum += line?.text.len() as u64;
            }
        }
        Ok(sum)
    }
}

/// Calls need less of a remote than streams.
async fn ask<R: Answers>(remote: R) -> Result<u64, CallError> {
    ChatProxy::new(remote).say("lobby", "hi".to_owned()).await
}

#[test]
fn proxies_in_generic_code() {
    let connection = Connection::answering(3);
    ready(announce::<ChatProxy>(Group(connection.clone()))).unwrap();
    assert_eq!(connection.asked()[0].1, json!(["lobby", { "text": "now" }]));
    assert_eq!(ready(ask(connection.clone())), Ok(3));
    assert!(ready(ask_all(vec![connection])).is_err());
}
