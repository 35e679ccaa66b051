use hub_core::contract;

#[contract]
trait Chat {
    async fn say(&self, text: &str) {
        println!("{text}");
    }
}

fn main() {}
