use hub_core::contract;

#[contract(crate = "hub-core")]
trait Chat {}

fn main() {}
