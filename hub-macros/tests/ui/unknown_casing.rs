use hub_core::contract;

#[contract(rename_all = "kebab-case")]
trait Chat {}

fn main() {}
