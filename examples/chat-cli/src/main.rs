//! The chat in a terminal, with the same rooms as the page of `examples/chat`.
//!
//! ```sh
//! cargo run --release -p chat                # the server
//! cargo run --release -p chat-cli -- ann     # in another terminal; and once more as bob
//! ```
//!
//! It shows a client on a contract: typed calls and a stream (`chat.rs`), typed callbacks (`ears.rs`), and a connection
//! that comes back by itself, after which the client has to say again who it is and where. `command.rs` reads what is
//! typed, `screen.rs` writes.

mod chat;
mod command;
mod ears;
mod screen;

use std::io::{BufRead, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use hub_client::{ConnectError, Connection, Event, Reconnect};
use tokio::sync::mpsc;

use crate::chat::{Chat, reason};
use crate::command::Command;
use crate::ears::Ears;
use crate::screen::Screen;

const USAGE: &str = "usage: chat-cli NAME [--room ROOM] [--url http://127.0.0.1:5000/chat]";

const OPTIONS: &str = "
The chat in a terminal. What is typed is said in the room; the end of the input is the end of the program.

  --room ROOM  the room to begin in: lobby unless given
  --url URL    where the chat is: http://127.0.0.1:5000/chat unless given

Once you are in:
";

struct Options {
    name: String,
    room: String,
    url: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        let _ = writeln!(std::io::stdout(), "{USAGE}\n{OPTIONS}{}", command::HELP);
        return ExitCode::SUCCESS;
    }
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return failed(&format!("{error}\n{USAGE}"), 2),
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    // Where nobody reads it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(code)
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut name = None;
    let (mut room, mut url) = ("lobby".to_owned(), "http://127.0.0.1:5000/chat".to_owned());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match &*word {
            "--room" => room = value()?,
            "--url" => url = value()?,
            _ if word.starts_with('-') => return Err(format!("{word} is not an option")),
            _ if name.is_some() => return Err(format!("{word} is one name too many")),
            _ => name = Some(word),
        }
    }
    Ok(Options { name: name.ok_or("a name is needed")?, room, url })
}

/// Talks until the user has enough.
async fn run(options: Options) -> Result<(), String> {
    let (ears, mut heard) = Ears::new();
    let connection = Connection::builder(&options.url)
        .callbacks(ears)
        // For ever: at first after up to half a second, later after up to ten.
        .reconnect(Reconnect::exponential(Duration::from_millis(500), Duration::from_secs(10)))
        .connect()
        .await
        .map_err(|error| match error {
            ConnectError::Unreachable(why) => format!("{why}\nIs the server running? cargo run --release -p chat"),
            error => error.to_string(),
        })?;
    let mut events = connection.events();
    let mut chat = Chat::enter(&connection, options.name, Screen::new()).await.map_err(|error| reason(&error))?;
    chat.join(&options.room).await.map_err(|error| reason(&error))?;
    chat.screen.notice("Type to talk, /help for more.");

    let mut typed = typed_lines();
    loop {
        // One thing at a time: what is heard while a call waits for its answer is shown behind it.
        tokio::select! {
            line = typed.recv() => {
                let command = line.as_deref().map_or(Ok(Command::Quit), Command::parse);
                match command {
                    Ok(Command::Quit) => break,
                    Ok(command) => chat.obey(command).await,
                    Err(problem) => chat.screen.problem(&problem),
                }
            }
            Some(heard) = heard.recv() => chat.hear(heard),
            Some(event) = events.next() => match event {
                Event::Reconnecting(cause) => {
                    chat.screen.problem(&format!("{cause} Trying again ..."));
                }
                Event::Reconnected(_) => chat.come_back().await?,
                Event::Closed(cause) => return Err(cause.to_string()),
                Event::Connected(_) => {}
            },
        }
    }
    // What was said before the end is still shown: this user's last line comes back, too.
    let mut stopped = pin!(connection.stop());
    loop {
        tokio::select! {
            biased;
            Some(heard) = heard.recv() => chat.hear(heard),
            () = &mut stopped => return Ok(()),
        }
    }
}

/// The lines of the standard input, read by a thread of their own: one that blocks may not hold up the runtime, nor the
/// end of the program.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
