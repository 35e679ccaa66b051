use hub_core::{Result, contract};
use hub_macros::hub;

#[contract]
trait Chat {
    fn say(&self, text: &str) -> Result<u64>;
    fn typing(&self);
    fn future(&self) -> impl Future<Output = Result<u64>>;
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    fn history(&self) -> Vec<Result<u64>> {
        Vec::new()
    }
}

fn main() {}
