//! Calls: values, errors, identities, ends.

use std::time::{Duration, Instant};

use client_tests::{ConformanceHubProxy, Sample};
use futures_util::future::join_all;
use hub_client::{ConnectError, Ended, State};
use hub_core::{Binary, CallError};

use crate::support::Site;

fn sample() -> Sample {
    let leaf = Sample { name: String::new(), value: i32::MIN, ratio: 1e300, tags: Vec::new(), child: None };
    let tags = vec!["a".to_owned(), "\u{1e}\"\\\u{1F600}".to_owned()];
    Sample { name: "root".to_owned(), value: 7, ratio: -0.5, tags, child: Some(Box::new(leaf)) }
}

pub(crate) async fn values_go_both_ways(site: &Site<'_>) {
    let client = site.client().await;
    let hub = &client.hub;
    let long = "x".repeat(20_000);
    for text in ["", "hello", "\u{1e}\u{0}<&>\u{2028}\u{1F600}", &long] {
        assert_eq!(hub.echo(text).await.unwrap(), text);
    }
    assert_eq!(hub.echo_object(&sample()).await.unwrap(), sample());
    let bytes = Binary((0..=255).collect());
    assert_eq!(hub.echo_bytes(&bytes).await.unwrap(), bytes);
    assert_eq!(hub.add(i32::MAX, 1).await.unwrap(), i32::MIN);
    assert_eq!(hub.join("a", Some("b".to_owned())).await.unwrap(), "a-b");
    assert_eq!(hub.join("a", None).await.unwrap(), "a");
    // P-INV-12
    hub.nothing().await.unwrap();
    assert_eq!(hub.transport().await.unwrap(), "WebSockets");
    assert_eq!(hub.sleep(1).await.unwrap(), 1);
    client.connection.stop().await;
}

pub(crate) async fn errors_are_told_apart(site: &Site<'_>) {
    let client = site.client().await;
    let hub = &client.hub;
    let head = |method: &str| format!("An unexpected error occurred invoking '{method}' on the server.");
    // P-ERR-06
    assert_eq!(hub.fail("secret").await, Err(CallError::Remote(head("Fail"))));
    let public = format!("{} HubException: told", head("FailPublic"));
    assert_eq!(hub.fail_public("told").await, Err(CallError::Remote(public)));
    // P-INV-03
    let unknown = client.connection.invoke::<()>("NoSuchMethod", ()).await.unwrap_err();
    let expected =
        "Failed to invoke 'NoSuchMethod' due to an error on the server. HubException: Method does not exist.";
    assert_eq!(unknown, CallError::Remote(expected.to_owned()));
    // P-INV-19: only this call fails.
    let error = client.connection.invoke::<u64>("Echo", ("text",)).await.unwrap_err();
    let CallError::Decode(text) = error else { panic!("{error:?}") };
    assert!(text.starts_with("Error trying to deserialize result to u64. "), "{text}");
    assert_eq!(hub.add(1, 1).await.unwrap(), 2);
    let detailed = site.connect(site.builder("/hub-detailed")).await;
    let error = detailed.hub.fail("why").await.unwrap_err().to_string();
    assert_eq!(error, format!("{} InvalidOperationException: why", head("Fail")));
}

pub(crate) async fn the_caller_is_known(site: &Site<'_>) {
    let token = site.token("user=ada&role=admin").await;
    let builder = site.builder("/hub-auth?colour=red").access_token(token.clone()).header("X-Test", "of a test");
    let client = site.connect(builder).await;
    let identity = client.hub.who_am_i().await.unwrap();
    assert_eq!(identity.connection_id, client.id());
    assert_eq!((identity.user_id.as_deref(), identity.role.as_deref()), (Some("ada"), Some("admin")));
    assert_eq!(client.hub.header("X-Test").await.unwrap().as_deref(), Some("of a test"));
    assert_eq!(client.hub.header("X-Requested-With").await.unwrap().as_deref(), Some("XMLHttpRequest"));
    assert!(client.hub.header("User-Agent").await.unwrap().unwrap().starts_with("hub-client/"));
    assert_eq!(client.hub.query("colour").await.unwrap().as_deref(), Some("red"));
    assert_eq!(client.hub.header("X-None").await.unwrap(), None);

    // P-NEG-20
    let direct = site.connect(site.builder("/hub-auth").skip_negotiation().access_token(token)).await;
    assert_eq!(direct.connection.id(), None);
    assert_eq!(direct.hub.who_am_i().await.unwrap().user_id.as_deref(), Some("ada"));
}

pub(crate) async fn authorization_is_by_method(site: &Site<'_>) {
    let refusal =
        |method: &str| Err(CallError::Remote(format!("Failed to invoke '{method}' because user is unauthorized")));
    let anybody = site.client().await;
    assert_eq!(anybody.hub.secret().await, refusal("Secret"));
    let token = site.token("user=bob").await;
    let bob = site.connect(site.builder("/hub").access_token_provider(move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    }));
    let bob = bob.await;
    assert_eq!(bob.hub.secret().await.unwrap(), "secret");
    assert_eq!(bob.hub.admin_only().await, refusal("AdminOnly"));
    let token = site.token("user=ada&role=admin").await;
    let ada = site.connect(site.builder("/hub").access_token(token)).await;
    assert_eq!(ada.hub.admin_only().await.unwrap(), "admin");
    // P-AUTH-01
    let error = site.builder("/hub-auth").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Negotiation { status: Some(401), .. }), "{error:?}");
    let error = site.builder("/hub-auth").skip_negotiation().connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Upgrade { status: Some(401), .. }), "{error:?}");
    let failing =
        site.builder("/hub").access_token_provider(async || Err::<String, _>(std::io::Error::other("no token")));
    assert_eq!(failing.connect().await.unwrap_err(), ConnectError::Token("no token".to_owned()));
}

pub(crate) async fn tokens_follow_redirects(site: &Site<'_>) {
    // P-NEG-14
    let client = site.connect(site.builder("/redirect")).await;
    assert_eq!(client.hub.who_am_i().await.unwrap().user_id.as_deref(), Some("redirected"));
    // P-NEG-19. Our hub has no endpoint without WebSockets so far.
    if site.server.is_reference {
        let error = site.builder("/hub-nows").connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::NoTransport(_)), "{error:?}");
    }
    let error = site.builder("/nothing-here").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Negotiation { status: Some(404), .. }), "{error:?}");
}

pub(crate) async fn abort_ends_the_connection(site: &Site<'_>) {
    let client = site.client().await;
    // Whether it is answered before the end is a race.
    let _ = client.hub.abort().await;
    let ended = client.connection.closed().await;
    // P-CLS-02
    assert_eq!(ended, Ended::ByServer { error: None, allow_reconnect: false });
    assert_eq!(*client.connection.state().borrow(), State::Disconnected);
    // P-CLI-08
    let refused = "The 'Nothing' method cannot be called if the connection is not active".to_owned();
    assert_eq!(client.hub.nothing().await, Err(CallError::Refused(refused)));
    client.connection.stop().await;
}

pub(crate) async fn a_call_may_be_given_up(site: &Site<'_>) {
    let mut client = site.client().await;
    // Run to its end, for nobody (P-CX-02, P-INV-17): the next call of this client waits for it.
    let since = Instant::now();
    let forgotten = tokio::time::timeout(Duration::from_millis(1), client.hub.sleep(200)).await;
    assert!(forgotten.is_err());
    assert_eq!(client.hub.add(2, 3).await.unwrap(), 5);
    assert!(since.elapsed() >= Duration::from_millis(200));
    // This one asked to be told.
    let forgotten = tokio::time::timeout(Duration::from_millis(1), client.hub.wait(600_000)).await;
    assert!(forgotten.is_err());
    assert_eq!(client.told().await, "WaitCanceled");
    assert_eq!(client.hub.add(2, 3).await.unwrap(), 5);
    assert_eq!(client.hub.wait(1).await.unwrap(), "waited");
}

pub(crate) async fn calls_overlap(site: &Site<'_>) {
    let client = site.connect(site.builder("/hub-parallel")).await;
    let slow = client.hub.sleep(300);
    let others = join_all((0..500).map(|number| client.hub.add(number, 1)));
    let (slow, others) = tokio::join!(slow, others);
    assert_eq!(slow.unwrap(), 300);
    let sums: Vec<i32> = others.into_iter().map(Result::unwrap).collect();
    assert_eq!(sums, (1..=500).collect::<Vec<_>>());
    // A handle that moves into a task is the same connection.
    let hub = ConformanceHubProxy::new(client.connection.clone());
    assert_eq!(tokio::spawn(async move { hub.who_am_i().await }).await.unwrap().unwrap().connection_id, client.id());
}
