//! What is carried from a method to what is generated for it.

use hub_core::{Dispatch, Result, contract};
use hub_macros::hub;
use serde_json::json;

use crate::support::{Connection, Outcome, call_hub, method, ready};

/// A contract in which some methods do not exist.
#[contract]
#[deny(missing_docs)]
pub(crate) trait Chat {
    /// Says it.
    async fn say(&self, text: &str) -> Result<u8>;

    /// Not here.
    #[cfg(false)]
    async fn absent(&self, missing: Missing) -> Result<Missing>;

    /// Here in one of two forms, under one name.
    #[cfg(true)]
    async fn either(&self) -> Result<u8>;

    /// The other form.
    #[cfg(not(true))]
    async fn either(&self, missing: Missing) -> Result<Missing>;

    /// Yields to `say`.
    #[deprecated = "say it"]
    async fn tell(&self) -> Result<u8>;

    /// Hidden only where documentation is built in a certain way.
    #[cfg_attr(docsrs, doc(hidden))]
    async fn quiet(&self);
}

struct Hub;

#[hub]
impl Chat for Hub {
    async fn say(&self, text: &str) -> Result<u8> {
        Ok(text.len() as u8)
    }

    #[cfg(false)]
    async fn absent(&self, missing: Missing) -> Result<Missing> {
        Ok(missing)
    }

    #[cfg(true)]
    #[cancellable]
    async fn either(&self) -> Result<u8> {
        Ok(1)
    }

    #[cfg(not(true))]
    async fn either(&self, missing: Missing) -> Result<Missing> {
        Ok(missing)
    }

    async fn tell(&self) -> Result<u8> {
        Ok(2)
    }

    async fn quiet(&self) {}
}

#[test]
fn what_does_not_exist_is_not_exposed() {
    let names = Hub::METHODS.iter().map(|method| method.name).collect::<Vec<_>>();
    assert_eq!(names, ["Say", "Either", "Tell", "Quiet"]);
    assert_eq!(call_hub(Hub, "Either", json!([])), Outcome::answered(1));
}

#[test]
#[expect(deprecated, reason = "the attribute is carried over")]
fn the_proxy_is_deprecated_where_the_trait_is() {
    assert_eq!(ready(ChatProxy::new(Connection::answering(2)).tell()), Ok(2));
}

#[test]
fn the_proxy_has_what_the_trait_has() {
    assert_eq!(ready(ChatProxy::new(Connection::answering(1)).either()), Ok(1));
    assert_eq!(ready(ChatProxy::new(Connection::answering(1)).say("a")), Ok(1));
    ready(ChatProxy::new(Connection::default()).quiet()).unwrap();
}

struct Plain;

#[hub]
impl Plain {
    #[method]
    #[cfg(false)]
    async fn absent(&self, missing: Missing) {}

    /// Documented, and deprecated for those who call it from Rust.
    #[deprecated]
    #[method]
    #[cfg(true)]
    async fn present(&self) -> Result<u8> {
        Ok(3)
    }

    #[method(name = "One")]
    #[cfg(true)]
    async fn this(&self) {}

    #[method(name = "one")]
    #[cfg(not(true))]
    async fn that(&self) {}
}

#[test]
fn the_same_in_a_plain_impl() {
    assert_eq!(call_hub(Plain, "Present", json!([])), Outcome::answered(3));
    assert_eq!(Plain::METHODS.iter().map(|method| method.name).collect::<Vec<_>>(), ["Present", "One"]);
}

struct Searching;

#[hub]
impl Searching {
    #[cancellable]
    #[method]
    async fn search(&self) -> Result<u8> {
        Ok(4)
    }

    #[method]
    async fn order(&self) {}
}

#[test]
fn only_what_is_marked_is_cancellable() {
    let cancellable = |name| method(Searching::METHODS, name).cancellable;
    assert_eq!([cancellable("Search"), cancellable("Order")], [true, false]);
    assert_eq!([method(Hub::METHODS, "Either").cancellable, method(Hub::METHODS, "Say").cancellable], [true, false]);
    assert_eq!(call_hub(Searching, "Search", json!([])), Outcome::answered(4));
}
