//! The conformance hub: one hub with a method for everything that the protocol can do, served on several endpoints that
//! differ in their options. The tests drive it with the clients of others.

mod hub;
mod tokens;

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use futures_util::future::join_all;
use hub_server::{HubHandle, HubOptions, HubRoute, InvalidOption, Origins};
use redis_backplane::RedisBackplane;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::hub::ConformanceHub;

const USAGE: &str = "usage: conformance-hub [--urls http://127.0.0.1:5000] [--redis 127.0.0.1:6379] [--quiet]";

struct Arguments {
    address: String,
    /// The Redis over which other nodes are reached.
    redis: Option<String>,
    quiet: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { address: "127.0.0.1:5000".to_owned(), redis: None, quiet: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--urls" => {
                let url = words.next().ok_or("--urls needs a value, such as http://127.0.0.1:0")?;
                let address =
                    url.strip_prefix("http://").ok_or(format!("--urls is {url}, allowed is http://HOST:PORT"))?;
                arguments.address = address.trim_end_matches('/').to_owned();
            }
            "--redis" => {
                let redis = words.next().ok_or("--redis needs a value, such as 127.0.0.1:6379")?;
                arguments.redis = Some(redis);
            }
            "--quiet" => arguments.quiet = true,
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(arguments)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if !arguments.quiet {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let backplane = match &arguments.redis {
        Some(redis) => Some(RedisBackplane::connect(format!("redis://{redis}").as_str()).await?),
        None => None,
    };
    let (app, hubs) = app(backplane.as_ref())?;
    let listener = TcpListener::bind(&arguments.address).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = hub_server::serve(listener, app) => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    join_all(hubs.iter().map(|hub| hub.shutdown(Duration::from_secs(5)))).await;
    Ok(())
}

fn app(backplane: Option<&RedisBackplane>) -> Result<(Router, Vec<HubHandle<ConformanceHub>>), InvalidOption> {
    let defaults = HubOptions::default;
    let endpoints = [
        ("/hub", defaults()),
        ("/hub-detailed", HubOptions { enable_detailed_errors: true, ..defaults() }),
        ("/hub-auth", HubOptions { close_on_authentication_expiration: true, ..defaults() }),
        ("/hub-small", HubOptions { maximum_receive_message_size: Some(1024), ..defaults() }),
        (
            "/hub-fast",
            HubOptions {
                keep_alive_interval: Duration::from_secs(1),
                client_timeout_interval: Duration::from_secs(3),
                handshake_timeout: Duration::from_secs(2),
                ..defaults()
            },
        ),
        ("/hub-parallel", HubOptions { maximum_parallel_invocations_per_client: 4, ..defaults() }),
    ];
    let mut app = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/token", get(token))
        .route("/redirect/negotiate", post(redirect));
    let mut hubs = Vec::new();
    for (path, options) in endpoints {
        let bearer = tokens::bearer();
        let bearer = if path == "/hub-auth" { bearer.required() } else { bearer };
        let mut route = HubRoute::new(ConformanceHub::new)
            .at(path)
            // Each endpoint is a hub of its own.
            .name(path)
            .options(options)?
            .identify(bearer.identify())
            .allowed_origins(Origins::matching(is_local));
        if let Some(backplane) = backplane {
            route = route.backplane(backplane.clone());
        }
        let (router, hub) = route.build();
        app = app.merge(router);
        hubs.push(hub);
    }
    Ok((app, hubs))
}

fn is_local(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").unwrap_or_default();
    ["localhost", "127.0.0.1"].contains(&host.split(':').next().unwrap_or_default())
}

#[derive(Deserialize)]
struct TokenQuery {
    user: String,
    role: Option<String>,
    ttl: Option<i64>,
}

async fn token(Query(TokenQuery { user, role, ttl }): Query<TokenQuery>) -> String {
    tokens::issue(&user, role.as_deref(), ttl.unwrap_or(3600))
}

/// Sends clients on to `/hub`, as somebody else.
async fn redirect(headers: HeaderMap) -> ([(header::HeaderName, &'static str); 1], String) {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let token = tokens::issue("redirected", None, 3600);
    let answer = serde_json::json!({ "url": format!("http://{host}/hub"), "accessToken": token });
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string())
}
