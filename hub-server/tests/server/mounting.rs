//! A hub in an axum application: routes, state, layers, negotiation, tokens (sections 15 to 17).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use hub_core::{Identity, Remote, Result, Untyped};
use hub_server::{Context, Hub, HubRoute, hub};
use serde_json::{Value, json};

use crate::support::{NONE, Server, eventually, notice};

struct Room {
    cx: Context<Self>,
    name: Arc<str>,
}

impl Hub for Room {
    type Client = Untyped;
}

#[hub]
impl Room {
    #[method]
    async fn name(&self) -> Result<String> {
        Ok(self.name.as_ref().to_owned())
    }

    #[method]
    async fn id(&self) -> Result<String> {
        Ok(self.cx.connection_id().to_string())
    }

    #[method]
    async fn join(&self, group: &str) -> Result<()> {
        self.cx.join(group).await
    }

    #[method]
    async fn tell_group(&self, group: &str, text: &str) -> Result<()> {
        Ok(self.cx.group(group).send("Told", (text,)).await?)
    }

    #[method]
    async fn tell_user(&self, user: &str, text: &str) -> Result<()> {
        Ok(self.cx.user(user).send("Told", (text,)).await?)
    }

    #[method]
    async fn tell_all(&self, text: &str) -> Result<()> {
        Ok(self.cx.all().send("Told", (text,)).await?)
    }
}

fn room(name: &str) -> HubRoute<Room> {
    let name: Arc<str> = name.into();
    HubRoute::new(move |cx| Room { cx, name: Arc::clone(&name) }).identify(async |_| Ok(Identity::user("ann")))
}

#[tokio::test]
async fn a_hub_beside_other_routes_with_state_and_under_a_layer() {
    #[derive(Clone)]
    struct AppState {
        motto: &'static str,
    }

    async fn mark(request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-layer", http::HeaderValue::from_static("seen"));
        response
    }

    let app = Router::new()
        .route("/motto", get(async |State(state): State<AppState>| state.motto))
        .nest("/rooms/blue", room("blue").build::<AppState>().0)
        .layer(from_fn(mark))
        .with_state(AppState { motto: "onward" });
    let server = Server::start(app).await;

    assert_eq!(server.request("GET", "/motto", &[]).await.body, "onward");
    let answer = server.request("POST", "/rooms/blue/negotiate", &[]).await;
    assert_eq!((answer.status, answer.header("x-layer")), (200, Some("seen")));
    let mut client = server.connect_to("/rooms/blue").await;
    assert_eq!(client.call("Name", NONE).await, Ok(json!("blue")));
}

#[tokio::test]
async fn a_hub_has_its_addresses_and_leaves_the_others() {
    let app = Router::new()
        .route("/", get(async || "home"))
        .merge(room("blue").at("/rooms/blue"))
        .merge(room("red").at("/rooms/{color}"))
        .nest("/api", Router::new().merge(room("deep").at("/deep/")))
        .nest("/nested", room("nested").into())
        .nest_service("/service", room("service").into_router::<()>())
        .fallback(async |request: Request| format!("the application's {}", request.uri().path()));
    let server = Server::start(app).await;

    for (path, name) in [
        ("/rooms/blue", "blue"),
        ("/rooms/blue/", "blue"),
        ("/rooms/blue/?x=1", "blue"),
        ("/rooms/green/", "red"),
        ("/api/deep", "deep"),
        ("/api/deep/", "deep"),
        ("/nested", "nested"),
        ("/service", "service"),
        ("/service/", "service"),
    ] {
        let mut client = server.connect_to(path).await;
        assert_eq!(client.call("Name", NONE).await, Ok(json!(name)), "{path}");
        let negotiate = format!("{}/negotiate", path.split('?').next().unwrap().trim_end_matches('/'));
        for negotiate in [format!("{negotiate}/"), negotiate] {
            assert_eq!(server.request("POST", &negotiate, &[]).await.status, 200, "{negotiate}");
        }
    }
    for path in
        ["/rooms/blue/x", "/rooms/blue//", "/ROOMS/blue", "/rooms/Blue/x", "/api/deep/x", "/nested/", "/nested/x"]
    {
        assert_eq!(server.request("GET", path, &[]).await.body, format!("the application's {path}"));
    }
    assert_eq!(server.request("GET", "/service/x", &[]).await.status, 404);
    assert_eq!(server.request("GET", "/", &[]).await.body, "home");

    // Without a fallback, too.
    let server = Server::start(Router::new().merge(room("blue").at("/rooms/blue"))).await;
    for method in ["GET", "OPTIONS"] {
        let answer = server.request(method, "/elsewhere", &[("Origin", "https://app.example")]).await;
        assert_eq!((answer.status, answer.header("vary")), (404, None), "{method}");
    }

    // At the root.
    let server = Server::start(Router::new().merge(room("root").at("/"))).await;
    let mut client = server.connect_to("/").await;
    assert_eq!(client.call("Name", NONE).await, Ok(json!("root")));
    assert_eq!(server.request("POST", "/negotiate", &[]).await.status, 200);
}

#[tokio::test]
async fn two_hubs_of_one_type_share_nothing() {
    let app = Router::new().nest("/blue", room("blue").into()).nest("/red", room("red").into());
    let server = Server::start(app).await;
    let (mut blue, mut red) = (server.connect_to("/blue").await, server.connect_to("/red").await);
    for client in [&mut blue, &mut red] {
        client.call("Join", ("g",)).await.unwrap();
    }

    blue.notify("TellGroup", ("g", "group")).await;
    blue.notify("TellUser", ("ann", "user")).await;
    blue.notify("TellAll", ("all",)).await;
    for text in ["group", "user", "all"] {
        assert_eq!(blue.next().await, notice("Told", [text]));
    }
    // The answer is the first that red gets.
    assert_eq!(red.call("Name", NONE).await, Ok(json!("red")));
}

fn token(negotiated: &Value) -> &str {
    negotiated["connectionToken"].as_str().unwrap()
}

#[tokio::test]
async fn negotiated_ids_are_the_connections_own() {
    let (server, _) = Server::of(room("blue")).await;
    // P-NEG-06, P-NEG-07, P-NEG-10
    let negotiated = server.negotiate("/hub", &[]).await;
    let formats = json!(["Text", "Binary"]);
    assert_eq!(negotiated["availableTransports"], json!([{"transport": "WebSockets", "transferFormats": formats}]));
    assert_eq!(negotiated["negotiateVersion"], 1);
    assert_ne!(negotiated["connectionId"], negotiated["connectionToken"]);
    let mut client = server.connect_to(&format!("/hub?id={}", token(&negotiated))).await;
    assert_eq!(client.call("Id", NONE).await.unwrap(), negotiated["connectionId"]);

    let answer = server.request("POST", "/hub/negotiate", &[]).await;
    let negotiated: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&negotiated["negotiateVersion"], negotiated.get("connectionToken")), (&json!(0), None));
    let id = negotiated["connectionId"].as_str().unwrap();
    let mut client = server.connect_to(&format!("/hub?id={id}")).await;
    assert_eq!(client.call("Id", NONE).await.unwrap(), id);

    // P-WS-01: without negotiation.
    let mut client = server.connect().await;
    assert_eq!(client.call("Id", NONE).await.unwrap().as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn a_token_is_good_once_and_for_its_own_hub() {
    let app = Router::new().nest("/blue", room("blue").into()).nest("/red", room("red").into());
    let server = Server::start(app).await;
    let negotiated = server.negotiate("/blue", &[]).await;
    let (blue, red) = (format!("/blue?id={}", token(&negotiated)), format!("/red?id={}", token(&negotiated)));
    assert_eq!(server.dial(&red, &[]).await, 404, "P-HTTP-03");
    assert_eq!(server.request("GET", &red, &[]).await.body, "No Connection with that ID");
    // The id is public, and opens nothing.
    let id = negotiated["connectionId"].as_str().unwrap();
    assert_eq!(server.dial(&format!("/blue?id={id}"), &[]).await, 404, "P-NEG-11");

    let client = server.connect_to(&blue).await;
    assert_eq!(server.dial(&blue, &[]).await, 409, "P-HTTP-06");
    client.close().await;
    eventually("the token to be spent (P-HTTP-07)", async || server.dial(&blue, &[]).await == 404).await;
}

#[tokio::test]
async fn nodes_that_share_a_key_accept_each_others_tokens() {
    let (one, _) = Server::of(room("one").token_key([7; 32])).await;
    let (other, _) = Server::of(room("other").token_key([7; 32])).await;
    let (stranger, _) = Server::of(room("stranger").token_key([8; 32])).await;
    let negotiated = one.negotiate("/hub", &[]).await;
    let path = format!("/hub?id={}", token(&negotiated));
    assert_eq!(stranger.dial(&path, &[]).await, 404);
    let mut client = other.connect_to(&path).await;
    assert_eq!(client.call("Name", NONE).await, Ok(json!("other")));
    assert_eq!(client.call("Id", NONE).await.unwrap(), negotiated["connectionId"]);

    // In version 0 the id is the token, and public.
    let answer = one.request("POST", "/hub/negotiate", &[]).await;
    let negotiated: Value = serde_json::from_str(&answer.body).unwrap();
    let path = format!("/hub?id={}", negotiated["connectionId"].as_str().unwrap());
    assert_eq!(other.dial(&path, &[]).await, 404, "before it is in use");
    let mut client = one.connect_to(&path).await;
    assert_eq!(client.call("Id", NONE).await.unwrap(), negotiated["connectionId"]);
    assert_eq!((one.dial(&path, &[]).await, other.dial(&path, &[]).await), (409, 404));
}

#[tokio::test]
async fn other_requests_are_answered_as_the_rules_say() {
    let (server, _) = Server::of(room("blue")).await;
    let open = server.negotiate("/hub", &[]).await;
    let open = format!("/hub?id={}", token(&open));
    let used = server.negotiate("/hub", &[]).await;
    let used = format!("/hub?id={}", token(&used));
    let _client = server.connect_to(&used).await;
    let events = [("Accept", "text/event-stream")];
    let no_events = "ServerSentEvents transport not supported by this end point type";
    let no_polling = "LongPolling transport not supported by this end point type";
    let no_delete = "Cannot terminate this connection using the DELETE endpoint.";
    let no_post = "POST requests are not allowed for WebSocket connections.";
    let unknown = "No Connection with that ID";

    for (rule, method, path, headers, status, body) in [
        ("P-HTTP-01", "PUT", &*open, &[][..], 405, ""),
        ("P-HTTP-01", "PATCH", "/hub", &[], 405, ""),
        ("P-HTTP-01", "OPTIONS", "/hub", &[], 405, ""),
        ("P-HTTP-01", "OPTIONS", "/hub", &[("Access-Control-Request-Method", "POST")], 405, ""),
        ("P-NEG-01", "OPTIONS", "/hub/negotiate", &[("Origin", "https://app.example")], 405, ""),
        ("P-NEG-03", "GET", &format!("{open}&ID=x"), &[], 404, unknown),
        ("P-HTTP-03", "GET", "/hub", &[], 400, "Connection ID required"),
        ("P-HTTP-03", "POST", "/hub?id=", &[], 400, "Connection ID required"),
        ("P-HTTP-03", "DELETE", "/hub", &[], 400, "Connection ID required"),
        ("P-HTTP-03", "GET", "/hub?id=nonsense", &[], 404, unknown),
        ("P-HTTP-03", "POST", "/hub?id=nonsense", &[], 404, unknown),
        ("P-HTTP-14", "DELETE", "/hub?id=nonsense", &[], 404, unknown),
        ("P-HTTP-04", "GET", &open, &events, 404, no_events),
        ("P-HTTP-04", "GET", &open, &[], 404, no_polling),
        ("P-HTTP-10", "POST", &used, &[], 405, no_post),
        ("P-HTTP-14", "DELETE", &used, &[], 400, no_delete),
        ("P-NEG-01", "GET", "/hub/negotiate", &[], 405, ""),
        ("P-NEG-01", "DELETE", "/hub/negotiate", &[], 405, ""),
    ] {
        let answer = server.request(method, path, headers).await;
        let found = (answer.status, &*answer.body, answer.header("content-type"));
        assert_eq!(found, (status, body, Some("text/plain")), "{rule}: {method} {path}");
    }

    // P-NEG-05, P-NEG-08
    let answer = server.request("POST", "/hub/negotiate?negotiateVersion=x", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.body, "{\"error\":\"The client requested a non-integer protocol version.\"}");
}

#[tokio::test]
async fn a_broken_upgrade_is_refused() {
    let (server, _) = Server::of(room("blue")).await;
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    for (more, body) in [
        (&[][..], "Sec-WebSocket-Version must be 13"),
        (&[("Sec-WebSocket-Version", "8")], "Sec-WebSocket-Version must be 13"),
        (&[("Sec-WebSocket-Version", "13")], "Sec-WebSocket-Key is missing"),
    ] {
        let answer = server.request("GET", "/hub", &[&upgrade, more].concat()).await;
        assert_eq!((answer.status, &*answer.body), (400, body));
    }
    let (upgrade, good) = ([upgrade[0], upgrade[1], ("Sec-WebSocket-Version", "13")], "AAAAAAAAAAAAAAAAAAAAAA==");
    for keys in [&["AAAA"][..], &["no base64 at all!!!!!!!!"], &["AAAAAAAAAAAAAAAAAAAAAAAA"], &[""], &[good, good]] {
        let keys: Vec<_> = keys.iter().map(|key| ("Sec-WebSocket-Key", *key)).collect();
        let answer = server.request("GET", "/hub", &[&upgrade, &*keys].concat()).await;
        let body = "Sec-WebSocket-Key must be 16 bytes in base64, once";
        assert_eq!((answer.status, &*answer.body), (400, body), "{keys:?}");
    }
}
