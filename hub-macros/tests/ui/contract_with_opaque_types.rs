use hub_core::{Result, Upload, contract};

struct Opaque;

#[contract]
trait Chat {
    async fn ask(&self, text: &str, opaque: Opaque) -> Result<u64>;
    async fn answer(&self) -> Result<Opaque>;
    async fn upload(&self, opaque: Upload<Opaque>) -> Result<u64>;
}

fn main() {}
