//! What the hub tells this client.

use chat_contract::{ChatClient, Line, Presence};
use hub_client::callbacks;
use tokio::sync::mpsc;

/// How much may wait to be shown. Then the hub is not listened to for a while.
const BUFFER: usize = 64;

/// Something that the hub told.
pub(crate) enum Heard {
    Said { room: String, line: Line },
    Told(Line),
    Joined { room: String, name: String },
    Left { room: String, name: String },
}

/// Hands what is heard to the loop that owns everything else.
pub(crate) struct Ears(mpsc::Sender<Heard>);

impl Ears {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (sender, heard) = mpsc::channel(BUFFER);
        (Self(sender), heard)
    }

    async fn hear(&self, heard: Heard) {
        // At the end of the program nobody listens.
        let _ = self.0.send(heard).await;
    }
}

#[callbacks]
impl ChatClient for Ears {
    async fn said(&self, room: &str, line: &Line) {
        self.hear(Heard::Said { room: room.to_owned(), line: line.clone() }).await;
    }

    async fn told(&self, line: &Line) {
        self.hear(Heard::Told(line.clone())).await;
    }

    async fn joined(&self, room: &str, presence: &Presence) {
        self.hear(Heard::Joined { room: room.to_owned(), name: presence.name.clone() }).await;
    }

    async fn left(&self, room: &str, presence: &Presence) {
        self.hear(Heard::Left { room: room.to_owned(), name: presence.name.clone() }).await;
    }

    /// There is no place for it in lines of text.
    async fn typing(&self, _room: &str, _name: &str) {}
}
