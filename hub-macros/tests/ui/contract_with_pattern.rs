use hub_core::contract;

#[contract]
trait Chat {
    async fn say(&self, (left, right): (u8, u8));
    async fn tell(&self, _: u8);
}

fn main() {}
