use futures_util::stream;
use hub_core::{Stream, contract};
use hub_macros::hub;

#[contract]
trait Chat {
    fn history(&self) -> impl Stream<Item = u64>;
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    fn history(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }
}

fn main() {}
