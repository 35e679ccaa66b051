use hub_core::{Result, Stream, contract};

#[contract]
trait Chat {
    async fn name(&self) -> Result<&str>;
    fn names(&self) -> impl Stream<Item = Result<Option<&str>>>;
}

fn main() {}
