use std::future::ready;
use std::rc::Rc;

use hub_core::{Result, contract};
use hub_macros::hub;

struct Plain;

#[hub(crate = "hub_core")]
impl Plain {
    #[method]
    async fn say(&self, text: &str) -> Result<usize> {
        let shared = Rc::new(text);
        ready(()).await;
        Ok(shared.len())
    }
}

#[contract]
trait Chat {
    async fn say(&self, text: &str);
}

struct Server;

#[hub(crate = "hub_core")]
impl Chat for Server {
    async fn say(&self, text: &str) {
        let shared = Rc::new(text);
        ready(()).await;
        drop(shared);
    }
}

fn main() {}
