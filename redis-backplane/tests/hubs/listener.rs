//! Clients that note what they hear, and notice what comes twice, out of order, or to the wrong one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use hub_client::{Connection, callbacks};
use hub_core::{CallError, Codec, Result};
use tokio::sync::{mpsc, watch};

use crate::station::{ListenerClient, Node, To, guard, next_number};

struct Ears {
    heard: mpsc::UnboundedSender<Heard>,
    asked: mpsc::UnboundedSender<u32>,
    may_answer: watch::Receiver<bool>,
}

struct Heard {
    from: String,
    to: String,
    number: u64,
}

#[callbacks]
impl ListenerClient for Ears {
    async fn said(&self, from: &str, to: &str, number: u64, _text: &str) {
        let _ = self.heard.send(Heard { from: from.to_owned(), to: to.to_owned(), number });
    }

    async fn twice(&self, number: u32) -> Result<u32> {
        let _ = self.asked.send(number);
        let _ = self.may_answer.clone().wait_for(|may| *may).await;
        Ok(2 * number)
    }
}

/// A client.
pub(crate) struct Listener {
    pub(crate) connection: Connection,
    pub(crate) id: String,
    user: String,
    groups: HashSet<String>,
    heard: mpsc::UnboundedReceiver<Heard>,
    numbers: HashSet<u64>,
    /// The same, as they came.
    order: Vec<u64>,
    /// The last number of each sender and target.
    last: HashMap<(String, String), u64>,
    asked: mpsc::UnboundedReceiver<u32>,
    may_answer: watch::Sender<bool>,
}

impl Listener {
    /// Connects to this address, as this user, and joins these groups.
    pub(crate) async fn connect(address: SocketAddr, user: &str, groups: &[&str], codec: Codec) -> Self {
        let (to_heard, heard) = mpsc::unbounded_channel();
        let (to_asked, asked) = mpsc::unbounded_channel();
        let may_answer = watch::Sender::new(true);
        let ears = Ears { heard: to_heard, asked: to_asked, may_answer: may_answer.subscribe() };
        let builder = Connection::builder(format!("http://{address}/hub")).no_proxy().header("x-user", user);
        let connecting = builder.protocol(codec).callbacks(ears).connect();
        let connection = guard("the client connects", connecting).await.unwrap();
        let id = connection.id().unwrap().to_string();
        let mut listener = Self {
            connection,
            id,
            user: user.to_owned(),
            groups: HashSet::new(),
            heard,
            numbers: HashSet::new(),
            order: Vec::new(),
            last: HashMap::new(),
            asked,
            may_answer,
        };
        for group in groups {
            listener.join(group).await;
        }
        listener
    }

    pub(crate) async fn join(&mut self, group: &str) {
        guard("the group is joined", self.connection.invoke::<()>("Join", (group,))).await.unwrap();
        self.groups.insert(group.to_owned());
    }

    /// It was added to a group by somebody else.
    pub(crate) fn was_added(&mut self, group: &str) {
        self.groups.insert(group.to_owned());
    }

    /// Says something in a group by a method of the hub.
    pub(crate) async fn say(&self, group: &str) -> (u64, Result<(), CallError>) {
        let number = next_number();
        (number, guard("the call is answered", self.connection.invoke("Say", (group, number))).await)
    }

    pub(crate) fn itself(&self) -> To {
        To::Connection(self.id.clone())
    }

    fn hears(&self, to: &To) -> bool {
        match to {
            To::All => true,
            To::Group(name) => self.groups.contains(name),
            To::User(id) => self.user == *id,
            To::Connection(id) => self.id == *id,
        }
    }

    fn targets(&self) -> impl Iterator<Item = To> {
        let groups = self.groups.iter().map(|name| To::group(name));
        groups.chain([To::All, To::user(&self.user), self.itself()])
    }

    fn note(&mut self, Heard { from, to, number }: Heard) {
        assert!(self.targets().any(|target| target.to_string() == to), "{} of {} got {to}", self.id, self.user);
        let last = self.last.entry((from, to)).or_default();
        assert!(number > *last, "{number} came behind {last}: repeated or out of order");
        *last = number;
        self.numbers.insert(number);
        self.order.push(number);
    }

    /// Waits until it has heard this number.
    #[track_caller]
    pub(crate) fn hear(&mut self, number: u64) -> impl Future<Output = ()> {
        guard("a number to be heard", async move {
            while !self.numbers.contains(&number) {
                let heard = self.heard.recv().await.unwrap();
                self.note(heard);
            }
        })
    }

    /// Whether it has heard this number so far.
    pub(crate) fn has_heard(&mut self, number: u64) -> bool {
        while let Ok(heard) = self.heard.try_recv() {
            self.note(heard);
        }
        self.numbers.contains(&number)
    }

    /// What it has heard so far, as it came.
    pub(crate) fn in_order(&self) -> Vec<u64> {
        self.order.clone()
    }

    /// How many numbers it has heard so far.
    pub(crate) fn count(&mut self) -> usize {
        self.has_heard(0);
        self.numbers.len()
    }

    /// Waits until it has heard so many numbers.
    pub(crate) async fn hear_in_all(&mut self, count: usize) {
        while self.numbers.len() < count {
            let heard = guard("another number", self.heard.recv()).await.unwrap();
            self.note(heard);
        }
    }

    /// Holds its answers back, or gives them.
    pub(crate) fn answers(&self, answers: bool) {
        self.may_answer.send_replace(answers);
    }

    /// Forgets a question, if there was one.
    pub(crate) fn try_asked(&mut self) -> bool {
        self.asked.try_recv().is_ok()
    }

    /// Waits until it is asked.
    pub(crate) async fn is_asked(&mut self) -> u32 {
        guard("a question", self.asked.recv()).await.unwrap()
    }
}

/// From each node, all targets reach all of these who are in them, in order, and nobody else; questions are answered.
pub(crate) async fn all_reach_all(nodes: &[&Node], listeners: &mut [&mut Listener]) {
    let targets: BTreeSet<To> = listeners.iter().flat_map(|listener| listener.targets()).collect();
    let mut sent = Vec::new();
    for node in nodes {
        for to in targets.iter().cycle().take(3 * targets.len()) {
            sent.push((to, node.send(to).await));
        }
    }
    for (to, number) in sent {
        for listener in listeners.iter_mut().filter(|listener| listener.hears(to)) {
            listener.hear(number).await;
        }
    }
    let ids: Vec<String> = listeners.iter().map(|listener| listener.id.clone()).collect();
    for listener in listeners.iter_mut() {
        for (number, id) in (0..).zip(&ids) {
            let answer = listener.connection.invoke::<u32>("Ask", (id, number));
            assert_eq!(guard("an answer", answer).await.unwrap(), 2 * number);
        }
    }
    for listener in listeners {
        while listener.try_asked() {}
    }
}
