//! Negotiations that fail, and what the client sends in those that do not.

use std::time::Duration;

use client_tests::{Fake, deadline};
use futures_util::future::join;
use hub_client::{ConnectError, Connection, Reconnect};

const WEB_SOCKETS: &str = r#"{"negotiateVersion":1,"connectionId":"public","connectionToken":"secret",
    "availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#;

/// What the client makes of one answer.
async fn refusal(status: &str, body: &str) -> ConnectError {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub"));
    join(builder.connect(), fake.answer(status, "", body)).await.0.expect_err("it is no negotiation")
}

#[tokio::test]
async fn answers_that_are_errors() {
    // P-NEG-13, 15, 16, 19, 21
    for (status, body, code, text) in [
        ("401 Unauthorized", "", Some(401), "The access token is missing, or not accepted."),
        ("404 Not Found", "", Some(404), "Either this is no hub, or a proxy blocks the connection."),
        ("500 Internal Server Error", "oops", Some(500), "500 Internal Server Error"),
        ("301 Moved Permanently", "", Some(301), "301 Moved Permanently. It redirects, but does not say where to."),
        ("303 See Other\r\nLocation: /", "", Some(303), "It redirects in a way that is not followed; "),
        ("429 Too Many Requests", "", Some(429), "It has too much to do; try again later."),
        ("200 OK", "<!doctype html><p>Hello", None, "The address is not that of a hub, or a proxy answers for it."),
        ("200 OK", "", None, "Invalid negotiation response received: "),
        ("200 OK", r#"{"error":"No room."}"#, None, "No room."),
        ("200 OK", r#"{"ProtocolVersion":"2.0"}"#, None, "Detected a connection attempt to an ASP.NET SignalR Server."),
        ("200 OK", r#"{"url":"ftp://elsewhere"}"#, None, "The server redirects elsewhere: "),
    ] {
        let error = refusal(status, body).await;
        assert!(error.to_string().contains(text), "{status} {body}: {error}");
        assert!(matches!(error, ConnectError::Negotiation { status, .. } if status == code), "{error:?}");
    }
    let transports = r#""availableTransports":[{"transport":"WebSockets","transferFormats":["Text"]}]"#;
    for (body, text) in [
        (format!("{{{transports}}}"), "no connectionId"),
        (format!("{{{transports},\"connectionId\":\"a\",\"negotiateVersion\":1}}"), "no connectionToken"),
        ("{}".to_owned(), "None of the transports supported by the client are supported by the server."),
    ] {
        let error = refusal("200 OK", &body).await.to_string();
        assert!(error.contains(text), "{body}: {error}");
    }
    // More than any negotiation is.
    let error = refusal("200 OK", &" ".repeat(300_000)).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn redirects_are_followed_with_their_token_but_not_for_ever() {
    // P-NEG-14
    let fake = Fake::new().await;
    let url = fake.at("/other?keep=1");
    let redirect = format!(r#"{{"url":"{url}","accessToken":"theirs","availableTransports":[]}}"#);
    let server = async {
        let first = fake.answer("200 OK", "", &redirect).await;
        assert!(first.starts_with("POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\n"), "{first}");
        assert!(first.contains("authorization: Bearer ours\r\n"), "{first}");
        assert!(first.contains("x-requested-with: XMLHttpRequest\r\n"), "{first}");
        assert!(first.contains("user-agent: hub-client/"), "{first}");
        let second = fake.answer("200 OK", "Set-Cookie: node=7; Path=/\r\n", WEB_SOCKETS).await;
        assert!(second.starts_with("POST /other/negotiate?keep=1&negotiateVersion=1 HTTP/1.1\r\n"), "{second}");
        assert!(second.contains("authorization: Bearer theirs\r\n"), "{second}");
        // P-NEG-17, P-CLI-10
        let third = fake.answer("503 Service Unavailable", "", "").await;
        assert!(third.starts_with("GET /other?keep=1&id=secret HTTP/1.1\r\n"), "{third}");
        assert!(third.contains("authorization: Bearer theirs\r\n"), "{third}");
        assert!(third.contains("cookie: node=7\r\n"), "{third}");
    };
    let builder = Connection::builder(fake.at("/hub")).access_token("ours");
    let (connected, ()) = join(builder.connect(), server).await;
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Upgrade { status: Some(503), .. }), "{error:?}");

    let endless = async {
        let mut hops = 0;
        loop {
            fake.answer("200 OK", "", &redirect).await;
            hops += 1;
            if hops == 101 {
                return;
            }
        }
    };
    let (connected, ()) = join(Connection::builder(fake.at("/hub")).connect(), endless).await;
    assert_eq!(connected.unwrap_err().to_string(), "Negotiate redirection limit exceeded.");
}

#[tokio::test]
async fn a_negotiation_that_has_moved_is_found_within_its_host() {
    let fake = Fake::new().await;
    let elsewhere = Fake::new().await;
    let moved = format!("Location: {}\r\n", elsewhere.at("/moved/negotiate?room=7&negotiateVersion=1"));
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = async {
            fake.answer(status, "Location: /new/negotiate?room=7&negotiateVersion=1\r\n", "").await;
            let second = fake.answer(status, &moved, "<p>moved").await;
            assert!(second.starts_with("POST /new/negotiate?room=7&negotiateVersion=1 HTTP/1.1\r\n"), "{second}");
            let third = elsewhere.answer("200 OK", "", WEB_SOCKETS).await;
            assert!(third.starts_with("POST /moved/negotiate?room=7&negotiateVersion=1 HTTP/1.1\r\n"), "{third}");
            assert!(third.contains("authorization: Bearer ours\r\n"), "{third}");
            elsewhere.open().await
        };
        let builder = Connection::builder(fake.at("/hub?room=7")).access_token("ours");
        let (connected, _socket) = join(builder.connect(), server).await;
        assert_eq!(connected.unwrap().id().unwrap().as_str(), "public");
    }
    for (location, text) in [
        ("http://example.org/hub/negotiate", "example.org is another host; connect to its own address"),
        ("/login?back=hub", "/login is no negotiation; its path would end with /negotiate"),
    ] {
        let headers = format!("Location: {location}\r\n");
        let server = fake.answer("302 Found", &headers, "");
        let error = join(Connection::builder(fake.at("/hub")).connect(), server).await.0.unwrap_err();
        assert!(matches!(error, ConnectError::Negotiation { status: Some(302), .. }), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// The same server under another name.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn another_host_gets_nothing_of_the_application_unless_it_is_trusted() {
    // P-NEG-14, as hosted services use it: the token that comes with the address is for it.
    for (given, trusted) in [(true, false), (false, false), (false, true), (true, true)] {
        let (fake, elsewhere) = (Fake::new().await, Fake::new().await);
        let token = if given { r#","accessToken":"theirs""# } else { "" };
        let redirect = format!(r#"{{"url":"{}"{token}}}"#, by_name(&elsewhere.at("/other")));
        let server = async {
            let first = fake.answer("200 OK", "Set-Cookie: ours=1; Path=/\r\n", &redirect).await;
            for own in ["authorization: Bearer ours", "x-api-key: key", "cookie: s=secret"] {
                assert!(first.contains(own), "{first}");
            }
            let second = elsewhere.answer("200 OK", "Set-Cookie: theirs=2; Path=/\r\n", WEB_SOCKETS).await;
            let third = elsewhere.answer("401 Unauthorized", "", "").await;
            // A provider is asked again where its token may go, and no other was given.
            let again = if trusted && !given { Some(elsewhere.answer("401 Unauthorized", "", "").await) } else { None };
            for request in [Some(&second), Some(&third), again.as_ref()].into_iter().flatten() {
                let has = |text| request.contains(text);
                assert_eq!(has("x-api-key: key"), trusted, "{request}");
                assert_eq!(has("s=secret"), trusted, "{request}");
                assert_eq!(has("Bearer ours"), trusted && !given, "{request}");
                assert_eq!(has("Bearer theirs"), given, "{request}");
                assert!(!has("ours=1"), "{request}");
            }
            assert!(third.contains("theirs=2"), "{third}");
        };
        let builder = Connection::builder(fake.at("/hub"))
            .access_token_provider(|| async { Ok::<_, std::io::Error>("ours") })
            .header("X-Api-Key", "key")
            .header("Cookie", "s=secret");
        let builder = if trusted { builder.trust_host("LocalHost") } else { builder };
        let (connected, ()) = deadline("the end", join(builder.connect(), server)).await;
        let error = connected.unwrap_err();
        assert!(matches!(error, ConnectError::Upgrade { status: Some(401), .. }), "{error:?}");
        let hint =
            " It was redirected to localhost, which got no token or header of yours; `trust_host` lets it have them.";
        assert_eq!(error.to_string().ends_with(hint), !trusted, "{error}");
    }
}

#[tokio::test]
async fn the_way_back_to_the_hub_has_its_token_again() {
    let (fake, elsewhere) = (Fake::new().await, Fake::new().await);
    let there = format!(r#"{{"url":"{}","accessToken":"theirs"}}"#, by_name(&elsewhere.at("/other")));
    let back = format!(r#"{{"url":"{}"}}"#, fake.at("/new"));
    let server = async {
        fake.answer("200 OK", "", &there).await;
        // Within that host its token goes on; elsewhere it does not.
        let moved = elsewhere.answer("307 Temporary Redirect", "Location: /moved/negotiate\r\n", "").await;
        assert!(moved.contains("Bearer theirs"), "{moved}");
        let second = elsewhere.answer("200 OK", "", &back).await;
        assert!(second.starts_with("POST /moved/negotiate") && second.contains("Bearer theirs"), "{second}");
        let third = fake.answer("500 Internal Server Error", "", "").await;
        assert!(third.starts_with("POST /new/negotiate") && third.contains("Bearer ours"), "{third}");
    };
    let (connected, ()) = join(Connection::builder(fake.at("/hub")).access_token("ours").connect(), server).await;
    assert!(matches!(connected.unwrap_err(), ConnectError::Negotiation { status: Some(500), .. }));
}

#[tokio::test]
async fn a_moved_negotiation_is_followed_to_a_trusted_host() {
    let (fake, elsewhere) = (Fake::new().await, Fake::new().await);
    let moved = format!("Location: {}\r\n", by_name(&elsewhere.at("/hub/negotiate")));
    let server = async {
        fake.answer("307 Temporary Redirect", &moved, "").await;
        let second = elsewhere.answer("500 Internal Server Error", "", "").await;
        assert!(second.contains("Bearer ours"), "{second}");
    };
    let builder = Connection::builder(fake.at("/hub")).access_token("ours").trust_host("localhost");
    let (connected, ()) = join(builder.connect(), server).await;
    assert!(matches!(connected.unwrap_err(), ConnectError::Negotiation { status: Some(500), .. }));
}

#[tokio::test]
async fn cookies_of_the_upgrade_are_kept_for_the_next_attempt() {
    // P-CLI-10: a balancer may set them at any answer.
    let fake = Fake::new().await;
    let builder =
        Connection::builder(fake.at("/hub")).skip_negotiation().reconnect(Reconnect::after([Duration::ZERO; 2]));
    let server = async {
        let mut socket = fake.open_with("Set-Cookie: node=3; Path=/\r\n").await;
        socket.send("{\"type\":7,\"allowReconnect\":true}\u{1e}").await;
        let again = fake.answer("503 Service Unavailable", "", "").await;
        assert!(again.contains("cookie: node=3\r\n"), "{again}");
        fake.open().await
    };
    let (connected, _socket) = deadline("the reconnect", join(builder.connect(), server)).await;
    connected.unwrap();
}

#[tokio::test]
async fn a_token_that_expired_between_is_asked_for_again() {
    // P-AUTH-05
    let fake = Fake::new().await;
    let asked = std::sync::atomic::AtomicU32::new(0);
    let builder = Connection::builder(fake.at("/hub")).access_token_provider(move || {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { Ok::<_, std::io::Error>(format!("token{number}")) }
    });
    let server = async {
        assert!(fake.answer("200 OK", "", WEB_SOCKETS).await.contains("Bearer token0"));
        assert!(fake.answer("401 Unauthorized", "", "").await.contains("Bearer token0"));
        assert!(fake.answer("401 Unauthorized", "", "").await.contains("Bearer token1"));
    };
    let (connected, ()) = join(builder.connect(), server).await;
    assert!(matches!(connected.unwrap_err(), ConnectError::Upgrade { status: Some(401), .. }));
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let fake = Fake::new().await;
    let limit = Duration::from_millis(50);
    let negotiating = Connection::builder(fake.at("/hub")).request_timeout(limit).connect();
    let error = deadline("the request timeout", negotiating).await.unwrap_err();
    assert_eq!(error, ConnectError::TimedOut { option: "request_timeout", after: limit });

    // P-HS-18
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().handshake_timeout(limit);
    let server = async {
        let mut socket = fake.upgrade().await;
        assert_eq!(socket.receive().await, "{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(socket.receive().await, "closed 1000");
    };
    let (connected, ()) = join(builder.connect(), server).await;
    assert_eq!(connected.unwrap_err(), ConnectError::TimedOut { option: "handshake_timeout", after: limit });
}

#[tokio::test]
async fn nobody_listens() {
    let fake = Fake::new().await;
    let url = fake.at("/hub");
    drop(fake);
    let error = Connection::builder(url).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn bad_options_are_refused_by_name_value_and_range() {
    let builder = || Connection::builder("http://127.0.0.1:9/hub");
    for (builder, text) in [
        (
            builder().server_timeout(Duration::ZERO),
            "server_timeout is 0ns, which is outside of its range: 1ms to 86400s",
        ),
        (builder().stream_buffer(0), "stream_buffer is 0, which is outside of its range: 1 to 1000000 items"),
        (builder().receive_limit(0), "receive_limit is 0, which is outside of its range: 1 to 2147483647 bytes"),
        (builder().send_buffer(1), "send_buffer is 1, which is outside of its range: 1024 to 2147483647 bytes"),
        (
            builder().reconnect(Reconnect::exponential(Duration::ZERO, Duration::from_secs(60))),
            "reconnect is 0ns, which is outside of its range: 1ms to 86400s",
        ),
        (
            builder().reconnect(Reconnect::after([Duration::ZERO, Duration::from_secs(86_401)])),
            "reconnect is 86401s, which is outside of its range: 0ns to 86400s",
        ),
        (
            builder().access_token("a\nb"),
            "access_token is `..`, which is outside of its range: a text without control characters",
        ),
        (
            builder().trust_host("other:80"),
            "trust_host is `other:80`, which is outside of its range: the name or the address of a host, without a port",
        ),
        (
            builder().header("a b", "c"),
            "header is `a b`, which is outside of its range: a name of letters, digits and `-`",
        ),
        (
            Connection::builder("hub"),
            "url is `hub`, which is outside of its range: an address such as http://host:5000/path, its scheme one of \
             http, https, ws, wss",
        ),
    ] {
        let error = builder.connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Option(_)));
        assert_eq!(error.to_string(), text);
    }
}
