//! What a parameter can be: owned, lent, a pattern, with lifetimes, and up to sixteen of them.

use std::borrow::Cow;
use std::collections::HashMap;

use hub_core::{HubError, Result, contract};
use hub_macros::hub;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Outcome, call_hub, call_hub_with};

/// Neither `Clone` nor `Default`: lending needs neither.
#[derive(Serialize, Deserialize)]
struct Line {
    from: String,
    text: String,
}

#[contract]
trait Lending {
    async fn text(&self, text: &str) -> Result<usize>;
    async fn texts(&self, texts: &[String]) -> Result<usize>;
    async fn line(&self, line: &Line) -> Result<String>;
    async fn lines(&self, lines: &[Line]) -> Result<usize>;
    async fn maybe(&self, text: &Option<String>) -> Result<usize>;
    async fn owned(&self, map: HashMap<String, u32>) -> Result<u32>;
    async fn pair(&self, pair: (u32, String)) -> Result<String>;
    async fn cow(&self, text: Cow<'_, str>) -> Result<usize>;
    async fn named<'a>(&'a self, left: &'a str, right: &'a str) -> Result<String>;
    #[allow(clippy::too_many_arguments)]
    async fn sixteen(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
    ) -> Result<u8>;
}

struct Lender;

#[hub]
impl Lending for Lender {
    async fn text(&self, text: &str) -> Result<usize> {
        Ok(text.len())
    }

    async fn texts(&self, texts: &[String]) -> Result<usize> {
        Ok(texts.concat().len())
    }

    async fn line(&self, Line { from, text }: &Line) -> Result<String> {
        Ok(format!("{from}: {text}"))
    }

    async fn lines(&self, lines: &[Line]) -> Result<usize> {
        Ok(lines.len())
    }

    async fn maybe(&self, text: &Option<String>) -> Result<usize> {
        Ok(text.as_ref().map_or(0, String::len))
    }

    async fn owned(&self, mut map: HashMap<String, u32>) -> Result<u32> {
        Ok(map.remove("key").unwrap_or_default())
    }

    async fn pair(&self, (number, text): (u32, String)) -> Result<String> {
        Ok(format!("{number}{text}"))
    }

    async fn cow(&self, text: Cow<'_, str>) -> Result<usize> {
        Ok(text.len())
    }

    async fn named<'a>(&'a self, left: &'a str, right: &'a str) -> Result<String> {
        let longer: &'a str = if left.len() > right.len() { left } else { right };
        Ok(longer.to_owned())
    }

    async fn sixteen(
        &self,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        last: u8,
    ) -> Result<u8> {
        Ok(last)
    }
}

#[test]
fn each_kind_of_parameter() {
    let line = || json!({ "from": "ann", "text": "hi" });
    for (name, arguments, answer) in [
        ("Text", json!(["four"]), json!(4)),
        ("Texts", json!([["a", "bc"]]), json!(3)),
        ("Line", json!([line()]), json!("ann: hi")),
        ("Lines", json!([[line(), line()]]), json!(2)),
        ("Maybe", json!([null]), json!(0)),
        ("Maybe", json!(["four"]), json!(4)),
        ("Owned", json!([{ "key": 7 }]), json!(7)),
        ("Pair", json!([[1, "a"]]), json!("1a")),
        ("Cow", json!(["four"]), json!(4)),
        ("Named", json!(["a", "bc"]), json!("bc")),
        ("Sixteen", json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]), json!(16)),
    ] {
        assert_eq!(call_hub(Lender, name, arguments), Outcome::answered(answer), "{name}");
    }
}

/// A type of its own, to be told from strings by name.
type Name = String;

struct Plain;

#[hub]
impl Plain {
    #[method]
    async fn named<'a>(&'a self, text: &'a str, line: Option<Cow<'a, str>>) -> Result<&'a str> {
        Ok(if line.is_some() { "" } else { text })
    }

    #[method]
    async fn of_self(&self, other: Kept<Self>) -> Result<u32> {
        Ok(other.number)
    }

    #[method]
    #[expect(clippy::needless_arbitrary_self_type, reason = "it is `&self` all the same")]
    async fn with_receiver(self: &Self, name: Name) -> Result<Name> {
        Ok(name)
    }

    #[method]
    #[allow(unused_qualifications)]
    async fn qualified(&self, upload: hub_core::Upload<u32>, text: &std::primitive::str) -> hub_core::Result<usize> {
        drop(upload);
        Ok(text.len())
    }
}

/// Something with a parameter that does not travel.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Kept<T> {
    number: u32,
    #[serde(skip)]
    _of: std::marker::PhantomData<fn() -> T>,
}

#[test]
fn parameters_of_a_plain_impl() {
    assert_eq!(call_hub(Plain, "Named", json!(["a", null])), Outcome::answered("a"));
    assert_eq!(call_hub(Plain, "OfSelf", json!([{ "number": 3 }])), Outcome::answered(3));
    assert_eq!(call_hub(Plain, "WithReceiver", json!(["ann"])), Outcome::answered("ann"));
    assert_eq!(call_hub_with(Plain, "Qualified", json!(["abc"]), vec![vec![]]), Outcome::answered(3));
}

#[derive(Debug)]
struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too long")
    }
}

impl std::error::Error for TooLong {}

#[contract]
trait Failing {
    async fn private(&self) -> Result<u32, TooLong>;
    async fn public(&self) -> std::result::Result<u32, HubError>;
}

struct Failed;

#[hub]
impl Failing for Failed {
    async fn private(&self) -> Result<u32, TooLong> {
        Err(TooLong)
    }

    async fn public(&self) -> std::result::Result<u32, HubError> {
        Err(HubError::public("no"))
    }
}

#[test]
fn any_error_becomes_one_of_the_hub() {
    assert_eq!(call_hub(Failed, "Private", json!([])), Outcome::failed("too long"));
    assert_eq!(call_hub(Failed, "Public", json!([])), Outcome::failed("no"));
}
