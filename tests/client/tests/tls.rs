//! `https` and `wss`, with a certificate of the test's own.

use std::sync::Arc;

use client_tests::{Fake, Proxy, Server, deadline};
use hub_client::{ConnectError, Connection};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types::PrivatePkcs8KeyDer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_behind_tls() {
    let server = Server::ours().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let url = format!("https://{}/hub", in_front_of(&address, &acceptor).await);

    let untrusted = deadline("the refusal", Connection::builder(&url).connect()).await.unwrap_err();
    assert!(matches!(&untrusted, ConnectError::Unreachable(text) if text.contains("UnknownIssuer")), "{untrusted:?}");
    assert!(untrusted.to_string().contains("may be named by `root_certificate`"), "{untrusted}");

    let builder = Connection::builder(&url).root_certificate(own.cert.der().to_vec());
    let connection = deadline("the connection", builder.connect()).await.unwrap();
    assert_eq!(deadline("the sum", connection.invoke::<i32>("Add", (1, 2))).await, Ok(3));
    deadline("the end", connection.stop()).await;

    // Through a proxy it is TLS inside of the tunnel, and around it where the proxy says so.
    let mut proxy = Proxy::to(url.trim_start_matches("https://").trim_end_matches("/hub")).await;
    let secure_proxy = in_front_of(&proxy.address, &acceptor).await;
    for proxied in [format!("http://{}", proxy.address), format!("https://{secure_proxy}")] {
        for url in [&*url, "wss://127.0.0.1/hub"] {
            let builder = Connection::builder(url).root_certificate(own.cert.der().to_vec()).proxy(&proxied);
            let connection = deadline("the connection", builder.connect()).await.unwrap();
            assert_eq!(deadline("the sum", connection.invoke::<i32>("Add", (1, 2))).await, Ok(3));
            deadline("the end", connection.stop()).await;
            let heads = proxy.seen();
            assert_eq!(heads.len(), 2, "{heads:?}");
            assert!(heads.iter().all(|head| head.starts_with("CONNECT 127.0.0.1:")), "{heads:?}");
        }
    }

    let bad = Connection::builder(&url).root_certificate(vec![1, 2, 3]).connect().await.unwrap_err();
    assert!(matches!(&bad, ConnectError::Option(option) if option.name() == "root_certificate"), "{bad:?}");
}

/// Takes TLS off what goes to an address. Gives its own.
async fn in_front_of(behind: &str, acceptor: &TlsAcceptor) -> String {
    let front = Fake::new().await;
    let address = front.at("").replace("http://", "");
    let (behind, acceptor) = (behind.to_owned(), acceptor.clone());
    tokio::spawn(async move {
        loop {
            let (socket, acceptor, behind) = (front.accept().await, acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate goes away.
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut socket, &mut behind).await;
            });
        }
    });
    address
}
