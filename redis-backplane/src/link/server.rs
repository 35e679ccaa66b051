//! The link to one server: one connection that publishes, and one that is subscribed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::FutureExt;
use redis::{Pipeline, RedisError, Value, cmd, from_redis_value};
use tokio::time::timeout;

use super::connection::{Connection, Connector, refusal, said};
use super::{DialError, Flight, Link, Lost, Receive};
use crate::options::MOST_IN_A_MESSAGE;
use crate::{channels, lock};

/// The hard limit of `client-output-buffer-limit pubsub` by default.
const USUAL_LIMIT: usize = 32 * 1024 * 1024;
/// How long the end of a connection may take to be noted.
const MOMENT: Duration = Duration::from_millis(10);

/// Two connections: what is received in a flood does not delay what is sent, a subscriber that Redis cuts off for reading
/// too slowly takes no publication with it, and a publisher that is cut off is replaced while the other listens on.
pub(crate) struct Server {
    publisher: Mutex<Arc<Connection>>,
    subscriber: Connection,
    /// How the first is made again.
    connector: Connector,
    place: (String, u16),
    address: Arc<str>,
    verbs: &'static Verbs,
    /// The channel on which it is tried whether we may publish and subscribe.
    probe: String,
    largest: (usize, String),
    /// Whether it has accepted a write.
    writable: AtomicBool,
}

/// The commands for pub/sub.
pub(crate) struct Verbs {
    publish: &'static str,
    subscribe: &'static str,
    unsubscribe: &'static str,
}

/// To all channels of a server.
pub(crate) static PLAIN: Verbs = Verbs { publish: "PUBLISH", subscribe: "SUBSCRIBE", unsubscribe: "UNSUBSCRIBE" };
/// To the channels in the slots of a Cluster's primary.
pub(crate) static SHARDED: Verbs = Verbs { publish: "SPUBLISH", subscribe: "SSUBSCRIBE", unsubscribe: "SUNSUBSCRIBE" };

impl Server {
    /// Connects to a server.
    pub(crate) async fn dial(
        connector: &Connector,
        (host, port): (&str, u16),
        verbs: &'static Verbs,
        prefix: &str,
        receive: Arc<dyn Receive>,
    ) -> Result<Self, DialError> {
        let publisher = connector.connect(host, port, None);
        let subscriber = connector.connect(host, port, Some(receive));
        let (publisher, subscriber) = tokio::try_join!(publisher, subscriber)?;
        let largest = match connector.largest_message {
            Some(largest) => (largest, "the option `largest_message`".to_owned()),
            None => largest_message(&publisher).await?,
        };
        let probe = channels::probe(prefix, number());
        Ok(Self {
            connector: connector.clone(),
            place: (host.to_owned(), port),
            address: Arc::clone(publisher.name()),
            publisher: Mutex::new(Arc::new(publisher)),
            subscriber,
            verbs,
            probe,
            largest,
            writable: AtomicBool::new(false),
        })
    }

    /// What kind of server it says that it is, if it does: `standalone`, `cluster` or `sentinel`.
    pub(crate) async fn mode(&self) -> Result<Option<String>, Lost> {
        let Ok(answer) = self.publisher().ask(&cmd("HELLO")).await? else { return Ok(None) };
        let known = from_redis_value::<HashMap<String, Value>>(answer).ok();
        Ok(known.and_then(|mut known| from_redis_value(known.remove("mode")?).ok()))
    }

    /// Tries whether we may publish and subscribe, on a channel of our own.
    pub(crate) async fn probe(&self) -> Result<(), DialError> {
        self.probe_on(&self.probe).await
    }

    pub(crate) async fn probe_on(&self, channel: &str) -> Result<(), DialError> {
        self.subscriber.will_unsubscribe(1);
        for verb in [self.verbs.subscribe, self.verbs.unsubscribe] {
            let mut command = cmd(verb);
            command.arg(channel);
            self.subscriber.ask(&command).await?.map_err(|error| refusal(&self.address, &error))?;
        }
        self.publish_probe(channel).await?.map_err(|error| refusal(&self.address, &error))?;
        Ok(())
    }

    async fn publish_probe(&self, channel: &str) -> Result<Result<Value, RedisError>, Lost> {
        let mut command = cmd(self.verbs.publish);
        command.arg(channel).arg("");
        self.publisher().ask(&command).await
    }

    pub(crate) async fn may_publish_on(&self, channel: &str) -> Result<(), Lost> {
        let refused = |error| Lost(refusal(&self.address, &error).why().to_owned());
        self.publish_probe(channel).await?.map(drop).map_err(refused)
    }

    pub(crate) fn publisher(&self) -> Arc<Connection> {
        Arc::clone(&lock(&self.publisher))
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// One command a channel: each has one answer of its own.
    async fn say(&self, verb: &str, channels: &[Arc<str>]) -> Result<(), Lost> {
        let mut commands = Pipeline::with_capacity(channels.len());
        for channel in channels {
            commands.cmd(verb).arg(&**channel);
        }
        for answer in self.subscriber.ask_all(commands).await? {
            if let Value::ServerError(error) = answer {
                return Err(Lost(format!("{} refused to {verb}: {error}", self.address())));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Link for Server {
    fn publish(&self, messages: &[(&str, &[u8])]) -> Flight {
        let mut commands = Pipeline::with_capacity(messages.len());
        for (channel, message) in messages {
            commands.cmd(self.verbs.publish).arg(*channel).arg(*message);
        }
        let answers = self.publisher().ask_all(commands);
        let address = Arc::clone(&self.address);
        async move { answers.await?.into_iter().map(|answer| receivers(&address, answer)).collect() }.boxed()
    }

    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.say(self.verbs.subscribe, channels).await
    }

    async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.subscriber.will_unsubscribe(channels.len());
        self.say(self.verbs.unsubscribe, channels).await
    }

    async fn may_publish(&self) -> Result<(), Lost> {
        self.may_publish_on(&self.probe).await
    }

    fn largest_message(&self) -> (usize, String) {
        self.largest.clone()
    }

    async fn check(&self, asked: bool) -> Result<(), Lost> {
        if asked { Ok(()) } else { is_there(&self.publisher()).await }
    }

    async fn ping(&self) -> Result<(), Lost> {
        is_there(&self.subscriber).await
    }

    async fn offer(&self, key: &str, value: &str) -> Result<Result<bool, String>, Lost> {
        let mut command = cmd("SET");
        command.arg(key).arg(value).arg("NX");
        match self.publisher().ask(&command).await? {
            Ok(answer) => {
                self.writable.store(true, Ordering::Relaxed);
                Ok(Ok(answer != Value::Nil))
            }
            // It was made a replica while we were connected: what it is given does not reach those at the new primary.
            // One that was a replica before is what the options name.
            Err(error) if error.code() == Some("READONLY") && self.writable.load(Ordering::Relaxed) => {
                Err(Lost(format!("{} is not the primary any more", self.address)))
            }
            Err(error) => self.refused(&error),
        }
    }

    async fn read(&self, key: &str) -> Result<Result<Option<Vec<u8>>, String>, Lost> {
        let mut command = cmd("GET");
        command.arg(key);
        match self.publisher().ask(&command).await? {
            Ok(Value::BulkString(kept)) => Ok(Ok(Some(kept))),
            Ok(Value::Nil) => Ok(Ok(None)),
            Ok(other) => Ok(Err(format!("an answer of no sense: {other:?}"))),
            Err(error) => self.refused(&error),
        }
    }

    async fn lost(&self) -> Lost {
        self.subscriber.lost().await
    }

    async fn cut(&self) -> Lost {
        self.publisher().lost().await
    }

    async fn mend(&self) -> Result<bool, DialError> {
        // Its end may be noted a moment later than what was under way has failed.
        let ended = timeout(MOMENT, self.publisher().lost()).await.is_ok();
        if !ended || self.subscriber.has_ended() {
            return Ok(false);
        }
        let (host, port) = &self.place;
        let publisher = self.connector.connect(host, *port, None).await?;
        *lock(&self.publisher) = Arc::new(publisher);
        Ok(true)
    }
}

impl Server {
    /// Why a key cannot be used, unless it is another server's now.
    fn refused<T>(&self, error: &RedisError) -> Result<Result<T, String>, Lost> {
        let why = without_arguments(&said(error));
        match error.code() {
            Some("MOVED" | "BUSY") => Err(not_the_one(&self.address, &why)),
            _ => Ok(Err(why)),
        }
    }
}

/// Redis repeats the beginning of a command that it does not know. It may be a secret.
fn without_arguments(said: &str) -> String {
    said.split(", with args").next().unwrap_or(said).to_owned()
}

async fn is_there(connection: &Connection) -> Result<(), Lost> {
    match connection.ask(&cmd("PING")).await? {
        // A script runs too long: nothing else is served.
        Err(error) if error.code() == Some("BUSY") => Err(Lost(format!("{} is busy: {error}", connection.name()))),
        // Who refuses is there otherwise: a Redis that cannot save (MISCONF), that loads, or that has lost its primary
        // refuses pings, and serves pub/sub.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What Redis lets through to those who listen.
async fn largest_message(connection: &Connection) -> Result<(usize, String), Lost> {
    const LIMIT: &str = "client-output-buffer-limit";
    let mut command = cmd("CONFIG");
    command.arg("GET").arg(LIMIT);
    let answer = connection.ask(&command).await?;
    let known = answer.ok().and_then(|answer| from_redis_value::<HashMap<String, String>>(answer).ok());
    let hard = known.and_then(|mut known| hard_limit(&known.remove(LIMIT)?));
    Ok(match hard {
        Some(0) => (MOST_IN_A_MESSAGE, "its proto-max-bulk-len".to_owned()),
        Some(hard) => (hard.min(MOST_IN_A_MESSAGE), format!("its {LIMIT} pubsub")),
        None => (USUAL_LIMIT, format!("the default of its {LIMIT} pubsub, which we may not read")),
    })
}

/// The hard limit in `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`.
fn hard_limit(limits: &str) -> Option<usize> {
    limits.split_whitespace().skip_while(|word| *word != "pubsub").nth(1)?.parse().ok()
}

/// A number that no other process has.
pub(crate) fn number() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// How many received a message, or why Redis refused it. Some refusals say that it is not the right server.
fn receivers(address: &str, answer: Value) -> Result<Result<usize, String>, Lost> {
    match answer {
        Value::Int(count) => Ok(Ok(count.try_into().unwrap_or_default())),
        Value::ServerError(error)
            if matches!(error.code(), "MOVED" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY") =>
        {
            Err(not_the_one(address, &error.to_string()))
        }
        Value::ServerError(error) => Ok(Err(said(&error.into()))),
        other => Ok(Err(format!("an answer of no sense: {other:?}"))),
    }
}

fn not_the_one(address: &str, why: &str) -> Lost {
    Lost(format!("{address} is not the right server now: {why}"))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::{hard_limit, without_arguments};

    #[test]
    fn what_redis_repeats_is_left_out() {
        let said = "ERR unknown command 'SET', with args beginning with: 'hubs:Chat:secret' '0a0b0c' ";
        assert_eq!(without_arguments(said), "ERR unknown command 'SET'");
        assert_eq!(without_arguments("NOPERM no"), "NOPERM no");
    }

    #[test]
    fn the_limit_of_subscribers_is_found() {
        let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(hard_limit(limits), Some(33_554_432));
        assert_eq!(hard_limit("pubsub 0 0 0"), Some(0));
        for odd in ["", "pubsub", "normal 1 2 3", "pubsub many 0 0"] {
            assert_eq!(hard_limit(odd), None, "{odd}");
        }
    }
}
