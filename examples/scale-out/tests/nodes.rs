//! Two nodes as programs, one Redis, and people at either. Left out where there is no redis-server.

use std::time::Duration;

use chat_contract::{ChatClient, ChatHubProxy, Line, Presence, RoomInfo};
use futures_util::TryStreamExt;
use hub_client::{Connection, callbacks};
use hub_core::CallError;
use program::Program;
use redis_for_tests::RedisServer;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A lease in seconds that ends in no test.
const LONG: &str = "600";

/// A node, and its address.
fn node(redis: &RedisServer, lease: &str) -> (Program, String) {
    let arguments = ["--redis", &redis.url(), "--urls", "http://127.0.0.1:0", "--lease", lease];
    let mut node = Program::start(env!("CARGO_BIN_EXE_scale-out"), &arguments);
    let url = node.expect("listening on ").replace("listening on ", "");
    (node, url)
}

#[derive(Debug, PartialEq)]
enum Heard {
    Said(String, Line),
    Told(Line),
    Joined(String, Presence),
    Left(String, Presence),
    Typing(String, String),
}

struct Ears(mpsc::UnboundedSender<Heard>);

#[callbacks]
impl ChatClient for Ears {
    async fn said(&self, room: &str, line: &Line) {
        let _ = self.0.send(Heard::Said(room.to_owned(), line.clone()));
    }

    async fn told(&self, line: &Line) {
        let _ = self.0.send(Heard::Told(line.clone()));
    }

    async fn joined(&self, room: &str, presence: &Presence) {
        let _ = self.0.send(Heard::Joined(room.to_owned(), presence.clone()));
    }

    async fn left(&self, room: &str, presence: &Presence) {
        let _ = self.0.send(Heard::Left(room.to_owned(), presence.clone()));
    }

    async fn typing(&self, room: &str, name: &str) {
        let _ = self.0.send(Heard::Typing(room.to_owned(), name.to_owned()));
    }
}

/// Somebody with a connection to a node.
struct Person {
    chat: ChatHubProxy<Connection>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Person {
    async fn connect(url: &str) -> Self {
        let (ears, heard) = mpsc::unbounded_channel();
        let connection = Connection::builder(format!("{url}/chat")).callbacks(Ears(ears)).connect().await.unwrap();
        Self { chat: ChatHubProxy::new(connection), heard }
    }

    async fn enter(url: &str, name: &str, room: &str) -> Self {
        let person = Self::connect(url).await;
        person.chat.enter(name, "").await.unwrap();
        person.chat.join(room).await.unwrap();
        person
    }

    /// The first that fits, past all others.
    async fn hears<T>(&mut self, what: &str, fits: impl Fn(&Heard) -> Option<T>) -> T {
        let fitting = async {
            loop {
                let heard = self.heard.recv().await.expect("connected");
                if let Some(fitting) = fits(&heard) {
                    return fitting;
                }
            }
        };
        timeout(PATIENCE, fitting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn hears_line(&mut self, from: &str, text: &str) -> Line {
        let fits = |heard: &Heard| match heard {
            Heard::Said(_, line) if line.from == from && line.text == text => Some(line.clone()),
            _ => None,
        };
        self.hears(text, fits).await
    }

    /// Who is there then.
    async fn hears_joined(&mut self, name: &str) -> Vec<String> {
        let fits = |heard: &Heard| match heard {
            Heard::Joined(_, presence) if presence.name == name => Some(presence.online.clone()),
            _ => None,
        };
        self.hears(&format!("{name} to come"), fits).await
    }

    /// Who is there then.
    async fn hears_left(&mut self, name: &str) -> Vec<String> {
        let fits = |heard: &Heard| match heard {
            Heard::Left(_, presence) if presence.name == name => Some(presence.online.clone()),
            _ => None,
        };
        self.hears(&format!("{name} to go"), fits).await
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn people_of_two_nodes_share_rooms() {
    let Some(redis) = RedisServer::start() else { return };
    let ((_one, one), (_two, two)) = (node(&redis, LONG), node(&redis, LONG));
    let mut ann = Person::enter(&one, "Ann", "tea").await;
    let mut bob = Person::enter(&two, "Bob", "tea").await;
    assert_eq!(ann.hears_joined("Bob").await, ["Ann", "Bob"]);
    assert_eq!(bob.chat.join("tea").await.unwrap().online, ["Ann", "Bob"]);

    ann.chat.say("tea", "hello").await.unwrap();
    let hello = bob.hears_line("Ann", "hello").await;
    assert_eq!(ann.hears_line("Ann", "hello").await, hello);
    bob.chat.typing("tea").await.unwrap();
    ann.hears("typing", |heard| (*heard == Heard::Typing("tea".to_owned(), "Bob".to_owned())).then_some(())).await;
    bob.chat.say("tea", "hello yourself").await.unwrap();
    let answer = ann.hears_line("Bob", "hello yourself").await;
    assert!(answer.at > hello.at, "moments grow across nodes");

    let told = ann.chat.tell("bob", "psst").await.unwrap();
    bob.hears("psst", |heard| (*heard == Heard::Told(told.clone())).then_some(())).await;

    let late = Person::connect(&one).await;
    assert!(refusal(late.chat.enter("bOB", "").await).ends_with("The nickname bOB is taken."));
    late.chat.enter("Cleo", "").await.unwrap();
    late.chat.join("tea").await.unwrap();
    let lines: Vec<Line> = late.chat.history("tea", 10).try_collect().await.unwrap();
    assert_eq!(lines, [hello, answer]);
    let tea = RoomInfo { name: "tea".to_owned(), online: 3 };
    assert_eq!(bob.chat.rooms().await.unwrap(), [tea]);

    late.chat.leave("tea").await.unwrap();
    assert_eq!(bob.hears_left("Cleo").await, ["Ann", "Bob"]);
    drop(bob);
    assert_eq!(ann.hears_left("Bob").await, ["Ann"]);
    let again = Person::enter(&one, "Bob", "tea").await;
    assert!(again.chat.rooms().await.unwrap()[0].online == 2, "the nickname is free again");
}

#[tokio::test]
async fn the_key_takes_a_nickname_to_another_node() {
    let Some(redis) = RedisServer::start() else { return };
    let ((mut one, first), (_two, second)) = (node(&redis, LONG), node(&redis, LONG));
    let mut bob = Person::enter(&second, "Bob", "tea").await;
    let mut old = Person::connect(&first).await;
    old.chat.enter("Ann", "secret").await.unwrap();
    old.chat.join("tea").await.unwrap();
    assert_eq!(bob.hears_joined("Ann").await, ["Ann", "Bob"]);

    let new = Person::connect(&second).await;
    assert!(refusal(new.chat.enter("Ann", "guess").await).ends_with("The nickname Ann is taken."));
    new.chat.enter("Ann", "secret").await.unwrap();
    assert_eq!(bob.hears_left("Ann").await, ["Bob"]);
    assert!(refusal(old.chat.say("tea", "x").await).ends_with("Choose a nickname first."));
    new.chat.join("tea").await.unwrap();
    new.chat.say("tea", "it is me").await.unwrap();
    bob.hears_line("Ann", "it is me").await;

    // The older connection is out of the room: of all that happens there it hears nothing more.
    bob.chat.say("tea", "just us").await.unwrap();
    bob.hears_line("Bob", "just us").await;
    old.chat.enter("Eve", "secret").await.unwrap();
    old.chat.join("tea").await.unwrap();
    bob.chat.say("tea", "hello Eve").await.unwrap();
    let first_heard = old.hears("a line", |heard| match heard {
        Heard::Said(_, line) => Some(line.text.clone()),
        _ => None,
    });
    assert_eq!(first_heard.await, "hello Eve");

    // From a node that has died, and whose lease holds still.
    one.kill();
    let back = Person::connect(&second).await;
    back.chat.enter("Eve", "secret").await.unwrap();
    assert_eq!(bob.hears_left("Eve").await, ["Ann", "Bob"]);
    assert_eq!(back.chat.join("tea").await.unwrap().online, ["Ann", "Bob", "Eve"]);
}

#[tokio::test]
async fn the_people_of_a_killed_node_leave() {
    let Some(redis) = RedisServer::start() else { return };
    let ((mut one, first), (_two, second)) = (node(&redis, "1"), node(&redis, "1"));
    let mut bob = Person::enter(&second, "Bob", "tea").await;
    let _ann = Person::enter(&first, "Ann", "tea").await;
    assert_eq!(bob.hears_joined("Ann").await, ["Ann", "Bob"]);
    one.kill();
    assert_eq!(bob.hears_left("Ann").await, ["Bob"]);
    Person::enter(&second, "Ann", "tea").await;
    assert_eq!(bob.hears_joined("Ann").await, ["Ann", "Bob"]);
}

#[tokio::test]
async fn the_chat_goes_on_when_redis_comes_back_empty() {
    let Some(mut redis) = RedisServer::start() else { return };
    let ((_one, first), (_two, second)) = (node(&redis, "1"), node(&redis, "1"));
    let mut ann = Person::enter(&first, "Ann", "tea").await;
    let mut bob = Person::enter(&second, "Bob", "tea").await;
    ann.hears_joined("Bob").await;
    redis.kill();
    assert!(refusal(ann.chat.say("tea", "lost?").await).ends_with("The rooms cannot be reached at the moment."));
    let stranger = Person::connect(&first).await;
    assert!(refusal(stranger.chat.enter("Zoe", "").await).ends_with("The rooms cannot be reached at the moment."));
    redis.restart();

    // By themselves, the nodes tell all who is there.
    for person in [&mut ann, &mut bob] {
        let all = |heard: &Heard| match heard {
            Heard::Joined(_, presence) => (presence.online == ["Ann", "Bob"]).then_some(()),
            _ => None,
        };
        person.hears("everybody's names", all).await;
    }
    // What is said while the nodes find each other again may be missed: nothing is repeated between them.
    let heard = async {
        for number in 0.. {
            let text = format!("back {number}");
            ann.chat.say("tea", &text).await.unwrap();
            let line =
                |heard: &Heard| matches!(heard, Heard::Said(_, line) if line.text.starts_with("back ")).then_some(());
            if timeout(Duration::from_millis(100), bob.hears("a line", line)).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("Bob hears Ann again");
    bob.chat.say("tea", "welcome").await.unwrap();
    bob.hears_line("Bob", "welcome").await;
    let online = bob.chat.join("tea").await.unwrap().online;
    assert_eq!(online, ["Ann", "Bob"]);
    assert!(refusal(stranger.chat.enter("ann", "").await).ends_with("The nickname ann is taken."));
    stranger.chat.enter("Zoe", "").await.unwrap();
}

#[test]
fn what_cannot_work_is_explained() {
    for arguments in [&["--redis", "http://127.0.0.1"][..], &["--lease", "0"], &["--urls", "5000"], &["--colour"]] {
        let mut refused = Program::start(env!("CARGO_BIN_EXE_scale-out"), arguments);
        assert!(!refused.end().success(), "{arguments:?}");
        assert!(refused.seen().is_empty());
    }
}

#[test]
fn help_says_what_there_is() {
    let mut helping = Program::start(env!("CARGO_BIN_EXE_scale-out"), &["--help"]);
    assert!(helping.end().success());
    assert!(helping.seen()[0].starts_with("usage: scale-out [--redis redis://"));
    for option in ["--redis URL", "--urls http://", "--lease SECONDS"] {
        assert!(helping.seen().iter().any(|line| line.trim_start().starts_with(option)), "{option}");
    }
}
