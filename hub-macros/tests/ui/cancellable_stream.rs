use hub_core::{Result, Stream};
use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[cancellable]
    fn history(&self) -> impl Stream<Item = Result<u64>> {
        futures_util::stream::empty()
    }
}

fn main() {}
