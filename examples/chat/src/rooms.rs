//! Who is there, under which nickname, in which rooms, and what was said: all that outlives a call.

mod state;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::{ConnectionId, Result};

use self::state::{State, User, folded};
use crate::rules::{self, HISTORY, MEMBERS, ROOMS_EACH, refuse};
use chat_contract::{Line, Presence, RoomInfo};

/// A handle to the rooms of a server. Clones share them.
///
/// Everything is under one lock, and each method takes it once: of two who want a nickname at the same time one gets it,
/// and who leaves while joining is either in or out. Nothing is sent, and nothing awaited, while it is held.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Mutex<State>>);

/// Somebody left this room, which the others should know.
#[derive(Debug, PartialEq, Eq)]
pub struct Departure {
    /// The room.
    pub room: String,
    /// Who left, and who is there now.
    pub presence: Presence,
}

/// What came of taking a nickname.
#[derive(Debug, PartialEq, Eq)]
pub struct Entered {
    /// The nickname.
    pub name: String,
    /// The older connection that had to give it up, and the rooms that it left.
    pub replaced: Option<(ConnectionId, Vec<Departure>)>,
}

impl Rooms {
    /// Lets a connection in, nameless.
    pub fn open(&self, id: &ConnectionId) {
        self.lock().connections.insert(id.clone(), None);
    }

    /// Forgets a connection: it leaves all its rooms, and its nickname is free.
    pub fn close(&self, id: &ConnectionId) -> Vec<Departure> {
        let mut state = self.lock();
        let departures = state.sign_out(id);
        state.connections.remove(id);
        departures
    }

    /// Takes a nickname, if need be from an older connection that shows the same key.
    ///
    /// # Errors
    /// When it is no nickname or is taken, or the connection has one.
    pub fn enter(&self, id: &ConnectionId, name: &str, key: &str) -> Result<Entered> {
        let (name, key) = (rules::nickname(name)?, rules::key(key)?);
        let mut state = self.lock();
        match state.connections.get(id) {
            Some(None) => {}
            Some(Some(user)) => return refuse(format!("You are {} already.", user.name)),
            None => return refuse("The connection has ended."),
        }
        let replaced = match state.nicknames.get(&folded(name)).cloned() {
            None => None,
            Some(older) if !key.is_empty() && state.user(&older)?.key == key => {
                let departures = state.sign_out(&older);
                Some((older, departures))
            }
            Some(_) => return refuse(format!("The nickname {name} is taken.")),
        };
        let user = User { name: name.to_owned(), key: key.to_owned(), rooms: BTreeSet::new() };
        state.connections.insert(id.clone(), Some(user));
        state.nicknames.insert(folded(name), id.clone());
        Ok(Entered { name: name.to_owned(), replaced })
    }

    /// The rooms with somebody in them.
    ///
    /// # Errors
    /// When the connection has no nickname.
    pub fn list(&self, id: &ConnectionId) -> Result<Vec<RoomInfo>> {
        let state = self.lock();
        state.user(id)?;
        let rooms = state.rooms.iter().filter(|(_, room)| !room.online.is_empty());
        Ok(rooms.map(|(name, room)| RoomInfo { name: name.clone(), online: room.online.len() }).collect())
    }

    /// Comes into a room. `None` for who is there already.
    ///
    /// # Errors
    /// When the connection has no nickname or is in too many rooms, or the room's name is bad, or it is full.
    pub fn join(&self, id: &ConnectionId, room: &str) -> Result<Option<Presence>> {
        let room = rules::room(room)?;
        let mut state = self.lock();
        let user = state.user(id)?;
        if user.rooms.contains(room) {
            return Ok(None);
        }
        if user.rooms.len() >= ROOMS_EACH {
            return refuse(format!("You are in {ROOMS_EACH} rooms, and more are not allowed: leave one first."));
        }
        if state.rooms.get(room).is_some_and(|room| room.online.len() >= MEMBERS) {
            return refuse(format!("The room {room} is full: {MEMBERS} people are there."));
        }
        state.make_place(room)?;
        let at = state.moment();
        let State { connections, rooms, .. } = &mut *state;
        let (Some(Some(user)), Some(place)) = (connections.get_mut(id), rooms.get_mut(room)) else {
            return refuse("The connection has ended.");
        };
        user.rooms.insert(room.to_owned());
        place.online.insert(folded(&user.name), user.name.clone());
        place.changed = at;
        Ok(Some(place.presence(&user.name)))
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// When the connection is not there.
    pub fn leave(&self, id: &ConnectionId, room: &str) -> Result<Departure> {
        let mut state = self.lock();
        let name = state.member(id, room)?;
        if let Some(Some(user)) = state.connections.get_mut(id) {
            user.rooms.remove(room);
        }
        Ok(state.depart(room, &name))
    }

    /// The nickname of a connection that is in this room.
    ///
    /// # Errors
    /// When the connection is not there.
    pub fn member(&self, id: &ConnectionId, room: &str) -> Result<String> {
        self.lock().member(id, room)
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// When the connection is not there.
    pub fn presence(&self, id: &ConnectionId, room: &str) -> Result<Presence> {
        let mut state = self.lock();
        let name = state.member(id, room)?;
        Ok(state.room(room).presence(&name))
    }

    /// Says something in a room.
    ///
    /// # Errors
    /// When the connection is not there, or the text is empty or too long.
    pub fn say(&self, id: &ConnectionId, room: &str, text: &str) -> Result<Line> {
        let mut state = self.lock();
        let from = state.member(id, room)?;
        let line = Line { at: state.moment(), from, text: rules::text(text)?.to_owned() };
        let lines = &mut state.room(room).lines;
        if lines.len() == HISTORY {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        Ok(line)
    }

    /// Finds the connection of a nickname, and makes the line for it. Nothing of it is kept.
    ///
    /// # Errors
    /// When nobody has the nickname, or it is the caller's own, or the text is empty or too long.
    pub fn tell(&self, id: &ConnectionId, name: &str, text: &str) -> Result<(ConnectionId, Line)> {
        let mut state = self.lock();
        let from = state.user(id)?.name.clone();
        let Some(recipient) = state.nicknames.get(&folded(name.trim())).cloned() else {
            // Cut, for it is the caller's text.
            let name: String = name.trim().chars().take(rules::NAME_LENGTH).collect();
            return refuse(format!("Nobody here is called {name}."));
        };
        if recipient == *id {
            return refuse("That is you.");
        }
        let line = Line { at: state.moment(), from, text: rules::text(text)?.to_owned() };
        Ok((recipient, line))
    }

    /// The last lines of a room, oldest first.
    ///
    /// # Errors
    /// When the connection is not there.
    pub fn history(&self, id: &ConnectionId, room: &str, last: u32) -> Result<Vec<Line>> {
        let mut state = self.lock();
        state.member(id, room)?;
        let lines = &state.room(room).lines;
        let last = usize::try_from(last).unwrap_or(HISTORY);
        Ok(lines.iter().skip(lines.len().saturating_sub(last)).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
