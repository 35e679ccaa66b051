//! Connections through proxies, and proxies that refuse. What the environment says of them is tested with programs of
//! their own, in `hub-client`.

use client_tests::{Fake, Proxy, Server, deadline};
use hub_client::{ConnectError, Connection};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn negotiation_and_web_socket_go_through_tunnels() {
    let server = Server::ours().await;
    let mut proxy = Proxy::to(server.url.trim_start_matches("http://")).await;
    let address = format!("http://Aladdin:open%20sesame@{}", proxy.address);
    for (url, target) in
        [("http://hub.example:5000/hub", "hub.example:5000"), ("ws://hub.example/hub", "hub.example:80")]
    {
        let connection = deadline("a connection", Connection::builder(url).proxy(&address).connect()).await.unwrap();
        assert_eq!(deadline("the sum", connection.invoke::<i32>("Add", (1, 2))).await, Ok(3));
        connection.stop().await;
        let heads = proxy.seen();
        assert_eq!(heads.len(), 2, "{heads:?}");
        for head in heads {
            assert!(head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains(&format!("\r\nhost: {target}\r\n")), "{head}");
            let credentials = "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_ascii_lowercase();
            assert!(head.contains(&format!("\r\nproxy-authorization: {credentials}\r\n")), "{head}");
        }
    }
    // Without credentials none are sent, and without a negotiation there is one tunnel.
    let builder = Connection::builder("http://hub.example/hub").proxy(&*proxy.address).skip_negotiation();
    let connection = deadline("a connection", builder.connect()).await.unwrap();
    connection.stop().await;
    let heads = proxy.seen();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(!heads[0].to_ascii_lowercase().contains("proxy-authorization"), "{heads:?}");
}

#[tokio::test]
async fn proxies_that_refuse_are_named() {
    let credentials = "It asks for credentials, which go into its address: http://user:password@proxy:3128.";
    for (status, user, hint) in [
        ("407 Proxy Authentication Required", "", credentials),
        ("407 Proxy Authentication Required", "Aladdin:sesame@", "It does not accept the credentials."),
        ("502 Bad Gateway", "", "the answer is 502 Bad Gateway."),
        ("403 Forbidden", "", "the answer is 403 Forbidden."),
    ] {
        let proxy = Proxy::refusing(status).await;
        let builder = Connection::builder("http://hub.example/hub").proxy(format!("http://{user}{}", proxy.address));
        let error = deadline("the refusal", builder.connect()).await.unwrap_err();
        let text = error.to_string();
        let head = format!("The proxy {} opened no tunnel to hub.example:80: the answer is {status}.", proxy.address);
        assert!(text.starts_with(&head) && text.ends_with(hint), "{text}");
        let code: u16 = status[..3].parse().unwrap();
        assert!(matches!(error, ConnectError::Proxy { status: Some(status), .. } if status == code), "{error:?}");
    }
}

#[tokio::test]
async fn proxies_that_are_none() {
    // Nobody listens there.
    let fake = Fake::new().await;
    let address = fake.at("");
    drop(fake);
    let gone = Connection::builder("http://hub.example/hub").proxy(&address).connect().await.unwrap_err();
    let host = address.trim_start_matches("http://");
    assert!(gone.to_string().starts_with(&format!("The proxy {host} cannot be reached: ")), "{gone}");
    assert!(matches!(gone, ConnectError::Proxy { status: None, .. }), "{gone:?}");

    // It speaks, but not HTTP.
    let fake = Fake::new().await;
    let builder = Connection::builder("http://hub.example/hub").proxy(fake.at(""));
    let chatter = async {
        use tokio::io::AsyncWriteExt;
        fake.accept().await.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    };
    let (connected, ()) = futures_util::future::join(deadline("an end", builder.connect()), chatter).await;
    assert!(matches!(connected.unwrap_err(), ConnectError::Proxy { status: None, .. }));

    let socks = Connection::builder("http://hub.example/hub").proxy("socks5://u:p@a:1080").connect().await.unwrap_err();
    assert_eq!(
        socks.to_string(),
        "proxy is `..@a:1080`, which is outside of its range: an address such as http://user:password@proxy:3128, its \
         scheme http or https"
    );
}
