//! One node: its lease in Redis, and what it knows of its own connections, to tell Redis again when that has lost it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat::Departure;
use chat::rules::{Refusal, folded};
use hub_core::{ConnectionId, Result};
use redis::{FromRedisValue, RedisResult};
use tokio::sync::{OwnedMutexGuard, RwLock, mpsc};

use crate::rooms::{Entry, Notice, departure};
use crate::script::{Script, explain, has_lapsed, refusal};

/// The rooms in Redis, as one of the nodes that share them.
pub struct Node {
    script: Script,
    /// How long a lease holds.
    time: Duration,
    /// That of the moment. There is none at first.
    lease: RwLock<Arc<str>>,
    connections: Mutex<HashMap<ConnectionId, Arc<tokio::sync::Mutex<Local>>>>,
    changes: mpsc::UnboundedSender<Change>,
}

/// Somebody came or left without having asked for it.
#[derive(Debug)]
pub enum Change {
    /// A room may have lost somebody, and has them.
    Came(Departure),
    /// Somebody is gone with their node, or was to leave while Redis was out of reach.
    Left(Departure),
}

/// A connection of this node. Whatever it asks for is done under its lock.
pub(crate) struct Local {
    pub(crate) open: bool,
    pub(crate) person: Option<Person>,
    /// Under which lease Redis knows the same of it. `None` is doubt: something was asked for, and no answer came.
    settled: Option<Arc<str>>,
}

/// Who has a connection.
pub(crate) struct Person {
    name: String,
    key: String,
    since: u64,
    pub(crate) rooms: BTreeSet<String>,
}

impl Person {
    pub(crate) fn new(name: &str, key: &str, since: u64) -> Self {
        Self { name: name.to_owned(), key: key.to_owned(), since, rooms: BTreeSet::new() }
    }
}

impl Node {
    /// A node with the rooms whose keys begin with `prefix` in the Redis of this URL; and what has to be announced.
    ///
    /// # Errors
    /// When it is no URL of a Redis. Whether there is one shows later.
    pub fn new(redis: &str, prefix: &str, time: Duration) -> RedisResult<(Self, mpsc::UnboundedReceiver<Change>)> {
        let (changes, announced) = mpsc::unbounded_channel();
        let script = Script::new(redis, prefix)?;
        Ok((Self { script, time, lease: RwLock::default(), connections: Mutex::default(), changes }, announced))
    }

    /// Holds the lease, or takes a new one. The people of nodes that lost theirs are removed.
    ///
    /// # Errors
    /// When Redis is out of reach.
    pub async fn renew(&self) -> Result<()> {
        let lease = self.lease().await;
        let renewed = match self.script.run::<Vec<Notice>>("renew", &lease, &[&self.time()]).await {
            Err(error) if has_lapsed(&error) => self.begin(&lease).await,
            Err(error) => Err(error),
            Ok(left) => {
                self.announce(left, Change::Left);
                Ok(())
            }
        };
        renewed.map_err(|error| explain(&error))
    }

    /// Tells Redis what it does not know of the connections of this node; or `again` everything, and each room who is
    /// there.
    ///
    /// # Errors
    /// When Redis is out of reach.
    pub async fn settle(&self, again: bool) -> Result<()> {
        let all: Vec<_> = self.connections().iter().map(|(id, local)| (id.clone(), Arc::clone(local))).collect();
        for (id, local) in all {
            let mut me = local.lock().await;
            if again || !me.open {
                me.settled = None;
            }
            let lease = self.lease().await;
            match self.settle_one(&id, &mut me, &lease).await {
                // There will be another lease, and another round.
                Err(error) if has_lapsed(&error) => return Ok(()),
                settled => settled.map_err(|error| explain(&error))?,
            }
            if !me.open {
                self.remove(&id);
            }
        }
        Ok(())
    }

    pub(crate) async fn add(&self, id: &ConnectionId) {
        let local = Local { open: true, person: None, settled: Some(self.lease().await) };
        self.connections().insert(id.clone(), Arc::new(tokio::sync::Mutex::new(local)));
    }

    /// A connection of this node, under its lock.
    pub(crate) async fn local(&self, id: &ConnectionId) -> Option<OwnedMutexGuard<Local>> {
        let local = self.connections().get(id).map(Arc::clone)?;
        Some(local.lock_owned().await)
    }

    pub(crate) fn remove(&self, id: &ConnectionId) {
        self.connections().remove(id);
    }

    /// Calls the script for a connection of this node.
    pub(crate) async fn ask<T: FromRedisValue>(&self, id: &ConnectionId, what: &str, rest: &[&str]) -> Result<T> {
        let mut me = self.local(id).await.ok_or(Refusal::Nameless)?;
        self.call(id, &mut me, what, rest).await
    }

    /// Calls the script for a connection, of which Redis knows by then what this node knows. The caller notes in `me`
    /// what was changed.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        id: &ConnectionId,
        me: &mut Local,
        what: &str,
        rest: &[&str],
    ) -> Result<T> {
        let arguments: Vec<&str> = [id.as_str()].into_iter().chain(rest.iter().copied()).collect();
        loop {
            let lease = self.lease().await;
            let answer = match self.try_to_call(id, me, &lease, what, &arguments).await {
                Err(error) if has_lapsed(&error) => self.begin(&lease).await.map(|()| None),
                answer => answer.map(Some),
            };
            if let Some(value) = answer.map_err(|error| explain(&error))? {
                return Ok(value);
            }
        }
    }

    async fn try_to_call<T: FromRedisValue>(
        &self,
        id: &ConnectionId,
        me: &mut Local,
        lease: &Arc<str>,
        what: &str,
        arguments: &[&str],
    ) -> RedisResult<T> {
        self.settle_one(id, me, lease).await?;
        if matches!(what, "enter" | "join" | "leave" | "close") {
            me.settled = None;
        }
        let answer = self.script.run(what, lease, arguments).await;
        let refused = answer.as_ref().err().and_then(refusal);
        if answer.is_ok() || refused.is_some() {
            me.settled = Some(Arc::clone(lease));
        }
        if refused == Some(Refusal::Nameless) {
            // Who has the key has taken the nickname over, on whichever node.
            me.person = None;
        }
        answer
    }

    /// Makes Redis know of a connection what this node knows.
    async fn settle_one(&self, id: &ConnectionId, me: &mut Local, lease: &Arc<str>) -> RedisResult<()> {
        if me.settled.as_ref() == Some(lease) {
            return Ok(());
        }
        if let Some(person) = &me.person {
            let (folded, since) = (folded(&person.name), person.since.to_string());
            let mut arguments = vec![id.as_str(), &person.name, &folded, &person.key, &since];
            arguments.extend(person.rooms.iter().map(String::as_str));
            match self.script.run("enter", lease, &arguments).await {
                Err(error) if refusal(&error).is_some() => {
                    tracing::warn!(name = person.name, "somebody else has the nickname by now");
                    me.person = None;
                }
                entered => {
                    let (_, _, left, came): Entry = entered?;
                    self.announce(left, Change::Left);
                    if me.open {
                        self.announce(came, Change::Came);
                    }
                }
            }
        }
        // Who is to leave has been put back before, should it be gone already, for the others may not have heard of it.
        if me.person.is_none() || !me.open {
            self.announce(self.script.run("close", lease, &[id.as_str()]).await?, Change::Left);
        }
        me.settled = Some(Arc::clone(lease));
        Ok(())
    }

    /// Takes another lease than this one, unless that has been done.
    async fn begin(&self, lapsed: &Arc<str>) -> RedisResult<()> {
        let mut lease = self.lease.write().await;
        if *lease == *lapsed {
            *lease = self.script.run::<String>("begin", "", &[&self.time()]).await?.into();
        }
        Ok(())
    }

    async fn lease(&self) -> Arc<str> {
        Arc::clone(&*self.lease.read().await)
    }

    fn time(&self) -> String {
        self.time.as_millis().to_string()
    }

    fn announce(&self, notices: Vec<Notice>, change: fn(Departure) -> Change) {
        for notice in notices {
            // Nobody listens when the program ends.
            let _ = self.changes.send(change(departure(notice)));
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<tokio::sync::Mutex<Local>>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
