use hub_core::contract;

#[contract]
trait Chat {
    async fn say(&self, text: &mut String);
}

fn main() {}
