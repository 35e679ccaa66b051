use std::rc::Rc;

use futures_util::stream;
use hub_core::{Result, Stream};
use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    fn history(&self) -> impl Stream<Item = Result<usize>> {
        let shared = Rc::new(1);
        stream::iter((0..3).map(move |number| Ok(number + *shared)))
    }
}

fn main() {}
