use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(text: &str);
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    async fn say() {}
}

fn main() {}
