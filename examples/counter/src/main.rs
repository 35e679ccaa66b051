//! Streams in both directions: the hub counts down to its client, and adds up the numbers that the client uploads,
//! telling the sum so far with each of them.
//!
//! ```sh
//! cargo run -p counter                                   # server and client in one program
//! cargo run -p counter -- serve                          # or the server alone, which prints its address,
//! cargo run -p counter -- count http://127.0.0.1:5000    # and the client in another terminal
//! ```
//!
//! In reading order: `contract.rs`, `server.rs`, `client.rs`.

mod client;
mod contract;
mod server;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use tokio::net::TcpListener;

const USAGE: &str = "usage: counter [serve [ADDRESS] | count URL]";

const HELP: &str = "
Streams in both directions: a hub that counts down and adds up, and its client.

  counter                  both in one program
  counter serve [ADDRESS]  the hub alone, at http://ADDRESS/counter: 127.0.0.1:5000 unless given
  counter count URL        the client alone, of the hub at URL/counter";

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["-h" | "--help", ..] | [_, "-h" | "--help", ..] => help(),
        [] => both().await,
        ["serve"] => serve("127.0.0.1:5000").await,
        ["serve", address] => serve(address).await,
        ["count", url] => client::count(url, io::stdout()).await,
        _ => return failed(USAGE, 2),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output wants no more of it.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => failed(error, 1),
    }
}

fn help() -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{USAGE}\n{HELP}")?)
}

fn failed(why: impl Display, code: u8) -> ExitCode {
    // Where nobody reads it there is nobody to tell.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    // It serves those who know the address as well.
    let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);
    Ok(server::serve(listener).await?)
}

async fn both() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::select! {
        served = server::serve(listener) => Ok(served?),
        counted = client::count(&url, io::stdout()) => counted,
    }
}
