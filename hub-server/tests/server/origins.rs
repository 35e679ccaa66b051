//! Which web pages may use a hub, and what their browsers are told.

use hub_core::Untyped;
use hub_server::{Hub, HubRoute, Origins, hub};

use crate::support::Server;

struct Empty;

impl Hub for Empty {
    type Client = Untyped;
}

#[hub]
impl Empty {}

/// The statuses of a negotiation and of a WebSocket.
async fn statuses(server: &Server, headers: &[(&'static str, &str)]) -> (u16, u16) {
    (server.request("POST", "/hub/negotiate", headers).await.status, server.dial("/hub", headers).await)
}

#[tokio::test]
async fn pages_of_the_same_host_and_no_page_at_all() {
    let (server, _) = Server::of(HubRoute::new(|_| Empty)).await;
    let own = format!("http://{}", server.address);
    assert_eq!(statuses(&server, &[]).await, (200, 101));
    assert_eq!(statuses(&server, &[("origin", &own)]).await, (200, 101));
    assert_eq!(statuses(&server, &[("origin", "https://evil.example")]).await, (403, 403));
    assert_eq!(statuses(&server, &[("origin", "null")]).await, (403, 403));
}

#[tokio::test]
async fn pages_of_the_same_host_behind_a_proxy() {
    let (server, _) = Server::of(HubRoute::new(|_| Empty)).await;
    let page = ("origin", "https://chat.example");
    for told in
        [("x-forwarded-host", "chat.example:443, inner.example"), ("forwarded", "for=192.0.2.1;host=chat.example")]
    {
        assert_eq!(statuses(&server, &[page, told]).await, (200, 101), "{told:?}");
    }
    assert_eq!(statuses(&server, &[page, ("x-forwarded-host", "inner.example, chat.example")]).await, (403, 403));
    assert_eq!(statuses(&server, &[page]).await, (403, 403));
}

#[tokio::test]
async fn a_page_whose_name_was_made_to_point_here() {
    let (server, _) = Server::of(HubRoute::new(|_| Empty)).await;
    let (host, origin) = (("x-forwarded-host", "evil.example"), ("origin", "http://evil.example"));
    assert_eq!(statuses(&server, &[host, origin]).await, (200, 101), "by default it is a page of this host");

    let route = HubRoute::new(|_| Empty).allowed_hosts(["127.0.0.1", "*.chat.example"]).unwrap();
    let (server, _) = Server::of(route).await;
    assert_eq!(statuses(&server, &[host, origin]).await, (400, 400));
    assert_eq!(statuses(&server, &[host]).await, (400, 400), "without an origin, too");
    assert_eq!(server.request("GET", "/hub", &[host]).await.body, "The host is not allowed");
    assert_eq!(statuses(&server, &[]).await, (200, 101));
    let own = format!("http://{}", server.address);
    assert_eq!(statuses(&server, &[("origin", &own)]).await, (200, 101));
    let (host, origin) = (("x-forwarded-host", "a.chat.example"), ("origin", "https://a.chat.example"));
    assert_eq!(statuses(&server, &[host, origin]).await, (200, 101));
    assert_eq!(statuses(&server, &[host, ("origin", "https://evil.example")]).await, (403, 403));
}

#[tokio::test]
async fn listed_pages() {
    let listed = Origins::list(["https://app.example"]);
    let (server, _) = Server::of(HubRoute::new(|_| Empty).allowed_origins(listed)).await;
    let own = format!("http://{}", server.address);
    assert_eq!(statuses(&server, &[("origin", "https://app.example")]).await, (200, 101));
    assert_eq!(statuses(&server, &[("origin", &own)]).await, (200, 101));
    assert_eq!(statuses(&server, &[("origin", "https://app.example.evil")]).await, (403, 403));
    assert_eq!(statuses(&server, &[]).await, (200, 101));
}

#[tokio::test]
async fn browsers_are_told_that_listed_pages_may_negotiate() {
    // P-NEG-22
    let listed = Origins::list(["https://app.example"]);
    let (server, _) = Server::of(HubRoute::new(|_| Empty).allowed_origins(listed)).await;
    let preflight = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "x-requested-with,x-signalr-user-agent"),
        ]
    };
    let answer = server.request("OPTIONS", "/hub/negotiate", &preflight("https://app.example")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-requested-with,x-signalr-user-agent"));

    let answer = server.request("POST", "/hub/negotiate", &[("Origin", "https://app.example")]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://app.example")));

    let answer = server.request("OPTIONS", "/hub/negotiate", &preflight("https://evil.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
