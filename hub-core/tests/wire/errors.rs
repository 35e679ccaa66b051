//! Which errors say what to whom (protocol.md section 8).

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use hub_core::{CallError, Codec, HubError, IncomingUpload, Items, Payload, Stream, Upload, short_type_name};

use crate::payload;

/// A stream of what is there already.
struct Ready<T>(std::vec::IntoIter<T>);

impl<T: Unpin> Stream for Ready<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.next())
    }
}

fn ready<T: Unpin + Send + 'static>(items: Vec<T>) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    Box::pin(Ready(items.into_iter()))
}

fn all<T, E: ToString>(stream: impl Stream<Item = Result<T, E>>) -> Vec<Result<T, String>> {
    let (mut stream, mut cx) = (pin!(stream), Context::from_waker(Waker::noop()));
    let mut items = Vec::new();
    while let Poll::Ready(Some(item)) = stream.as_mut().poll_next(&mut cx) {
        items.push(item.map_err(|error| error.to_string()));
    }
    items
}

#[test]
fn p_err_01_02_03_what_the_caller_reads() {
    let head = "An unexpected error occurred invoking 'T' on the server.";
    let parse = || HubError::from("x".parse::<u8>().unwrap_err());
    for (error, off, on) in [
        (HubError::public("seats"), " HubException: seats", " HubException: seats"),
        (HubError::private("secret"), "", " HubError: secret"),
        (parse(), "", " ParseIntError: invalid digit found in string"),
    ] {
        assert_eq!(error.wire_text(head, false), format!("{head}{off}"));
        assert_eq!(error.wire_text(head, true), format!("{head}{on}"));
    }
    assert!(parse().cause().is_some() && !parse().is_public());
}

#[test]
fn p_err_02_short_type_names() {
    assert_eq!(short_type_name::<std::num::ParseIntError>(), "ParseIntError");
    assert_eq!(short_type_name::<Option<String>>(), "String");
    assert_eq!(short_type_name::<Vec<std::io::Error>>(), "Vec");
    assert_eq!(short_type_name::<u8>(), "u8");
}

#[test]
fn p_up_06_08_10_what_a_method_reads_of_an_upload() {
    let reason = "Make sure that the types of the provided values match the types of the hub method being invoked.";
    for (detailed_errors, text) in [
        (false, "Failed to bind Stream message.".to_owned()),
        (true, format!("Failed to bind Stream message. InvalidDataException: Error binding arguments. {reason}")),
    ] {
        for codec in Codec::ALL {
            let items = [codec.encode_value(&5), codec.encode_value("x"), codec.encode_value(&6)];
            let payloads = ready(items.into_iter().map(|item| Ok(item.unwrap())).collect());
            let upload = Upload::<u8>::incoming(IncomingUpload { payloads, detailed_errors });
            assert_eq!(all(upload), [Ok(5), Err(text.clone())], "it ends that upload");
        }
    }
    let payloads = ready(vec![Err(HubError::public("The underlying connection was closed."))]);
    let upload = Upload::<u8>::incoming(IncomingUpload { payloads, detailed_errors: false });
    assert_eq!(all(upload), [Err("The underlying connection was closed.".to_owned())]);
}

#[test]
fn p_inv_19_items_that_do_not_convert() {
    let items: Vec<Result<Payload, CallError>> = vec![
        Ok(payload(Codec::Json, "1")),
        Ok(payload(Codec::Json, "null")),
        Err(CallError::Remote("as it came".to_owned())),
    ];
    let told = all(Items::<u8>::new(ready(items)));
    assert_eq!(told[0], Ok(1));
    assert!(told[1].is_err());
    assert_eq!(told[2], Err("as it came".to_owned()));
}
