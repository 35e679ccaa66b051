use hub_core::{Answers, Dispatch, Result, contract};
use hub_macros::hub;

#[contract(rename_all = "UPPERCASE", path = "/chat")]
trait Chat {
    const ROOMS: usize = 1;
    async fn say(&mut self, text: &mut String) -> u64;
    async fn right(&self) -> Result<u64>;
    #[authorize(moderator)]
    fn clear(&self);
}

struct Server;

#[hub(crate = "hub_core", authorize())]
impl Server {
    #[method(name = 1)]
    async fn say<T>(&mut self, _: &[&str]) -> u64 {
        1
    }

    #[method]
    async fn right(&self) {}

    #[authorize(1)]
    async fn clear(&self) {}
}

// What is right can be used without another error.
async fn call<R: Answers>(remote: R) {
    let _ = ChatProxy::new(remote).right().await;
}

fn serve<H: Dispatch>(_: H) {}

fn main() {
    serve(Server);
}
