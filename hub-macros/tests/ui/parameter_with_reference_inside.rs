use hub_core::{Upload, contract};

#[contract]
trait Chat {
    async fn say(&self, texts: &[&str], more: Option<&str>, items: Upload<&str>);
}

fn main() {}
