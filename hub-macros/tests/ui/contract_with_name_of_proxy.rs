use hub_core::{Result, contract};

#[contract]
trait Chat {
    async fn new(&self) -> Result<u64>;
    async fn remote(&self);
}

fn main() {}
