//! Notices, calls and streams, on a contract's impl and on a plain one, and callbacks.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use hub_core::dispatch::Kind;
use hub_core::{Callbacks, Dispatch, HubError, Result, Stream, Upload, contract};
use hub_macros::{callbacks, hub};
use serde_json::json;

use crate::support::{Outcome, call_back, call_hub, call_hub_with};

#[contract]
trait Counting {
    async fn note(&self, text: &str);
    async fn add(&self, left: u32, right: u32) -> Result<u32>;
    async fn clear(&self) -> Result<()>;
    fn count(&self, to: u32) -> impl Stream<Item = Result<u32>>;
    async fn sum(&self, numbers: Upload<u32>) -> Result<u32>;
    fn double(&self, numbers: Upload<u32>) -> impl Stream<Item = Result<u32>>;
    async fn join(&self, left: Upload<u32>, separator: &str, right: Upload<String>) -> Result<String>;
}

#[derive(Clone, Default)]
struct Counter {
    notes: Arc<Mutex<Vec<String>>>,
    offset: u32,
}

#[hub]
impl Counting for Counter {
    async fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }

    async fn add(&self, left: u32, right: u32) -> Result<u32> {
        left.checked_add(right).ok_or_else(|| HubError::public("too much"))
    }

    async fn clear(&self) -> Result<()> {
        self.notes.lock().unwrap().clear();
        Ok(())
    }

    // Borrows from the hub value, which the call owns.
    fn count(&self, to: u32) -> impl Stream<Item = Result<u32>> {
        stream::iter(0..=to).map(|number| match number {
            0..3 => Ok(number + self.offset),
            _ => Err(HubError::public("three is the end")),
        })
    }

    async fn sum(&self, numbers: Upload<u32>) -> Result<u32> {
        numbers.fold(Ok(0), async |sum, number| Ok(sum? + number?)).await
    }

    fn double(&self, numbers: Upload<u32>) -> impl Stream<Item = Result<u32>> {
        numbers.map(|number| Ok(number? * 2))
    }

    async fn join(&self, mut left: Upload<u32>, separator: &str, mut right: Upload<String>) -> Result<String> {
        let mut joined = String::new();
        while let (Some(left), Some(right)) = (left.next().await, right.next().await) {
            joined += &format!("{}{separator}{};", left?, right?);
        }
        Ok(joined)
    }
}

#[test]
fn a_notice_answers_null() {
    let hub = Counter::default();
    assert_eq!(call_hub(hub.clone(), "Note", json!(["first"])), Outcome::answered(json!(null)));
    assert_eq!(*hub.notes.lock().unwrap(), ["first"]);
}

#[test]
fn a_call_answers_or_fails() {
    assert_eq!(call_hub(Counter::default(), "Add", json!([3, 4])), Outcome::answered(7));
    assert_eq!(call_hub(Counter::default(), "Add", json!([3, u32::MAX])), Outcome::failed("too much"));
    assert_eq!(call_hub(Counter::default(), "Clear", json!([])), Outcome::answered(json!(null)));
}

#[test]
fn a_stream_yields_until_it_ends_or_fails() {
    let hub = Counter { offset: 10, ..Counter::default() };
    let ended = Outcome { items: vec![json!(10), json!(11)], result: Ok(json!(null)) };
    assert_eq!(call_hub(hub.clone(), "Count", json!([1])), ended);
    let failed = Outcome { items: vec![json!(10), json!(11), json!(12)], result: Err("three is the end".into()) };
    assert_eq!(call_hub(hub, "Count", json!([5])), failed);
}

#[test]
fn a_stream_from_the_caller_is_a_parameter() {
    let numbers = || vec![vec![json!(1), json!(2), json!(3)]];
    assert_eq!(call_hub_with(Counter::default(), "Sum", json!([]), numbers()), Outcome::answered(6));
    let doubled = Outcome { items: vec![json!(2), json!(4), json!(6)], result: Ok(json!(null)) };
    assert_eq!(call_hub_with(Counter::default(), "Double", json!([]), numbers()), doubled);
    let two = vec![vec![json!(1), json!(2)], vec![json!("a"), json!("b")]];
    assert_eq!(call_hub_with(Counter::default(), "Join", json!(["-"]), two), Outcome::answered("1-a;2-b;"));
}

#[test]
fn arguments_are_read_before_the_hub_is_asked_for() {
    let short = "Invocation provides 1 argument(s) but target expects 2.";
    assert_eq!(call_hub(Counter::default(), "Add", json!([3])), Outcome::failed(short));
    let long = "Invocation provides 1 argument(s) but target expects 0.";
    assert_eq!(call_hub(Counter::default(), "Clear", json!([3])), Outcome::failed(long));
    assert!(call_hub(Counter::default(), "Add", json!([3, "four"])).result.is_err());
}

#[test]
fn the_table_says_what_a_method_is() {
    let table = Counter::METHODS.iter().map(|method| (method.name, method.kind, method.uploads));
    let expected = [
        ("Note", Kind::Notice, 0),
        ("Add", Kind::Answer, 0),
        ("Clear", Kind::Answer, 0),
        ("Count", Kind::Stream, 0),
        ("Sum", Kind::Answer, 1),
        ("Double", Kind::Stream, 1),
        ("Join", Kind::Answer, 2),
    ];
    assert_eq!(table.collect::<Vec<_>>(), expected);
}

struct Plain {
    greeting: String,
}

#[hub]
impl Plain {
    const SEPARATOR: &str = ", ";

    #[method]
    async fn greet(&self, name: &str) -> Result<String> {
        Ok(self.greeting(name))
    }

    // What is answered may be borrowed from the hub value.
    #[method]
    async fn greeting_only(&self) -> Result<&str> {
        Ok(&self.greeting)
    }

    #[method]
    fn letters(&self, of: &str) -> impl Stream<Item = Result<char>> {
        stream::iter(of.chars()).map(Ok)
    }

    fn greeting(&self, name: &str) -> String {
        format!("{}{}{name}", self.greeting, Self::SEPARATOR)
    }
}

#[test]
fn a_plain_impl_exposes_what_is_marked() {
    let plain = || Plain { greeting: "Hello".into() };
    assert_eq!(Plain::METHODS.len(), 3);
    assert_eq!(call_hub(plain(), "greet", json!(["Ann"])), Outcome::answered("Hello, Ann"));
    assert_eq!(call_hub(plain(), "greetingOnly", json!([])), Outcome::answered("Hello"));
    let letters = Outcome { items: vec![json!("h"), json!("i")], result: Ok(json!(null)) };
    assert_eq!(call_hub(plain(), "letters", json!(["hi"])), letters);
}

struct Silent;

#[hub]
impl Silent {}

#[test]
fn a_hub_may_expose_nothing() {
    assert!(Silent::METHODS.is_empty());
}

#[contract]
trait Screen {
    async fn said(&self, text: &str);
    async fn confirm(&self, question: &str) -> Result<bool>;
}

#[derive(Default)]
struct Terminal {
    lines: Mutex<Vec<String>>,
}

#[callbacks]
impl Screen for Terminal {
    async fn said(&self, text: &str) {
        self.lines.lock().unwrap().push(text.to_owned());
    }

    async fn confirm(&self, question: &str) -> Result<bool> {
        Ok(question.ends_with('?'))
    }
}

struct Bell;

#[callbacks]
impl Bell {
    #[method]
    async fn ring(&self, times: u8) -> Result<String> {
        Ok("ring ".repeat(times.into()))
    }
}

#[test]
fn callbacks_are_shared_by_all_calls() {
    let terminal = Arc::new(Terminal::default());
    assert_eq!(Terminal::METHODS.len(), 2);
    assert_eq!(call_back(&terminal, "Said", json!(["a"])), Outcome::answered(json!(null)));
    assert_eq!(call_back(&terminal, "Said", json!(["b"])), Outcome::answered(json!(null)));
    assert_eq!(*terminal.lines.lock().unwrap(), ["a", "b"]);
    assert_eq!(call_back(&terminal, "Confirm", json!(["sure?"])), Outcome::answered(true));
    assert_eq!(call_back(&Arc::new(Bell), "Ring", json!([2])), Outcome::answered("ring ring "));
}
