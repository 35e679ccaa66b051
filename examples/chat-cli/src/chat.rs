//! The chat as this user has it: a name, rooms, and what was seen in them.

use std::collections::BTreeMap;

use chat_contract::{ChatHubProxy, Line};
use futures_util::StreamExt;
use hub_client::Connection;
use hub_core::CallError;

use crate::command::{Command, HELP, HISTORY};
use crate::ears::Heard;
use crate::screen::Screen;

pub(crate) struct Chat {
    pub(crate) screen: Screen,
    hub: ChatHubProxy<Connection>,
    name: String,
    /// With it the name can be taken back from a connection that was lost.
    key: String,
    /// The rooms, each with the moment of the last line that was shown: history and live lines overlap.
    rooms: BTreeMap<String, u64>,
    /// Where the user talks.
    current: Option<String>,
}

impl Chat {
    /// Takes the name.
    pub(crate) async fn enter(connection: &Connection, name: String, screen: Screen) -> Result<Self, CallError> {
        // Whoever guesses it could take the name.
        let key = getrandom::u64().map_or_else(|_| String::new(), |secret| format!("{secret:016x}"));
        let hub = ChatHubProxy::new(connection.clone());
        let name = hub.enter(&name, &key).await?;
        screen.notice(&format!("You are {name}."));
        Ok(Self { screen, hub, name, key, rooms: BTreeMap::new(), current: None })
    }

    /// Comes into a room, or back into it, and shows what was said there since.
    pub(crate) async fn join(&mut self, room: &str) -> Result<(), CallError> {
        let presence = self.hub.join(room).await?;
        self.rooms.entry(room.to_owned()).or_default();
        self.go_to(Some(room.to_owned()));
        self.screen.notice(&format!("You are in #{room}, with {}.", presence.online.join(", ")));
        self.show_history(room, HISTORY).await
    }

    /// On a new connection the hub knows nothing of this client.
    ///
    /// # Errors
    /// When somebody else has the name by now, for the user.
    pub(crate) async fn come_back(&mut self) -> Result<(), String> {
        match self.come_back_unless_lost().await {
            // Lost again: the next event says so.
            Err(CallError::Closed(_) | CallError::Refused(_)) => Ok(()),
            Err(error) => Err(reason(&error)),
            Ok(()) => {
                self.screen.notice("Connected again.");
                Ok(())
            }
        }
    }

    async fn come_back_unless_lost(&mut self) -> Result<(), CallError> {
        self.hub.enter(&self.name, &self.key).await?;
        let current = self.current.clone();
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.join(&room).await?;
        }
        self.go_to(current);
        Ok(())
    }

    /// Does what the user wants, and shows what comes of it.
    pub(crate) async fn obey(&mut self, command: Command<'_>) {
        let done = match command {
            Command::Say(text) => self.say(text).await,
            Command::Join(room) if self.rooms.contains_key(room) => {
                self.go_to(Some(room.to_owned()));
                self.screen.ask();
                Ok(())
            }
            Command::Join(room) => self.join(room).await,
            Command::Leave => self.leave().await,
            Command::Rooms => self.show_rooms().await,
            Command::Who => self.show_who().await,
            Command::Msg { name, text } => self.tell(name, text).await,
            Command::History(count) => match self.current.clone() {
                Some(room) => {
                    self.rooms.insert(room.clone(), 0);
                    self.show_history(&room, count).await
                }
                None => self.no_room(),
            },
            Command::Help => {
                self.screen.plain(HELP);
                Ok(())
            }
            Command::Nothing | Command::Quit => {
                self.screen.ask();
                Ok(())
            }
        };
        if let Err(error) = done {
            self.screen.problem(&reason(&error));
        }
    }

    /// Shows what the hub told.
    pub(crate) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Said { room, line } => self.show(&room, &line, false),
            Heard::Told(line) => self.screen.private(&line.from, "you", &line.text),
            Heard::Joined { room, name } => self.screen.notice(&format!("{name} came to #{room}.")),
            Heard::Left { room, name } => self.screen.notice(&format!("{name} left #{room}.")),
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), CallError> {
        let Some(room) = &self.current else { return self.no_room() };
        // The hub says it to everybody, this client included.
        self.screen.take_back_line();
        self.hub.say(room, text).await
    }

    async fn tell(&mut self, name: &str, text: &str) -> Result<(), CallError> {
        let line = self.hub.tell(name, text).await?;
        self.screen.take_back_line();
        self.screen.private("you", name, &line.text);
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), CallError> {
        let Some(room) = self.current.take() else { return self.no_room() };
        self.rooms.remove(&room);
        let next = self.rooms.keys().next().cloned();
        self.go_to(next);
        self.hub.leave(&room).await?;
        self.screen.notice(&format!("You left #{room}."));
        Ok(())
    }

    async fn show_rooms(&mut self) -> Result<(), CallError> {
        for room in self.hub.rooms().await? {
            self.screen.plain(&format!("#{}, {} online", room.name, room.online));
        }
        Ok(())
    }

    async fn show_who(&mut self) -> Result<(), CallError> {
        let Some(room) = &self.current else { return self.no_room() };
        // Coming in again changes nothing, and says who is there.
        let presence = self.hub.join(room).await?;
        self.screen.plain(&format!("In #{room}: {}", presence.online.join(", ")));
        Ok(())
    }

    async fn show_history(&mut self, room: &str, count: u32) -> Result<(), CallError> {
        let mut lines = self.hub.history(room, count);
        while let Some(line) = lines.next().await {
            self.show(room, &line?, true);
        }
        Ok(())
    }

    /// Shows a line of a room, once.
    fn show(&mut self, room: &str, line: &Line, old: bool) {
        // A line may still come from a room that was left.
        let Some(shown) = self.rooms.get_mut(room) else { return };
        if line.at > *shown {
            *shown = line.at;
            self.screen.said(room, &line.from, &line.text, old);
        }
    }

    fn go_to(&mut self, room: Option<String>) {
        self.screen.prompt(room.as_deref());
        self.current = room;
    }

    fn no_room(&self) -> Result<(), CallError> {
        Err(CallError::Refused("You are in no room. /join ROOM".to_owned()))
    }
}

/// What the hub refused in its own words, or what else went wrong.
pub(crate) fn reason(error: &CallError) -> String {
    let text = error.to_string();
    match text.split_once("HubException: ") {
        Some((_, sentence)) => sentence.to_owned(),
        None => text,
    }
}
