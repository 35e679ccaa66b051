//! The untyped door: calls by name, handlers by name.

use futures_util::{StreamExt, TryStreamExt};
use hub_core::{Args, ArgumentList, CallError, HubError, Items};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::Site;

pub(crate) async fn by_name(site: &Site<'_>) {
    let connection = site.builder("/hub").connect().await.unwrap();
    assert_eq!(connection.protocol(), site.codec);
    let sum: i32 = connection.invoke("Add", (20, 22)).await.unwrap();
    assert_eq!(sum, 42);
    let words: Items<String> = connection.stream("Words", ("a b",));
    assert_eq!(words.try_collect::<Vec<_>>().await.unwrap(), ["a", "b"]);
    connection.invoke::<()>("Nothing", ()).await.unwrap();
    // As many arguments as turn out to be there.
    assert_eq!(connection.invoke("Add", ArgumentList(vec![20, 23])).await, Ok(43));
    assert_eq!(connection.invoke("Nothing", ArgumentList::<u8>::default()).await, Ok(()));
    let refused = connection.invoke::<i32>("Add", ArgumentList(vec![1, 2, 3])).await.unwrap_err();
    assert!(matches!(&refused, CallError::Remote(text) if text.contains("'Add'")), "{refused:?}");
    connection.stop().await;
    let refused = CallError::Refused("The 'Add' method cannot be called if the connection is not active".to_owned());
    assert_eq!(connection.invoke::<i32>("Add", (1, 2)).await, Err(refused.clone()));
    assert_eq!(connection.send("Add", (1, 2)).await, Err(refused.clone()));
    let mut items = connection.stream::<i32>("Add", (1, 2));
    assert_eq!(items.next().await, Some(Err(refused)));
    assert_eq!(items.next().await, None);
}

pub(crate) async fn handlers_come_and_go(site: &Site<'_>) {
    let (told, mut notices) = unbounded_channel();
    let (first, wrong) = (told.clone(), told.clone());
    let connection = site.builder("/hub").on("Receive", move |text: String| {
        let _ = first.send(format!("first {text}"));
        async {}
    });
    let connection = connection.connect().await.unwrap();
    let second = connection.on("Receive", move |text: String| {
        let told = told.clone();
        async move {
            let _ = told.send(format!("second {text}"));
        }
    });
    // By a name of another case nothing is handled (P-INV-24), and arguments that do not fit are dropped (P-INV-25).
    let also_wrong = wrong.clone();
    let name = move |text: String| {
        let _ = wrong.send(format!("wrong name {text}"));
        async {}
    };
    connection.on("receive", name).keep();
    let arguments = move |text: String, _: u32| {
        let _ = also_wrong.send(format!("wrong arguments {text}"));
        async {}
    };
    connection.on("Receive", arguments).keep();
    connection.send("Broadcast", ("1",)).await.unwrap();
    for expected in ["first 1", "second 1"] {
        assert_eq!(notices.recv().await.unwrap(), expected);
    }
    drop(second);
    connection.send("Broadcast", ("2",)).await.unwrap();
    connection.send("Broadcast", ("3",)).await.unwrap();
    for expected in ["first 2", "first 3"] {
        assert_eq!(notices.recv().await.unwrap(), expected);
    }
}

pub(crate) async fn answers_of_handlers(site: &Site<'_>) {
    let connection = site.builder("/hub").connect().await.unwrap();
    let ask = async || match connection.invoke::<String>("AskCaller", ("x",)).await {
        Ok(answer) => answer,
        Err(CallError::Remote(text)) => {
            text.rsplit_once("HubException: ").map_or(text.clone(), |(_, end)| end.to_owned())
        }
        Err(other) => panic!("{other:?}"),
    };
    // P-CR-07, each text
    assert_eq!(ask().await, "Client didn't provide a result.");
    let silent = connection.on("Ask", |_: String| async {});
    assert_eq!(ask().await, "Client didn't provide a result.");
    let answers = connection.on("Ask", |prompt: String| async move { Ok::<_, HubError>(format!("{prompt}?")) });
    assert_eq!(ask().await, "x?");
    let another = connection.on("Ask", |prompt: String| async move { Ok::<_, HubError>(prompt) });
    assert_eq!(ask().await, "Client provided multiple results.");
    drop((silent, another));
    assert_eq!(ask().await, "x?");
    drop(answers);
    let misfit = connection.on("Ask", |_: u32| async { Ok::<_, HubError>("never") });
    assert_eq!(ask().await, "Client failed to parse argument(s).");
    drop(misfit);
    // Whatever the arguments are.
    let any = connection.on("Ask", |arguments: Args| async move {
        let texts: Vec<String> = arguments.payload().read()?;
        Ok::<_, HubError>(format!("{texts:?}"))
    });
    assert_eq!(ask().await, r#"["x"]"#);
    drop(any);
    // P-CR-09: the handler calls the hub that waits for it.
    let caller = connection.clone();
    let nested = connection.on("Ask", move |prompt: String| {
        let caller = caller.clone();
        async move {
            let words: Vec<String> = caller.stream("Words", (format!("{prompt} y z"),)).try_collect().await?;
            Ok::<_, HubError>(words.join("+"))
        }
    });
    assert_eq!(ask().await, "x+y+z");
    drop(nested);
}
