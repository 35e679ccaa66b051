use hub_core::contract;

#[contract]
trait Chat {
    async fn say(&self, #[cfg(true)] text: &str, #[cfg_attr(true, allow(unused))] more: &str);
}

fn main() {}
