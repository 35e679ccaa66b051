//! Players who see each other move: a hub that passes positions on, and players whose program is a plain loop that runs
//! sixty times a second, without a runtime, without a lock, and without ever waiting for the network.
//!
//! ```sh
//! cargo run -p game-loop -- serve                  # in one terminal
//! cargo run -p game-loop -- play ann               # in another; and once more as bob
//! cargo run -p game-loop -- play eve --frames 600  # for ten seconds
//! ```
//!
//! In reading order: `contract.rs`, `player.rs` with the loop, `game.rs` with what it moves and draws, `server.rs`. The
//! loop would look the same in an engine, with [`Polled::drain_for`](hub_client::Polled::drain_for) in a system of its
//! own.

mod contract;
mod game;
mod player;
mod server;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: game-loop serve [ADDRESS]\n       \
                     game-loop play NAME [--url http://127.0.0.1:5000] [--frames COUNT]";

const HELP: &str = "
Players who see each other move, in a loop that runs sixty times a second.

  serve [ADDRESS]  hosts the hub, at http://ADDRESS/game: 127.0.0.1:5000 unless given
  play NAME        plays, and prints a line a second
  --url URL        where the hub is: http://127.0.0.1:5000 unless given
  --frames COUNT   for how long: without end unless given";

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        let _ = writeln!(io::stdout(), "{USAGE}\n{HELP}");
        return ExitCode::SUCCESS;
    }
    let mut words = std::env::args().skip(1);
    let done = match words.next().as_deref() {
        Some("serve") => server::serve(&words.next().unwrap_or_else(|| "127.0.0.1:5000".to_owned())),
        Some("play") => play(words),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn play(mut words: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let name = words.next().ok_or(USAGE)?;
    let (mut url, mut frames) = ("http://127.0.0.1:5000".to_owned(), u64::MAX);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match &*word {
            "--url" => url = value()?,
            "--frames" => {
                let count = value()?;
                frames = count.parse().map_err(|_| format!("--frames is {count}, allowed is a count"))?;
            }
            _ => return Err(format!("{word} is not an option\n{USAGE}").into()),
        }
    }
    player::play(&name, &format!("{url}/game"), frames)
}
