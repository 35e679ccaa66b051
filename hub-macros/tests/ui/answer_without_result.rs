use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(&self, text: &str) -> u64;
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    async fn typing(&self) -> () {}

    #[method]
    async fn wide(&self) -> std::fmt::Result {
        Ok(())
    }
}

fn main() {}
