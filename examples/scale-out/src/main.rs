//! One node of the chat. Start as many as you like, on the same Redis.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chat::program;
use redis_backplane::{RedisBackplane, RedisOptions, WhileDown};
use scale_out::{Node, keep};

const USAGE: &str =
    "usage: scale-out [--redis redis://127.0.0.1:6379] [--urls http://127.0.0.1:5000] [--lease SECONDS]";

const HELP: &str = "
One node of the chat. Start as many as you like on the same Redis: people of all nodes talk with each other.

  --redis URL              the Redis that they share: redis://127.0.0.1:6379 unless given
  --urls http://HOST:PORT  where it listens: http://127.0.0.1:5000 unless given; port 0 picks a free one
  --lease SECONDS          how long the people of a node that dies are still thought to be there: 1 to 3600, 10 unless given";

/// How long what was said last may take to leave.
const GOODBYES: Duration = Duration::from_secs(1);

struct Options {
    redis: String,
    address: String,
    /// How long the people of a node that dies are still thought to be there.
    lease: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    if program::wants_help() {
        let _ = writeln!(io::stdout(), "{USAGE}\n{HELP}");
        return ExitCode::SUCCESS;
    }
    program::log_to_stderr();
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            // Where nobody reads it there is nobody to tell.
            let _ = writeln!(io::stderr(), "{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        redis: "redis://127.0.0.1:6379".to_owned(),
        address: "127.0.0.1:5000".to_owned(),
        lease: Duration::from_secs(10),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match &*word {
            "--redis" => options.redis = value()?,
            "--urls" => options.address = program::address(&value()?)?,
            "--lease" => {
                let value = value()?;
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                let seconds = seconds.ok_or(format!("--lease is {value}, allowed are 1 to 3600 seconds"))?;
                options.lease = Duration::from_secs(seconds);
            }
            _ => return Err(format!("{word} is not an option")),
        }
    }
    Ok(options)
}

async fn run(Options { redis, address, lease }: Options) -> Result<(), String> {
    let options = RedisOptions::from_url(&redis).map_err(|error| format!("--redis: {error}"))?;
    let (rooms, changes) = Node::new(&redis, "chat", lease).map_err(|error| format!("--redis: {error}"))?;
    // What is said while the link is down is sent when it is up again.
    let options = RedisOptions { while_down: WhileDown::Wait, ..options };
    let backplane = RedisBackplane::connect(options).await.map_err(|error| error.to_string())?;
    let rooms = Arc::new(rooms);

    let (app, hub) = chat::app_of(chat::route(rooms.clone()).backplane(backplane.clone()));
    let keeper = tokio::spawn(keep(rooms, lease, hub.clone(), changes, backplane.link()));
    let served = program::serve(&address, app, hub).await;
    keeper.abort();
    // Goodbyes to people at other nodes. They wait for the link, and nobody waits for that here.
    let _ = tokio::time::timeout(GOODBYES, backplane.flush()).await;
    served
}
