//! Serves the chat until it is told to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;

const USAGE: &str = "usage: chat [--urls http://127.0.0.1:5000]";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let address = match address(std::env::args().skip(1)) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
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
        let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        address = rest
            .filter(|rest| rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()))
            .ok_or(format!("--urls is {url}, allowed is http://HOST:PORT, where port 0 picks a free one"))?
            .to_owned();
    }
    Ok(address)
}

async fn serve(address: &str) -> Result<(), String> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}\nAnother address: chat --urls http://127.0.0.1:0")
    })?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    println!("listening on http://{local}");
    println!("open http://{} in several tabs", reachable(local));

    let listener = listener.tap_io(|socket| {
        // Small messages are what this is about. A socket that is gone already needs no option.
        let _ = socket.set_nodelay(true);
    });
    let (app, hub) = chat::app();
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served.map_err(|error| error.to_string())?,
        told = told_to_stop() => told.map_err(|error| format!("cannot listen for signals: {error}"))?,
    }
    // Clients are told to come back, and do so when the server runs again.
    hub.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// An address that a browser on this machine can open.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
async fn told_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
