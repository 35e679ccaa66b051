//! The rooms in Redis, for several nodes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chat::rules::{HISTORY, HISTORY_BYTES, MEMBERS, ROOMS, ROOMS_EACH, Refusal, folded};
use chat::{Departure, Entered, Rooms};
use chat_contract::{Line, Presence, RoomInfo};
use hub_core::{ConnectionId, HubError, Result};

use crate::node::{Node, Person};

/// Room, moment, who came or left, and who is there since then by folded nickname: as the script gives it.
pub(crate) type Notice = (String, u64, String, BTreeMap<String, String>);

/// Since when somebody has the nickname, who had it until then, and the departures and arrivals that this made.
pub(crate) type Entry = (u64, Option<String>, Vec<Notice>, Vec<Notice>);

pub(crate) fn departure((room, at, name, online): Notice) -> Departure {
    Departure { room, presence: Presence { at, name, online: online.into_values().collect() } }
}

/// A line as the script keeps it.
fn line(json: &str) -> Result<Line> {
    serde_json::from_str(json).map_err(HubError::from)
}

#[async_trait]
impl Rooms for Node {
    async fn open(&self, id: &ConnectionId) -> Result<()> {
        self.add(id).await;
        Ok(())
    }

    async fn close(&self, id: &ConnectionId) -> Result<Vec<Departure>> {
        let Some(mut me) = self.local(id).await else { return Ok(Vec::new()) };
        me.open = false;
        // Should this fail, the node goes on trying, for the connection is still on its list.
        let left: Vec<Notice> = self.call(id, &mut me, "close", &[]).await?;
        self.remove(id);
        Ok(left.into_iter().map(departure).collect())
    }

    async fn enter(&self, id: &ConnectionId, name: &str, key: &str) -> Result<Entered> {
        let mut me = self.local(id).await.ok_or(Refusal::Ended)?;
        if !me.open {
            return Err(Refusal::Ended.into());
        }
        let (since, older, left, _): Entry = self.call(id, &mut me, "enter", &[name, &folded(name), key, ""]).await?;
        me.person = Some(Person::new(name, key, since));
        let replaced = older.map(|older| (older.into(), left.into_iter().map(departure).collect()));
        Ok(Entered { name: name.to_owned(), replaced })
    }

    async fn list(&self, id: &ConnectionId) -> Result<Vec<RoomInfo>> {
        let mut rooms: Vec<(String, usize)> = self.ask(id, "list", &[]).await?;
        rooms.sort();
        Ok(rooms.into_iter().map(|(name, online)| RoomInfo { name, online }).collect())
    }

    async fn join(&self, id: &ConnectionId, room: &str) -> Result<Option<Presence>> {
        let mut me = self.local(id).await.ok_or(Refusal::Nameless)?;
        let limits = [ROOMS_EACH, MEMBERS, ROOMS].map(|limit| limit.to_string());
        let arguments = [room, &limits[0], &limits[1], &limits[2]];
        let arrival: Option<Notice> = self.call(id, &mut me, "join", &arguments).await?;
        if let Some(person) = &mut me.person {
            person.rooms.insert(room.to_owned());
        }
        Ok(arrival.map(|arrival| departure(arrival).presence))
    }

    async fn leave(&self, id: &ConnectionId, room: &str) -> Result<Departure> {
        let mut me = self.local(id).await.ok_or(Refusal::Nameless)?;
        let left: Notice = self.call(id, &mut me, "leave", &[room]).await?;
        if let Some(person) = &mut me.person {
            person.rooms.remove(room);
        }
        Ok(departure(left))
    }

    async fn member(&self, id: &ConnectionId, room: &str) -> Result<String> {
        Ok(self.presence(id, room).await?.name)
    }

    async fn presence(&self, id: &ConnectionId, room: &str) -> Result<Presence> {
        Ok(departure(self.ask(id, "presence", &[room]).await?).presence)
    }

    async fn say(&self, id: &ConnectionId, room: &str, text: &str) -> Result<Line> {
        let limits = [HISTORY, HISTORY_BYTES].map(|limit| limit.to_string());
        line(&self.ask::<String>(id, "say", &[room, text, &limits[0], &limits[1]]).await?)
    }

    async fn tell(&self, id: &ConnectionId, name: &str, text: &str) -> Result<(ConnectionId, Line)> {
        let (recipient, told): (String, String) = self.ask(id, "tell", &[&folded(name), name, text]).await?;
        Ok((recipient.into(), line(&told)?))
    }

    async fn history(&self, id: &ConnectionId, room: &str, last: u32) -> Result<Vec<Line>> {
        let lines: Vec<String> = self.ask(id, "history", &[room, &last.to_string()]).await?;
        lines.iter().map(|json| line(json)).collect()
    }
}
