//! What the chat hub and its clients may ask of each other: all that a client in Rust needs of the chat.

use hub_core::{Result, Stream, contract};
use serde::{Deserialize, Serialize};

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When, in milliseconds since 1970. The server gives out each moment once, so that this orders lines and notices,
    /// and tells them apart: a line that comes twice, from history and live, is one line.
    pub at: u64,
    /// The nickname of who said it.
    pub from: String,
    /// What was said.
    pub text: String,
}

/// Somebody came into a room or left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// When; see [`Line::at`].
    pub at: u64,
    /// Who came or left.
    pub name: String,
    /// Who is there since then, in alphabetical order. Notices may overtake each other: the one with the latest
    /// moment holds.
    pub online: Vec<String>,
}

/// A room as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// Its name.
    pub name: String,
    /// How many people are there.
    pub online: usize,
}

/// What a client may ask of the hub. Whatever is refused is refused with a sentence for the user.
#[contract]
pub trait ChatHub {
    /// Takes a nickname, which everything else needs, and keeps it until the connection ends. Returns it as the others
    /// will see it.
    ///
    /// `key` is a secret of the client's choice, or empty. Who knows it may take the nickname over from an older
    /// connection: one that was lost, of which the server has not heard yet.
    async fn enter(&self, name: &str, key: &str) -> Result<String>;

    /// The rooms with somebody in them.
    async fn rooms(&self) -> Result<Vec<RoomInfo>>;

    /// Comes into a room, which need not exist. Coming in again changes nothing. Returns who is there.
    async fn join(&self, room: &str) -> Result<Presence>;

    /// Leaves a room.
    async fn leave(&self, room: &str) -> Result<()>;

    /// Says something to everybody in a room, the caller included.
    async fn say(&self, room: &str, text: &str) -> Result<()>;

    /// Tells one person something. Returns the line as that person gets it.
    async fn tell(&self, name: &str, text: &str) -> Result<Line>;

    /// Lets the others in a room know that the caller is typing.
    async fn typing(&self, room: &str);

    /// The last lines of a room, oldest first.
    fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<Line>>;
}

/// What the hub may tell a client.
#[contract]
pub trait ChatClient {
    /// A line in a room.
    async fn said(&self, room: &str, line: &Line);

    /// A line for this client alone.
    async fn told(&self, line: &Line);

    /// Somebody else came into a room; or the client itself is back there, where several nodes share the rooms and these
    /// had lost it.
    async fn joined(&self, room: &str, presence: &Presence);

    /// Somebody else left a room.
    async fn left(&self, room: &str, presence: &Presence);

    /// Somebody else is typing.
    async fn typing(&self, room: &str, name: &str);
}
