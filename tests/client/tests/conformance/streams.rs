//! Streams in both directions.

use std::task::Poll;

use futures_util::{StreamExt, TryStreamExt, stream};
use hub_core::{CallError, Upload};
use serde::{Serialize, Serializer};

use crate::support::Site;

pub(crate) async fn items_and_their_end(site: &Site<'_>) {
    let client = site.client().await;
    let numbers: Vec<i32> = client.hub.counter(1000, 0).try_collect().await.unwrap();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    let none: Vec<i32> = client.hub.counter(0, 0).try_collect().await.unwrap();
    assert!(none.is_empty());
    let words: Vec<String> = client.hub.words("to be or").try_collect().await.unwrap();
    assert_eq!(words, ["to", "be", "or"]);

    // P-STR-03: the items come before the error, and nothing behind it.
    let head = "An error occurred on the server while streaming results.";
    let mut failing = client.hub.stream_fail(2, "secret");
    assert_eq!(failing.next().await, Some(Ok(0)));
    assert_eq!(failing.next().await, Some(Ok(1)));
    assert_eq!(failing.next().await, Some(Err(CallError::Remote(head.to_owned()))));
    assert_eq!(failing.next().await, None);
    let told = client.hub.stream_fail_public(0, "told").next().await;
    assert_eq!(told, Some(Err(CallError::Remote(format!("{head} HubException: told")))));

    // P-STR-02
    let mut wrong = client.connection.stream::<i32>("Add", (1, 2));
    let text = "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation.";
    assert_eq!(wrong.next().await, Some(Err(CallError::Remote(text.to_owned()))));
    let text = "The client attempted to invoke the streaming 'Counter' method with a non-streaming invocation.";
    assert_eq!(client.connection.invoke::<i32>("Counter", (1, 0)).await, Err(CallError::Remote(text.to_owned())));
}

pub(crate) async fn dropping_the_items_cancels(site: &Site<'_>) {
    let mut client = site.client().await;
    let mut endless = client.hub.infinite(1);
    assert_eq!(endless.next().await, Some(Ok(0)));
    assert_eq!(endless.next().await, Some(Ok(1)));
    // P-CAN-01
    drop(endless);
    assert_eq!(client.told().await, "StreamCanceled");
    assert_eq!(client.hub.add(1, 2).await.unwrap(), 3);
}

pub(crate) async fn a_slow_reader_may_call_meanwhile(site: &Site<'_>) {
    // P-STR-10: far more items than are buffered, and a call between any two of the first.
    let client = site.connect(site.builder("/hub").stream_buffer(4)).await;
    let mut numbers = client.hub.counter(5000, 0);
    let mut idle = client.hub.counter(5000, 0);
    for number in 0..5000 {
        assert_eq!(numbers.next().await, Some(Ok(number)));
        if number < 20 {
            assert_eq!(client.hub.add(number, 1).await.unwrap(), number + 1);
        }
    }
    assert_eq!(numbers.next().await, None);
    assert_eq!(idle.next().await, Some(Ok(0)));
}

pub(crate) async fn uploads(site: &Site<'_>) {
    let client = site.client().await;
    let hub = &client.hub;
    let numbers = |last: i32| Upload::new(stream::iter(1..=last));
    assert_eq!(hub.sum(numbers(1000)).await.unwrap(), 500_500);
    assert_eq!(hub.sum(numbers(0)).await.unwrap(), 0);
    let texts = Upload::new(stream::iter(["a", "b", "c"].map(str::to_owned)));
    assert_eq!(hub.concat(texts).await.unwrap(), "abc");
    let texts = Upload::new(stream::iter(["x", "y"].map(str::to_owned)));
    assert_eq!(hub.two_uploads(numbers(4), "p", texts).await.unwrap(), "p:10:xy");
    // P-UP-15: both at once.
    let doubled: Vec<i32> = hub.relay(numbers(300)).try_collect().await.unwrap();
    assert_eq!(doubled, (1..=300).map(|number| number * 2).collect::<Vec<_>>());
}

/// The last of these cannot be encoded.
struct Item(i32);

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 3 { Err(serde::ser::Error::custom("no three")) } else { serializer.serialize_i32(self.0) }
    }
}

pub(crate) async fn an_upload_that_fails(site: &Site<'_>) {
    let client = site.client().await;
    let caught =
        async |upload: Upload<Item>| client.connection.invoke::<String>("UploadCatch", (upload,)).await.unwrap();
    assert_eq!(caught(Upload::new(stream::iter([Item(1), Item(2)]))).await, "ok:2");
    // P-UP-02
    let text = caught(Upload::new(stream::iter([Item(1), Item(3), Item(4)]))).await;
    assert!(text.starts_with("error:Stream errored by client: '"), "{text}");
    assert!(text.contains("no three"), "{text}");
    let panics = stream::iter([1, 2]).map(|number| if number == 1 { Item(1) } else { panic!("on purpose") });
    let text = caught(Upload::new(panics)).await;
    assert_eq!(text, "error:Stream errored by client: 'it panicked'");
    // An argument that cannot be encoded is refused before anything is sent.
    let error = client.connection.invoke::<String>("Echo", (Item(3),)).await.unwrap_err();
    assert!(matches!(&error, CallError::Encode(text) if text.contains("no three")), "{error:?}");
}

/// Tells when it is dropped.
struct Alarm(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        let _ = self.0.take().map(|alarm| alarm.send(()));
    }
}

pub(crate) async fn uploads_stop_with_their_call(site: &Site<'_>) {
    // P-UP-14: the call fails for want of arguments, and its endless upload is dropped.
    let client = site.client().await;
    let (alarm, dropped) = tokio::sync::oneshot::channel();
    let alarm = Alarm(Some(alarm));
    let endless = stream::poll_fn(move |_| {
        let _held = &alarm;
        Poll::<Option<i32>>::Pending
    });
    let failed = client.connection.invoke::<i32>("Sum", (1, Upload::new(endless))).await;
    assert!(matches!(failed, Err(CallError::Remote(_))), "{failed:?}");
    dropped.await.expect("it tells");
    // Items that are ready at once, as many as there are, do not keep others from being served.
    let flood =
        client.connection.invoke::<i32>("Sum", (Upload::new(stream::repeat(0).take(20_000).chain(stream::pending())),));
    tokio::select! {
        sum = flood => panic!("it has no end: {sum:?}"),
        other = client.connection.invoke::<String>("NoMethod", ()) => assert!(other.is_err()),
    }
    // The call was dropped, and its upload ends: the next plain call is served.
    assert_eq!(client.hub.add(1, 1).await.unwrap(), 2);
}
