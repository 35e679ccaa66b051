//! What a program does to serve the chat: it listens, says where, and stops when it is told to.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use hub_server::HubHandle;
use tokio::net::TcpListener;

use crate::Chat;

/// Whether the command line asks what it may hold.
pub fn wants_help() -> bool {
    std::env::args().skip(1).any(|word| word == "--help" || word == "-h")
}

/// Shows warnings and errors.
pub fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing::Level::WARN).init();
}

/// The address in the value of `--urls`.
///
/// # Errors
/// When it is no such URL: what is allowed.
pub fn address(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    rest.filter(|rest| rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()))
        .map(str::to_owned)
        .ok_or(format!("--urls is {url}, allowed is http://HOST:PORT, where port 0 picks a free one"))
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// When it cannot listen, for people to read.
pub async fn serve(address: &str, app: Router, hub: HubHandle<Chat>) -> Result<(), String> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}\nAnother address: --urls http://127.0.0.1:0"))?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    // It serves those who know the address as well.
    let _ = writeln!(io::stdout(), "listening on http://{local}\nopen http://{} in several tabs", reachable(local));
    tokio::select! {
        served = hub_server::serve(listener, app) => served.map_err(|error| error.to_string())?,
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
async fn told_to_stop() -> io::Result<()> {
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
