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
use std::process::ExitCode;

use tokio::net::TcpListener;

const USAGE: &str = "usage: counter [serve [ADDRESS] | count URL]";

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => both().await,
        ["serve"] => serve("127.0.0.1:5000").await,
        ["serve", address] => serve(address).await,
        ["count", url] => client::count(url).await.map_err(Into::into),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(server::serve(listener).await?)
}

async fn both() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::select! {
        served = server::serve(listener) => Ok(served?),
        counted = client::count(&url) => Ok(counted?),
    }
}
