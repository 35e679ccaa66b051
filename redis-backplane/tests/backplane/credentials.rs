//! Who is let in, and what those read who are not.

use hub_core::backplane::Topic;
use redis_backplane::{ConnectError, RedisBackplane, RedisOptions, RedisServers};
use redis_for_tests::{RedisSentinel, RedisServer};
#[cfg(feature = "tls")]
use {redis_backplane::RedisTls, redis_for_tests::Authority};

use crate::common::{Node, connected, down, guard, options, up};

async fn refused(options: RedisOptions) -> String {
    match guard("connect returns", RedisBackplane::connect(options)).await {
        Err(ConnectError::Refused(why)) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn wrong_passwords_are_refused_in_words_that_help() {
    let Some(mut redis) = RedisServer::start_with(&["--requirepass", "right"]) else { return };
    let url = |credentials: &str| format!("redis://{credentials}{}", redis.address());
    let why = refused(options(&url(""))).await;
    assert!(why.contains("NOAUTH") && why.contains("`password`"), "{why}");
    let why = refused(options(&url(":wrong@"))).await;
    assert!(why.contains("WRONGPASS") && why.contains("check `user` and `password`"), "{why}");
    assert!(!why.contains(":wrong"), "the password is in no text: {why}");
    let why = refused(options(&url("nobody:right@"))).await;
    assert!(why.contains("WRONGPASS"), "{why}");
    let backplane = connected(options(&url(":right@"))).await;
    assert!(!format!("{:?}", options(&url(":right@"))).contains("right"));

    // Later, it keeps the link down, and comes back with the password.
    redis.command(&["CONFIG", "SET", "requirepass", "new"]);
    redis.command(&["-a", "new", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]);
    let why = down(&backplane).await;
    assert!(!why.is_empty());
    redis.restart();
    up(&backplane).await;
}

#[tokio::test]
async fn a_sentinel_has_a_password_of_its_own() {
    let Some(set) = RedisSentinel::start() else { return };
    set.sentinel.command(&["ACL", "SETUSER", "default", "resetpass", ">sentinels"]);
    // That of a URL is for the servers.
    let why = refused(options(&set.url().replace("://", "://:sentinels@"))).await;
    assert!(why.contains("NOAUTH") && why.contains("are in `RedisServers::Sentinel`"), "{why}");
    let servers = RedisServers::Sentinel {
        sentinels: vec![set.sentinel.address()],
        primary: "mymaster".to_owned(),
        user: None,
        password: Some("sentinels".to_owned()),
    };
    let with_password = RedisOptions { servers, ..options(&set.url()) };
    connected(with_password.clone()).await;
    // Whether it is the primary, the server has to say itself.
    set.primary.command(&["ACL", "SETUSER", "default", "-role"]);
    let why = refused(with_password).await;
    assert!(why.contains("'role'") && why.contains("+role"), "{why}");
}

#[tokio::test]
async fn what_this_redis_is_not_is_refused() {
    let Some(redis) = RedisServer::start() else { return };
    let why = refused(RedisOptions { database: 99, ..options(&redis.url()) }).await;
    assert!(why.contains("smaller `database`"), "{why}");
    let why = refused(options(&format!("redis+cluster://{}", redis.address()))).await;
    assert!(why.contains("it is no Cluster"), "{why}");
}

#[tokio::test]
async fn an_access_list_may_allow_one_prefix() {
    let Some(redis) = RedisServer::start() else { return };
    let rules =
        "reset on >secret ~chat:* &chat:* -@all +publish +subscribe +unsubscribe +ping +hello +select +get +set";
    let rules: Vec<&str> = ["ACL", "SETUSER", "hub"].into_iter().chain(rules.split(' ')).collect();
    assert_eq!(redis.command(&rules), "OK");
    let url = format!("redis://hub:secret@{}/3", redis.address());
    let why = refused(options(&url)).await;
    assert!(why.contains("NOPERM") && why.contains("&PREFIX:*"), "{why}");
    let allowed = RedisOptions { prefix: "chat".to_owned(), ..options(&url) };
    let (a, b) = (connected(allowed.clone()).await, connected(allowed).await);
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    let sender = Node::new(&a, "Chat");
    sender.send(&Topic::All, "allowed").await;
    assert_eq!(receiver.text().await, "allowed");
    receiver.attachment.propose_secret([5; 32]);
    assert_eq!(receiver.secret().await, [5; 32]);
    assert_eq!(redis.command(&["-n", "3", "EXISTS", "chat:Chat:secret"]), "1");
    for command in ["publish", "subscribe", "unsubscribe", "select"] {
        redis.command(&["ACL", "SETUSER", "hub", &format!("-{command}")]);
        let why = refused(RedisOptions { prefix: "chat".to_owned(), ..options(&url) }).await;
        assert!(why.contains(&format!("'{command}'")) && why.contains(&format!("+{command}")), "{why}");
        redis.command(&["ACL", "SETUSER", "hub", &format!("+{command}")]);
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_with_an_authority_of_our_own() {
    let authority = Authority::new();
    let Some(redis) = RedisServer::start_tls(&authority) else { return };
    let why = refused(options(&redis.url())).await;
    assert!(why.contains("is not trusted") && why.contains("RedisTls::authorities"), "{why}");
    for bytes in [authority.der(), authority.pem().into_bytes()] {
        let tls = RedisTls { authorities: vec![bytes], system_authorities: false, identity: None };
        let options = RedisOptions { tls: Some(tls), ..options(&redis.url()) };
        let (a, b) = (connected(options.clone()).await, connected(options).await);
        let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
        Node::new(&a, "Chat").send(&Topic::All, "in private").await;
        assert_eq!(receiver.text().await, "in private");
    }
    let tls = RedisTls { authorities: vec![b"-----BEGIN nothing".to_vec()], ..RedisTls::default() };
    let wrong = RedisBackplane::connect(RedisOptions { tls: Some(tls), ..options(&redis.url()) }).await;
    assert!(matches!(wrong, Err(ConnectError::Option(_))), "{wrong:?}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_redis_that_ends_the_connection_at_once_is_explained() {
    let authority = Authority::new();
    let Some(tls_only) = RedisServer::start_tls(&authority) else { return };
    let plain = RedisBackplane::connect(options(&tls_only.url().replace("rediss", "redis"))).await.unwrap();
    let why = down(&plain).await;
    assert!(why.contains("Does it want TLS (`rediss`)"), "{why}");
    // Who asks for certificates.
    assert_eq!(tls_only.command(&["CONFIG", "SET", "tls-auth-clients", "yes"]), "OK");
    let tls = RedisTls { authorities: vec![authority.der()], system_authorities: false, identity: None };
    let why = refused(RedisOptions { tls: Some(tls), ..options(&tls_only.url()) }).await;
    assert!(why.contains("CertificateRequired") && why.contains("`RedisTls::identity`"), "{why}");

    let Some(full) = RedisServer::start_with(&["--maxclients", "1"]) else { return };
    let backplane = RedisBackplane::connect(options(&full.url())).await.unwrap();
    let why = down(&backplane).await;
    assert!(why.contains("max number of clients") || why.contains("`maxclients`"), "{why}");
}
