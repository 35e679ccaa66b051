//! Names on the wire.

use hub_core::{Callbacks, Dispatch, Result, contract};
use hub_macros::{callbacks, hub};
use serde_json::json;

use crate::support::{Connection, Outcome, call_hub, ready};

#[contract]
trait Pascal {
    async fn say_hello(&self);
    async fn r#type(&self) -> Result<u8>;
    async fn r#async(&self, r#fn: &str) -> Result<String>;
    #[method(name = "log.line")]
    async fn log(&self);
    #[method(name = "New")]
    async fn make(&self);
}

#[contract(rename_all = "camelCase")]
trait Camel {
    async fn say_hello(&self);
    #[method(name = "Shout")]
    async fn shout_it(&self);
}

#[contract(rename_all = "snake_case")]
trait Snake {
    async fn say_hello(&self);
}

struct Hub;

#[hub]
impl Pascal for Hub {
    async fn say_hello(&self) {}
    async fn r#type(&self) -> Result<u8> {
        Ok(1)
    }
    async fn r#async(&self, r#fn: &str) -> Result<String> {
        Ok(r#fn.to_owned())
    }
    async fn log(&self) {}
    async fn make(&self) {}
}

struct CamelHub;

#[hub]
impl Camel for CamelHub {
    async fn say_hello(&self) {}
    async fn shout_it(&self) {}
}

struct SnakeClient;

#[callbacks]
impl Snake for SnakeClient {
    async fn say_hello(&self) {}
}

struct Plain;

#[hub(rename_all = "camelCase")]
impl Plain {
    #[method]
    async fn say_hello(&self) {}

    #[method(name = "Shout")]
    async fn shout_it(&self) {}
}

#[test]
fn the_table_holds_the_names_of_the_contract() {
    let names = Hub::METHODS.iter().map(|method| method.name).collect::<Vec<_>>();
    assert_eq!(names, ["SayHello", "Type", "Async", "log.line", "New"]);
    assert_eq!(CamelHub::METHODS.iter().map(|method| method.name).collect::<Vec<_>>(), ["sayHello", "Shout"]);
    assert_eq!(SnakeClient::METHODS.iter().map(|method| method.name).collect::<Vec<_>>(), ["say_hello"]);
    assert_eq!(Plain::METHODS.iter().map(|method| method.name).collect::<Vec<_>>(), ["sayHello", "Shout"]);
}

#[test]
fn the_proxy_calls_by_the_same_names() {
    let connection = Connection::answering("x");
    let target = |connection: &Connection| connection.asked().remove(0).0;
    ready(PascalProxy::new(connection.clone()).say_hello()).unwrap();
    assert_eq!(target(&connection), "SayHello");
    ready(PascalProxy::new(connection.clone()).r#async("x")).unwrap();
    assert_eq!(target(&connection), "Async");
    ready(PascalProxy::new(connection.clone()).log()).unwrap();
    assert_eq!(target(&connection), "log.line");
    ready(CamelProxy::new(connection.clone()).say_hello()).unwrap();
    assert_eq!(target(&connection), "sayHello");
    ready(CamelProxy::new(connection.clone()).shout_it()).unwrap();
    assert_eq!(target(&connection), "Shout");
    ready(SnakeProxy::new(connection.clone()).say_hello()).unwrap();
    assert_eq!(target(&connection), "say_hello");
}

#[test]
fn a_raw_identifier_is_called_without_its_prefix() {
    assert_eq!(call_hub(Hub, "type", json!([])), Outcome::answered(1));
    assert_eq!(call_hub(Hub, "async", json!(["a"])), Outcome::answered("a"));
}

/// Methods that differ as the constants with their names must differ.
#[contract]
trait Alike {
    #[method(name = "1")]
    async fn say(&self) -> Result<u8>;
    #[method(name = "2")]
    #[allow(non_snake_case)]
    async fn Say(&self) -> Result<u8>;
    #[method(name = "3")]
    async fn __say(&self) -> Result<u8>;
    #[method(name = "4")]
    async fn r#say_(&self) -> Result<u8>;
}

struct Four;

#[hub]
impl Alike for Four {
    async fn say(&self) -> Result<u8> {
        Ok(1)
    }
    async fn Say(&self) -> Result<u8> {
        Ok(2)
    }
    async fn __say(&self) -> Result<u8> {
        Ok(3)
    }
    async fn say_(&self) -> Result<u8> {
        Ok(4)
    }
}

/// An inherent method of the same name is not the one that is called.
impl Four {
    #[allow(dead_code)]
    async fn say(&self) -> Result<u8> {
        Ok(9)
    }
}

#[test]
fn each_method_has_its_own_name() {
    for number in 1..=4 {
        assert_eq!(call_hub(Four, &number.to_string(), json!([])), Outcome::answered(number));
    }
}
