//! The link to one server: one connection that publishes, and one that is subscribed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::FutureExt;
use redis::{Pipeline, ServerError, Value, cmd};

use super::connection::{Connection, Connector, refusal};
use super::{DialError, Flight, Link, Lost, Receive};
use crate::channels;

/// Two connections: what is received in a flood does not delay what is sent, and a subscriber that Redis cuts off for
/// reading too slowly takes no publication with it.
pub(crate) struct Server {
    publisher: Connection,
    subscriber: Connection,
    verbs: &'static Verbs,
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
    pub(crate) async fn dial(
        connector: &Connector,
        (host, port): (&str, u16),
        verbs: &'static Verbs,
        receive: Arc<dyn Receive>,
    ) -> Result<Self, DialError> {
        let publisher = connector.connect(host, port, None);
        let subscriber = connector.connect(host, port, Some(receive));
        let (publisher, subscriber) = tokio::try_join!(publisher, subscriber)?;
        Ok(Self { publisher, subscriber, verbs, writable: AtomicBool::new(false) })
    }

    /// Tries whether we may publish and subscribe, on a channel of our own.
    pub(crate) async fn probe(&self, prefix: &str) -> Result<(), DialError> {
        self.probe_on(&channels::probe(prefix, getrandom::u64().unwrap_or_default())).await
    }

    pub(crate) async fn probe_on(&self, channel: &str) -> Result<(), DialError> {
        self.subscriber.will_unsubscribe(1);
        for verb in [self.verbs.subscribe, self.verbs.unsubscribe] {
            let mut command = cmd(verb);
            command.arg(channel);
            self.subscriber.ask(&command).await?.map_err(|error| refusal(self.subscriber.address(), &error))?;
        }
        let mut command = cmd(self.verbs.publish);
        command.arg(channel).arg("");
        self.publisher.ask(&command).await?.map_err(|error| refusal(self.publisher.address(), &error))?;
        Ok(())
    }

    pub(crate) fn publisher(&self) -> &Connection {
        &self.publisher
    }

    pub(crate) fn address(&self) -> &str {
        self.publisher.address()
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
        let answers = self.publisher.ask_all(commands);
        let address = self.publisher.address().to_owned();
        async move { answers.await?.into_iter().map(|answer| receivers(&address, answer)).collect() }.boxed()
    }

    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.say(self.verbs.subscribe, channels).await
    }

    async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.subscriber.will_unsubscribe(channels.len());
        self.say(self.verbs.unsubscribe, channels).await
    }

    async fn ping(&self) -> Result<(), Lost> {
        let ping = cmd("PING");
        for answer in [self.publisher.ask(&ping), self.subscriber.ask(&ping)] {
            match answer.await? {
                // A script runs too long: nothing else is served.
                Err(error) if error.code() == Some("BUSY") => {
                    return Err(Lost(format!("{} is busy: {error}", self.address())));
                }
                // Who refuses is there otherwise: a Redis that cannot save (MISCONF), that loads, or that has lost its
                // primary refuses pings, and serves pub/sub.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn keep(&self, key: &str, value: &[u8]) -> Result<Result<Vec<u8>, String>, Lost> {
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("SET").arg(key).arg(value).arg("NX");
        commands.cmd("GET").arg(key);
        let mut answers = self.publisher.ask_all(commands).await?.into_iter();
        let (set, got) = (answers.next(), answers.next());
        match &set {
            // It was made a replica while we were connected: what it is given does not reach those at the new primary.
            // One that was a replica before is what the options name.
            Some(Value::ServerError(error)) if error.code() == "READONLY" && self.writable.load(Ordering::Relaxed) => {
                return Err(Lost(format!("{} is not the primary any more", self.address())));
            }
            Some(Value::ServerError(_)) | None => {}
            Some(_) => self.writable.store(true, Ordering::Relaxed),
        }
        Ok(match (set, got) {
            // Somebody else's may be there when ours is refused.
            (_, Some(Value::BulkString(kept))) => Ok(kept),
            (_, Some(Value::ServerError(error))) if error.code() == "MOVED" => {
                return Err(not_the_one(self.address(), &error));
            }
            (Some(Value::ServerError(error)), _) | (_, Some(Value::ServerError(error))) => Err(error.to_string()),
            _ => Err("it is not there after it was set".to_owned()),
        })
    }

    async fn lost(&self) -> Lost {
        tokio::select! {
            lost = self.publisher.lost() => lost,
            lost = self.subscriber.lost() => lost,
        }
    }
}

/// How many received a message, or why Redis refused it. Some refusals say that it is not the right server.
fn receivers(address: &str, answer: Value) -> Result<Result<usize, String>, Lost> {
    match answer {
        Value::Int(count) => Ok(Ok(count.try_into().unwrap_or_default())),
        Value::ServerError(error)
            if matches!(error.code(), "MOVED" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY") =>
        {
            Err(not_the_one(address, &error))
        }
        Value::ServerError(error) => Ok(Err(error.to_string())),
        other => Ok(Err(format!("an answer of no sense: {other:?}"))),
    }
}

fn not_the_one(address: &str, error: &ServerError) -> Lost {
    Lost(format!("{address} is not the right server now: {error}"))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address())
    }
}
