//! The hub: what a client asks for is checked by the rules, done to the [`Rooms`], then told to those it concerns.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt, stream};
use hub_core::{ConnectionId, Result};
use hub_server::{Context, DisconnectReason, Hub, hub};

use crate::rooms::{Departure, Rooms};
use crate::rules;
use chat_contract::{ChatClientProxy, ChatHub, Line, Presence, RoomInfo};

/// One value per call: who is calling, and the rooms that all calls share. A room is a group of the same name.
pub struct Chat {
    cx: Context<Self>,
    rooms: Arc<dyn Rooms>,
}

impl Hub for Chat {
    type Client = ChatClientProxy;

    async fn connected(&self) -> Result<()> {
        self.rooms.open(self.id()).await
    }

    async fn disconnected(&self, _: &DisconnectReason) {
        let told = async { self.announce(self.rooms.close(self.id()).await?).await };
        if let Err(error) = told.await {
            tracing::warn!(%error, "the others were not told that somebody left");
        }
    }
}

#[hub]
impl ChatHub for Chat {
    async fn enter(&self, name: &str, key: &str) -> Result<String> {
        let entered = self.rooms.enter(self.id(), rules::nickname(name)?, rules::key(key)?).await?;
        if let Some((older, departures)) = entered.replaced {
            for departure in &departures {
                // It may be of a node that is out of reach. Who comes back from there has entered all the same.
                if let Err(error) = self.cx.remove_from_group(&older, &departure.room).await {
                    tracing::warn!(%error, "a connection that was replaced may still hear a room");
                }
            }
            self.announce(departures).await?;
        }
        Ok(entered.name)
    }

    async fn rooms(&self) -> Result<Vec<RoomInfo>> {
        self.rooms.list(self.id()).await
    }

    async fn join(&self, room: &str) -> Result<Presence> {
        let arrival = self.rooms.join(self.id(), rules::room(room)?).await?;
        self.cx.join(room).await?;
        if let Some(arrival) = arrival {
            self.cx.others_in_group(room).joined(room, &arrival).await?;
        }
        // Looked at only now: whoever came or went from here on is announced to this connection as well.
        self.rooms.presence(self.id(), room).await
    }

    async fn leave(&self, room: &str) -> Result<()> {
        let departure = self.rooms.leave(self.id(), room).await?;
        self.cx.leave(room).await?;
        self.announce(vec![departure]).await
    }

    async fn say(&self, room: &str, text: &str) -> Result<()> {
        let line = self.rooms.say(self.id(), room, rules::text(text)?).await?;
        Ok(self.cx.group(room).said(room, &line).await?)
    }

    async fn tell(&self, name: &str, text: &str) -> Result<Line> {
        let (recipient, line) = self.rooms.tell(self.id(), name.trim(), rules::text(text)?).await?;
        self.cx.connection(recipient).told(&line).await?;
        Ok(line)
    }

    async fn typing(&self, room: &str) {
        // A notice has no answer: one that makes no sense is ignored, and so is one that cannot be passed on.
        if let Ok(name) = self.rooms.member(self.id(), room).await {
            let _ = self.cx.others_in_group(room).typing(room, &name).await;
        }
    }

    fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<Line>> {
        let room = room.to_owned();
        let lines = stream::once(async move { self.rooms.history(self.id(), &room, last).await });
        lines.map_ok(|lines| stream::iter(lines.into_iter().map(Ok))).try_flatten()
    }
}

impl Chat {
    /// The hub of one call.
    pub fn new(cx: Context<Self>, rooms: Arc<dyn Rooms>) -> Self {
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
