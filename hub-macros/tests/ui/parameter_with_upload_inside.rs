use hub_core::{Upload, contract};

#[contract]
trait Chat {
    async fn say(&self, lent: &Upload<u8>, optional: Option<Upload<u8>>, items: Upload<Upload<u8>>);
}

fn main() {}
