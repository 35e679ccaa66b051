use hub_core::contract;
use hub_macros::{callbacks, hub};

#[contract(name = "chat")]
trait Chat {}

#[contract("chat")]
trait Text {}

struct Server;

#[hub(crate = "hub_core", path = "/chat")]
impl Server {}

struct Client;

#[callbacks(crate = "hub_core", authorize = member)]
impl Client {}

struct Named;

#[hub(crate = "hub_core")]
impl Named {
    #[method(rename = "Say")]
    async fn say(&self) {}
}

fn main() {}
