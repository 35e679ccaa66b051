use hub_core::{Result, Stream, contract};

#[contract]
trait Chat {
    async fn history(&self) -> impl Stream<Item = Result<u64>>;
}

fn main() {}
