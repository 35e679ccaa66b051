use hub_core::{Answers, Arguments, CallError, Items, Remote, Result, Stream, contract};
use serde::de::DeserializeOwned;

#[contract]
trait Client {
    fn lines(&self) -> impl Stream<Item = Result<String>>;
}

/// One connection.
struct One;

impl Remote for One {
    async fn send<A: Arguments>(&self, _: &str, _: A) -> Result<(), CallError> {
        Ok(())
    }
}

impl Answers for One {
    async fn invoke<A: Arguments, T: DeserializeOwned + Send>(&self, _: &str, _: A) -> Result<T, CallError> {
        Err(CallError::TimedOut)
    }
}

fn ask(client: ClientProxy<One>) -> Items<String> {
    client.lines()
}

fn main() {}
