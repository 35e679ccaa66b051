use futures_util::stream;
use hub_core::{Result, Stream};
use hub_macros::hub;

struct Opaque;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn one(&self) -> Result<Vec<Opaque>> {
        Ok(vec![Opaque])
    }

    #[method]
    fn several(&self) -> impl Stream<Item = Result<Opaque>> {
        stream::empty()
    }
}

fn main() {}
