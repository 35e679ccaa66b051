use std::cell::Cell;

use hub_macros::hub;

struct Chat(Cell<u32>);

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn say(&self) {}
}

fn main() {}
