//! What players and the hub may ask of each other.

use hub_core::{Result, contract};
use serde::{Deserialize, Serialize};

/// A place on the field, from -1 to 1 in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

/// A player, as the others see them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Player {
    /// Given by the hub.
    pub(crate) number: u64,
    /// Of the player's choice: two may have the same.
    pub(crate) name: String,
    pub(crate) at: Position,
}

/// What a player may ask of the hub.
#[contract]
pub(crate) trait GameHub {
    /// Comes into the game. Returns the player's number, and who is there already.
    async fn enter(&self, name: &str) -> Result<(u64, Vec<Player>)>;

    /// The player is here now. A notice: sixty times a second nobody waits for an answer.
    async fn moved(&self, to: Position);
}

/// What the hub tells players.
#[contract]
pub(crate) trait GameClient {
    /// Another player has moved, or come in.
    async fn moved(&self, player: &Player);

    /// Another player is gone.
    async fn left(&self, number: u64);
}
