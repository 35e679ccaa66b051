use hub_core::contract;

#[contract]
trait Chat {
    const ROOMS: usize;
    type Line;
    async fn say(&self);
}

fn main() {}
