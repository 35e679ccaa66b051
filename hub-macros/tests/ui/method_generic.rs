use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say<T: Send>(&self, text: T);
    async fn tell(&self)
    where
        Self: Clone;
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    async fn say<const N: usize>(&self, _: [u8; N]) {}

    #[method]
    async fn tell(&self, _: impl AsRef<str>) {}
}

fn main() {}
