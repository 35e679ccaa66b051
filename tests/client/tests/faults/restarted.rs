//! A real hub that is killed, and started again at the same address.

use std::time::Duration;

use client_tests::{Server, deadline};
use futures_util::{StreamExt, future::join};
use hub_client::{Connection, Ended, Event, Reconnect, State, WhileReconnecting};
use hub_core::{CallError, Codec};

#[tokio::test]
async fn calls_and_streams_go_on_after_a_restart() {
    // P-CLI-04, P-CLI-07, P-CLS-12
    for codec in Codec::ALL {
        let mut server = Server::ours().await;
        let (told, mut messages) = tokio::sync::mpsc::unbounded_channel();
        let connection = Connection::builder(server.at("/hub"))
            .protocol(codec)
            .reconnect(Reconnect::exponential(Duration::from_millis(10), Duration::from_millis(100)))
            .while_reconnecting(WhileReconnecting::Wait)
            .on("Message", move |text: String, _: String| {
                let _ = told.send(text);
                async {}
            })
            .connect()
            .await
            .unwrap();
        let (mut state, mut events, id) = (connection.state(), connection.events(), connection.id());
        connection.invoke::<()>("JoinGroup", ("g",)).await.unwrap();

        // Killed in the midst of a call and of a stream.
        let mut items = connection.stream::<u32>("Infinite", (1,));
        assert_eq!(items.next().await, Some(Ok(0)));
        let sleeping = async {
            let slept = connection.invoke::<u32>("Sleep", (3_600_000,)).await;
            let rest: Vec<_> = (&mut items).collect().await;
            (slept, rest)
        };
        let killed = async {
            // What comes behind the call is answered, so it has arrived: streams do not wait for calls (P-INV-21).
            assert_eq!(connection.stream::<u32>("Counter", (1, 0)).next().await, Some(Ok(0)));
            server.kill().await;
        };
        let ((slept, rest), ()) = deadline("the loss", join(sleeping, killed)).await;
        let Some(Event::Reconnecting(cause @ Ended::Lost(_))) = events.next().await else { panic!("it was lost") };
        assert_eq!(slept, Err(CallError::Closed(cause.to_string())));
        assert_eq!(rest.last(), Some(&Err(CallError::Closed(cause.to_string()))));

        // A call that is made meanwhile waits for the server to come back.
        state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
        let ((), sum) = join(server.start_again(), connection.invoke::<i32>("Add", (1, 2))).await;
        assert_eq!(sum, Ok(3));
        let Some(Event::Reconnected(Some(new))) = events.next().await else { panic!("it is back") };
        assert_ne!(Some(new.clone()), id);
        assert_eq!(connection.id(), Some(new));

        // Streams, handlers and questions as before; groups have to be joined again (P-CLI-07).
        let numbers: Vec<_> = connection.stream::<u32>("Counter", (3, 0)).collect().await;
        assert_eq!(numbers, [Ok(0), Ok(1), Ok(2)]);
        connection.invoke::<()>("SendToGroup", ("g", "nobody hears this")).await.unwrap();
        connection.invoke::<()>("JoinGroup", ("g",)).await.unwrap();
        connection.invoke::<()>("SendToGroup", ("g", "again")).await.unwrap();
        assert_eq!(deadline("the message", messages.recv()).await.as_deref(), Some("again"));
        connection.stop().await;
    }
}
