//! Serves the chat until it is told to stop.

use std::io::{self, Write};
use std::process::ExitCode;

use chat::program;

const USAGE: &str = "usage: chat [--urls http://127.0.0.1:5000]";

const HELP: &str = "
A chat: rooms, nicknames, private messages, and a page for it. Open the address that it prints in several tabs.

  --urls http://HOST:PORT  where it listens: http://127.0.0.1:5000 unless given; port 0 picks a free one";

#[tokio::main]
async fn main() -> ExitCode {
    if program::wants_help() {
        let _ = writeln!(io::stdout(), "{USAGE}\n{HELP}");
        return ExitCode::SUCCESS;
    }
    program::log_to_stderr();
    let address = match address(std::env::args().skip(1)) {
        Ok(address) => address,
        Err(error) => {
            // Where nobody reads it there is nobody to tell.
            let _ = writeln!(io::stderr(), "{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let (app, hub) = chat::app();
    match program::serve(&address, app, hub).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// What to listen on, from the command line.
fn address(mut words: impl Iterator<Item = String>) -> Result<String, String> {
    let mut address = "127.0.0.1:5000".to_owned();
    while let Some(word) = words.next() {
        if word != "--urls" {
            return Err(format!("{word} is not an option"));
        }
        let url = words.next().ok_or("--urls needs a value, such as http://127.0.0.1:0")?;
        address = program::address(&url)?;
    }
    Ok(address)
}
