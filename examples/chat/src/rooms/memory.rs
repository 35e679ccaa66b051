//! The rooms in the memory of the one server.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hub_core::{ConnectionId, Result};

use super::state::{State, User};
use super::{Departure, Entered, Rooms};
use crate::rules::{HISTORY, MEMBERS, ROOMS_EACH, Refusal, folded};
use chat_contract::{Line, Presence, RoomInfo};

/// Everything is under one lock, and each method takes it once. Nothing is sent, and nothing awaited, while it is held.
#[derive(Default)]
pub struct RoomsInMemory(Mutex<State>);

#[async_trait]
impl Rooms for RoomsInMemory {
    async fn open(&self, id: &ConnectionId) -> Result<()> {
        self.lock().connections.insert(id.clone(), None);
        Ok(())
    }

    async fn close(&self, id: &ConnectionId) -> Result<Vec<Departure>> {
        let mut state = self.lock();
        let departures = state.sign_out(id);
        state.connections.remove(id);
        Ok(departures)
    }

    async fn enter(&self, id: &ConnectionId, name: &str, key: &str) -> Result<Entered> {
        let mut state = self.lock();
        match state.connections.get(id) {
            Some(None) => {}
            Some(Some(user)) => return Err(Refusal::Named(&user.name).into()),
            None => return Err(Refusal::Ended.into()),
        }
        let replaced = match state.nicknames.get(&folded(name)).cloned() {
            None => None,
            Some(older) if !key.is_empty() && state.user(&older)?.key == key => {
                let departures = state.sign_out(&older);
                Some((older, departures))
            }
            Some(_) => return Err(Refusal::Taken(name).into()),
        };
        let user = User { name: name.to_owned(), key: key.to_owned(), rooms: BTreeSet::new() };
        state.connections.insert(id.clone(), Some(user));
        state.nicknames.insert(folded(name), id.clone());
        Ok(Entered { name: name.to_owned(), replaced })
    }

    async fn list(&self, id: &ConnectionId) -> Result<Vec<RoomInfo>> {
        let state = self.lock();
        state.user(id)?;
        let rooms = state.rooms.iter().filter(|(_, room)| !room.online.is_empty());
        Ok(rooms.map(|(name, room)| RoomInfo { name: name.clone(), online: room.online.len() }).collect())
    }

    async fn join(&self, id: &ConnectionId, room: &str) -> Result<Option<Presence>> {
        let mut state = self.lock();
        let user = state.user(id)?;
        if user.rooms.contains(room) {
            return Ok(None);
        }
        if user.rooms.len() >= ROOMS_EACH {
            return Err(Refusal::RoomsEach.into());
        }
        if state.rooms.get(room).is_some_and(|room| room.online.len() >= MEMBERS) {
            return Err(Refusal::Full(room).into());
        }
        state.make_place(room)?;
        let at = state.moment();
        let State { connections, rooms, .. } = &mut *state;
        let (Some(Some(user)), Some(place)) = (connections.get_mut(id), rooms.get_mut(room)) else {
            return Err(Refusal::Ended.into());
        };
        user.rooms.insert(room.to_owned());
        place.online.insert(folded(&user.name), user.name.clone());
        place.changed = at;
        Ok(Some(place.presence(&user.name)))
    }

    async fn leave(&self, id: &ConnectionId, room: &str) -> Result<Departure> {
        let mut state = self.lock();
        let name = state.member(id, room)?;
        if let Some(Some(user)) = state.connections.get_mut(id) {
            user.rooms.remove(room);
        }
        Ok(state.depart(room, &name))
    }

    async fn member(&self, id: &ConnectionId, room: &str) -> Result<String> {
        self.lock().member(id, room)
    }

    async fn presence(&self, id: &ConnectionId, room: &str) -> Result<Presence> {
        let mut state = self.lock();
        let name = state.member(id, room)?;
        Ok(state.room(room).presence(&name))
    }

    async fn say(&self, id: &ConnectionId, room: &str, text: &str) -> Result<Line> {
        let mut state = self.lock();
        let from = state.member(id, room)?;
        let line = Line { at: state.moment(), from, text: text.to_owned() };
        state.room(room).keep(line.clone());
        Ok(line)
    }

    async fn tell(&self, id: &ConnectionId, name: &str, text: &str) -> Result<(ConnectionId, Line)> {
        let mut state = self.lock();
        let from = state.user(id)?.name.clone();
        let Some(recipient) = state.nicknames.get(&folded(name)).cloned() else {
            return Err(Refusal::Unknown(name).into());
        };
        if recipient == *id {
            return Err(Refusal::Yourself.into());
        }
        let line = Line { at: state.moment(), from, text: text.to_owned() };
        Ok((recipient, line))
    }

    async fn history(&self, id: &ConnectionId, room: &str, last: u32) -> Result<Vec<Line>> {
        let mut state = self.lock();
        state.member(id, room)?;
        let lines = &state.room(room).lines;
        let last = usize::try_from(last).unwrap_or(HISTORY);
        Ok(lines.iter().skip(lines.len().saturating_sub(last)).cloned().collect())
    }
}

impl RoomsInMemory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
