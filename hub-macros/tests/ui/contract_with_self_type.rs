use hub_core::{Result, contract};

#[contract]
trait Chat {
    async fn say(&self, other: &Self);
    async fn find(&self) -> Result<Vec<Box<Self>>>;
}

fn main() {}
