//! Who is there, under which nickname, in which rooms, and what was said: all that outlives a call.

mod memory;
mod state;

use async_trait::async_trait;
use hub_core::{ConnectionId, Result};

pub use self::memory::RoomsInMemory;
use chat_contract::{Line, Presence, RoomInfo};

/// The rooms of a chat, wherever they are kept.
///
/// Each method happens at once and alone: of two who want a nickname at the same time one gets it, and who leaves while
/// joining is either in or out. Names, keys and texts have passed [`rules`](crate::rules); what is refused here is a
/// [`Refusal`](crate::rules::Refusal).
#[async_trait]
pub trait Rooms: Send + Sync {
    /// Lets a connection in, nameless.
    async fn open(&self, id: &ConnectionId) -> Result<()>;

    /// Forgets a connection: it leaves all its rooms, and its nickname is free.
    async fn close(&self, id: &ConnectionId) -> Result<Vec<Departure>>;

    /// Takes a nickname, if need be from an older connection that shows the same key. Without a key nobody can.
    async fn enter(&self, id: &ConnectionId, name: &str, key: &str) -> Result<Entered>;

    /// The rooms with somebody in them, in alphabetical order.
    async fn list(&self, id: &ConnectionId) -> Result<Vec<RoomInfo>>;

    /// Comes into a room. `None` for who is there already.
    async fn join(&self, id: &ConnectionId, room: &str) -> Result<Option<Presence>>;

    /// Leaves a room.
    async fn leave(&self, id: &ConnectionId, room: &str) -> Result<Departure>;

    /// The nickname of a connection that is in this room.
    async fn member(&self, id: &ConnectionId, room: &str) -> Result<String>;

    /// Who is in a room where the connection is.
    async fn presence(&self, id: &ConnectionId, room: &str) -> Result<Presence>;

    /// Says something in a room.
    async fn say(&self, id: &ConnectionId, room: &str, text: &str) -> Result<Line>;

    /// Finds the connection of a nickname, and makes the line for it. Nothing of it is kept.
    async fn tell(&self, id: &ConnectionId, name: &str, text: &str) -> Result<(ConnectionId, Line)>;

    /// The last lines of a room, oldest first.
    async fn history(&self, id: &ConnectionId, room: &str, last: u32) -> Result<Vec<Line>>;
}

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
