//! The hub: what a client asks for is done to [`Rooms`] first, then told to those it concerns.

use futures_util::{Stream, stream};
use hub_core::{ConnectionId, Result};
use hub_server::{Context, DisconnectReason, Hub, hub};

use crate::rooms::{Departure, Rooms};
use chat_contract::{ChatClientProxy, ChatHub, Line, Presence, RoomInfo};

/// One value per call: who is calling, and the rooms that all calls share. A room is a group of the same name.
pub struct Chat {
    cx: Context<Self>,
    rooms: Rooms,
}

impl Hub for Chat {
    type Client = ChatClientProxy;

    async fn connected(&self) -> Result<()> {
        self.rooms.open(self.id());
        Ok(())
    }

    async fn disconnected(&self, _: &DisconnectReason) {
        let departures = self.rooms.close(self.id());
        if let Err(error) = self.announce(departures).await {
            tracing::warn!(%error, "the others were not told that somebody left");
        }
    }
}

#[hub]
impl ChatHub for Chat {
    async fn enter(&self, name: &str, key: &str) -> Result<String> {
        let entered = self.rooms.enter(self.id(), name, key)?;
        if let Some((older, departures)) = entered.replaced {
            for departure in &departures {
                self.cx.remove_from_group(&older, &departure.room).await?;
            }
            self.announce(departures).await?;
        }
        Ok(entered.name)
    }

    async fn rooms(&self) -> Result<Vec<RoomInfo>> {
        self.rooms.list(self.id())
    }

    async fn join(&self, room: &str) -> Result<Presence> {
        let arrival = self.rooms.join(self.id(), room)?;
        self.cx.join(room).await?;
        if let Some(arrival) = arrival {
            self.cx.others_in_group(room).joined(room, &arrival).await?;
        }
        // Looked at only now: whoever came or went from here on is announced to this connection as well.
        self.rooms.presence(self.id(), room)
    }

    async fn leave(&self, room: &str) -> Result<()> {
        let departure = self.rooms.leave(self.id(), room)?;
        self.cx.leave(room).await?;
        self.announce(vec![departure]).await
    }

    async fn say(&self, room: &str, text: &str) -> Result<()> {
        let line = self.rooms.say(self.id(), room, text)?;
        Ok(self.cx.group(room).said(room, &line).await?)
    }

    async fn tell(&self, name: &str, text: &str) -> Result<Line> {
        let (recipient, line) = self.rooms.tell(self.id(), name, text)?;
        self.cx.connection(recipient).told(&line).await?;
        Ok(line)
    }

    async fn typing(&self, room: &str) {
        // A notice has no answer: one that makes no sense is ignored, and so is one that cannot be passed on.
        if let Ok(name) = self.rooms.member(self.id(), room) {
            let _ = self.cx.others_in_group(room).typing(room, &name).await;
        }
    }

    fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<Line>> {
        stream::iter(match self.rooms.history(self.id(), room, last) {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(refused) => vec![Err(refused)],
        })
    }
}

impl Chat {
    /// The hub of one call.
    pub fn new(cx: Context<Self>, rooms: Rooms) -> Self {
        Self { cx, rooms }
    }

    fn id(&self) -> &ConnectionId {
        self.cx.connection_id()
    }

    async fn announce(&self, departures: Vec<Departure>) -> Result<()> {
        for Departure { room, presence } in departures {
            self.cx.others_in_group(&room).left(&room, &presence).await?;
        }
        Ok(())
    }
}
