use hub_core::{Arguments, CallError, Remote, Result, contract};

#[contract]
trait Client {
    async fn said(&self, text: &str);
    async fn confirm(&self, question: &str) -> Result<bool>;
}

/// Many connections.
struct Many;

impl Remote for Many {
    async fn send<A: Arguments>(&self, _: &str, _: A) -> Result<(), CallError> {
        Ok(())
    }
}

async fn ask(group: ClientProxy<Many>) -> Result<bool, CallError> {
    group.said("sure?").await?;
    group.confirm("sure?").await
}

fn main() {}
