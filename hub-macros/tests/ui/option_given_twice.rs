use hub_core::contract;

#[contract(rename_all = "camelCase", rename_all = "PascalCase")]
trait Chat {}

fn main() {}
