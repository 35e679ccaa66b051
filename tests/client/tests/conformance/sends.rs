//! What the hub calls on its clients.

use client_tests::{ConformanceHubProxy, Sample};
use hub_client::callbacks;
use hub_core::CallError;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{Client, Site};

/// Takes the hub's question for a notice.
struct Told(UnboundedSender<String>);

#[callbacks]
impl Told {
    #[method]
    async fn ask(&self, prompt: &str) {
        let _ = self.0.send(prompt.to_owned());
    }
}

/// Sends from `a`; then both are told a last thing, so that what was not sent is noticed.
async fn reached(a: &mut Client, b: &mut Client, text: &str) -> (bool, bool) {
    let (from, last) = (a.id(), format!("end of {text}"));
    let ids = [a.id(), b.id()];
    a.hub.send_to_clients(&ids, &last).await.unwrap();
    let mut got = [false, false];
    for (client, got) in [&mut *a, &mut *b].into_iter().zip(&mut got) {
        loop {
            let told = client.told().await;
            if told == format!("Message {last} {from}") {
                break;
            }
            assert_eq!(told, format!("Message {text} {from}"));
            *got = true;
        }
    }
    (got[0], got[1])
}

pub(crate) async fn every_target_is_reached(site: &Site<'_>) {
    let token = site.token("user=ada").await;
    let mut a = site.client().await;
    let mut b = site.connect(site.builder("/hub").access_token(token)).await;
    let (ids, hub) = ([a.id(), b.id()], ConformanceHubProxy::new(a.connection.clone()));

    hub.send_to_caller("1").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "1").await, (true, false));
    hub.send_to_all("2").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "2").await, (true, true));
    hub.send_to_others("3").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "3").await, (false, true));
    hub.send_to_all_except("4", &ids[1..]).await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "4").await, (true, false));
    hub.send_to_client(&ids[1], "5").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "5").await, (false, true));
    hub.send_to_user("ada", "6").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "6").await, (false, true));
    hub.send_to_users(&["ada".to_owned(), "nobody".to_owned()], "7").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "7").await, (false, true));

    hub.broadcast("to all").await.unwrap();
    assert_eq!(a.told().await, "Receive to all");
    assert_eq!(b.told().await, "Receive to all");
    let sample = Sample { name: "s".to_owned(), value: 1, ratio: 0.5, tags: Vec::new(), child: None };
    hub.send_object(&sample).await.unwrap();
    assert_eq!(a.told().await, format!("Object {sample:?}"));
}

pub(crate) async fn groups_of_others(site: &Site<'_>) {
    let (mut a, mut b) = (site.client().await, site.client().await);
    let (ids, hub) = ([a.id(), b.id()], ConformanceHubProxy::new(a.connection.clone()));

    hub.join_group("g").await.unwrap();
    b.hub.join_group("h").await.unwrap();
    hub.send_to_group("g", "1").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "1").await, (true, false));
    hub.send_to_groups(&["g".to_owned(), "h".to_owned()], "2").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "2").await, (true, true));
    hub.add_to_group(&ids[1], "g").await.unwrap();
    hub.send_to_group("g", "3").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "3").await, (true, true));
    hub.send_to_group_except("g", "4", &ids[..1]).await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "4").await, (false, true));
    hub.send_to_others_in_group("g", "5").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "5").await, (false, true));
    hub.remove_from_group(&ids[1], "g").await.unwrap();
    hub.leave_group("g").await.unwrap();
    hub.send_to_group("g", "6").await.unwrap();
    assert_eq!(reached(&mut a, &mut b, "6").await, (false, false));
}

pub(crate) async fn notices_come_in_order(site: &Site<'_>) {
    let mut client = site.client().await;
    for number in 0..300 {
        client.connection.send("SendToCaller", (number.to_string(),)).await.unwrap();
    }
    let id = client.id();
    for number in 0..300 {
        assert_eq!(client.told().await, format!("Message {number} {id}"));
    }
}

pub(crate) async fn questions_are_answered(site: &Site<'_>) {
    let (a, b) = (site.client().await, site.client().await);
    assert_eq!(a.hub.ask_caller("well").await.unwrap(), "well!");
    assert_eq!(a.hub.ask_client(&b.id(), "you").await.unwrap(), "you!");
    // P-CR-04, P-CR-07
    let failed = |text: &str| {
        let head = "An unexpected error occurred invoking 'AskCaller' on the server.";
        Err(CallError::Remote(format!("{head} HubException: {text}")))
    };
    assert_eq!(a.hub.ask_caller("fail").await, failed("I will not"));
    let general = "An unexpected error occurred invoking 'Ask' on the client.";
    assert_eq!(a.hub.ask_caller("fail quietly").await, failed(general));
    assert_eq!(a.hub.ask_caller("panic").await, failed(general));
    // Where it is declared as a notice it has no result, not null.
    let (told, mut heard) = unbounded_channel();
    let told = site.builder("/hub").callbacks(Told(told)).connect().await.unwrap();
    let asked = told.invoke::<String>("AskCaller", ("well",)).await;
    assert_eq!(asked, failed("Client didn't provide a result."));
    assert_eq!(heard.recv().await.as_deref(), Some("well"));
    // Both at once, each answered by the other.
    let (of_a, of_b) = (a.id(), b.id());
    let (one, other) = tokio::join!(a.hub.ask_client(&of_b, "1"), b.hub.ask_client(&of_a, "2"));
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("1!", "2!"));
}

pub(crate) async fn events_of_the_connection(site: &Site<'_>) {
    let mut watcher = site.client().await;
    watcher.hub.join_group("watchers").await.unwrap();
    // What the hub says while it connects is heard.
    let mut client = site.connect(site.builder("/hub?announce=1")).await;
    let id = client.id();
    assert_eq!(client.told().await, format!("Connected {id}"));
    client.connection.stop().await;
    // P-CLS-06: an ordinary end. Others may have gone before it.
    loop {
        let told = watcher.told().await;
        if told.starts_with(&format!("Gone {id} ")) {
            assert_eq!(told, format!("Gone {id} None"));
            break;
        }
    }
}
