use hub_core::{Result, contract};

#[contract]
trait Chat<Line> {
    async fn say(&self, line: Line) -> Result<Line>;
}

#[contract]
trait Lending<'a> {
    async fn say(&self, line: &'a str);
}

fn main() {}
