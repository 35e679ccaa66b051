//! The game itself, which knows nothing of connections.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::contract::{Player, Position};

#[derive(Debug, Default)]
pub(crate) struct Game {
    /// This player's number, while in the game.
    pub(crate) number: Option<u64>,
    pub(crate) me: Position,
    pub(crate) others: BTreeMap<u64, Player>,
    /// Why it is over.
    pub(crate) over: Option<String>,
    /// Nobody looks any more: whoever read what it prints is gone.
    pub(crate) unseen: bool,
    /// How many frames were played.
    pub(crate) frames: u64,
}

impl Game {
    pub(crate) fn enter(&mut self, number: u64, others: Vec<Player>) {
        self.number = Some(number);
        self.show(&format!("in the game, with {} others", others.len()));
        for other in others {
            self.moved(other);
        }
    }

    pub(crate) fn moved(&mut self, other: Player) {
        if self.number.is_none() {
            // Not in the game yet: whoever moves now is where they moved to by then.
            return;
        }
        if let Some(known) = self.others.get_mut(&other.number) {
            known.at = other.at;
        } else {
            self.show(&format!("{} is here", other.name));
            self.others.insert(other.number, other);
        }
    }

    pub(crate) fn left(&mut self, number: u64) {
        if let Some(gone) = self.others.remove(&number) {
            self.show(&format!("{} has left", gone.name));
        }
    }

    /// Out of the game, for the moment.
    pub(crate) fn lost(&mut self) {
        self.number = None;
        self.others.clear();
    }

    /// Moves this player on by one frame: in a circle, once around in four seconds.
    pub(crate) fn step(&mut self) {
        self.frames += 1;
        #[expect(clippy::cast_precision_loss, reason = "it is less than 240")]
        let angle = (self.frames % 240) as f32 / 240.0 * std::f32::consts::TAU;
        self.me = Position { x: angle.cos(), y: angle.sin() };
    }

    /// One line a second is enough for a demonstration.
    pub(crate) fn draw(&mut self) {
        if self.frames.is_multiple_of(60) {
            let others = self.others.values().map(|player| place(&player.name, player.at));
            let all: Vec<_> = std::iter::once(place("me", self.me)).chain(others).collect();
            self.show(&format!("frame {}: {}", self.frames, all.join(", ")));
        }
    }

    /// Prints a line.
    pub(crate) fn show(&mut self, line: &str) {
        self.unseen |= writeln!(io::stdout(), "{line}").is_err();
    }
}

fn place(name: &str, at: Position) -> String {
    format!("{name} at {:.1} {:.1}", at.x, at.y)
}
