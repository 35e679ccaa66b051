//! What is under the lock of [`RoomsInMemory`](super::RoomsInMemory), and what its methods have in common.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use hub_core::{ConnectionId, Result};

use super::Departure;
use crate::rules::{HISTORY, HISTORY_BYTES, ROOMS, Refusal, folded};
use chat_contract::{Line, Presence};

#[derive(Default)]
pub(super) struct State {
    /// Every open connection, and who it is. A call may outlive its connection: it finds nothing here, and so cannot
    /// take a nickname or a place that nobody would give back.
    pub(super) connections: HashMap<ConnectionId, Option<User>>,
    /// Which connection has a nickname, by its [`folded`] form.
    pub(super) nicknames: HashMap<String, ConnectionId>,
    pub(super) rooms: BTreeMap<String, Room>,
    /// The last moment that was given out.
    latest: u64,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) rooms: BTreeSet<String>,
}

#[derive(Default)]
pub(super) struct Room {
    /// Nicknames by their [`folded`] forms, which sorts them.
    pub(super) online: BTreeMap<String, String>,
    /// When somebody came or left last.
    pub(super) changed: u64,
    pub(super) lines: VecDeque<Line>,
    /// What they take.
    bytes: usize,
}

impl State {
    pub(super) fn user(&self, id: &ConnectionId) -> Result<&User> {
        match self.connections.get(id) {
            Some(Some(user)) => Ok(user),
            _ => Err(Refusal::Nameless.into()),
        }
    }

    pub(super) fn member(&self, id: &ConnectionId, room: &str) -> Result<String> {
        let user = self.user(id)?;
        if user.rooms.contains(room) {
            return Ok(user.name.clone());
        }
        Err(Refusal::NotThere(room).into())
    }

    /// Takes the nickname of a connection away, and its places.
    pub(super) fn sign_out(&mut self, id: &ConnectionId) -> Vec<Departure> {
        let Some(user) = self.connections.get_mut(id).and_then(Option::take) else { return Vec::new() };
        self.nicknames.remove(&folded(&user.name));
        user.rooms.iter().map(|room| self.depart(room, &user.name)).collect()
    }

    pub(super) fn depart(&mut self, room: &str, name: &str) -> Departure {
        let at = self.moment();
        let place = self.room(room);
        place.online.remove(&folded(name));
        place.changed = at;
        Departure { room: room.to_owned(), presence: place.presence(name) }
    }

    /// Sees to it that a room exists.
    pub(super) fn make_place(&mut self, room: &str) -> Result<()> {
        if !self.rooms.contains_key(room) && self.rooms.len() >= ROOMS {
            let empty = self.rooms.iter().filter(|(_, room)| room.online.is_empty());
            let Some(quietest) = empty.min_by_key(|(_, room)| room.latest()).map(|(name, _)| name.clone()) else {
                return Err(Refusal::Rooms.into());
            };
            self.rooms.remove(&quietest);
        }
        self.room(room);
        Ok(())
    }

    pub(super) fn room(&mut self, name: &str) -> &mut Room {
        self.rooms.entry(name.to_owned()).or_default()
    }

    /// A moment that was not given out before, later than all that were. Also later than those of a server that ran
    /// here before: clients that come back from it need not care.
    pub(super) fn moment(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.latest = u64::try_from(now).unwrap_or(u64::MAX).max(self.latest + 1);
        self.latest
    }
}

impl Room {
    pub(super) fn presence(&self, name: &str) -> Presence {
        Presence { at: self.changed, name: name.to_owned(), online: self.online.values().cloned().collect() }
    }

    /// Adds a line, for which the oldest give way.
    pub(super) fn keep(&mut self, line: Line) {
        self.bytes += size(&line);
        self.lines.push_back(line);
        while (self.lines.len() > HISTORY || self.bytes > HISTORY_BYTES)
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }

    fn latest(&self) -> u64 {
        self.lines.back().map_or(self.changed, |line| line.at.max(self.changed))
    }
}

fn size(line: &Line) -> usize {
    size_of::<Line>() + line.from.len() + line.text.len()
}
