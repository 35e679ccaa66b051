//! What the client costs: CPU time of the client's process for each call, beside that of a bare WebSocket client doing
//! the same exchange, and memory while a long stream is received.
//!
//!     cargo build --release --package conformance-hub && cargo bench --package client-tests
//!
//! Each figure is measured in a process of its own, in turn with the others, several times; medians are printed. The
//! hub runs in one process throughout. With a number behind `--`, so many rounds are made.

mod bare;
mod calls;
mod items;
mod usage;

use std::process::Command;

use client_tests::Server;
use program::median;

/// How many rounds are made, unless said otherwise.
const ROUNDS: usize = 7;

/// How many calls are outstanding at a time, and how many are measured.
const CALLS: [(usize, u32); 2] = [(1, 60_000), (16, 300_000)];

const ITEMS: i32 = 1_000_000;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ours", url, outstanding, calls] => calls::run(url, number(outstanding), number(calls)).await,
        ["bare", url, outstanding, calls] => bare::run(url, number(outstanding), number(calls)).await,
        ["items", url, reader, count] => items::run(url, reader == "slow", number(count)).await,
        [] => compare(ROUNDS).await,
        [rounds] => compare(number(rounds)).await,
        _ => panic!("usage: client [ROUNDS]"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

/// Runs everything, and prints the tables.
async fn compare(rounds: usize) {
    let server = Server::ours().await;
    let url = server.at("/hub");
    println!("| CPU of the client, a call | ours | bare | ours ÷ bare |\n| --- | ---: | ---: | ---: |");
    for (outstanding, calls) in CALLS {
        let [mut ours, mut bare, mut ratios] = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let [our, its] = ["ours", "bare"]
                .map(|client| measure(&[client, &url, &outstanding.to_string(), &calls.to_string()])[0]);
            ours.push(our);
            bare.push(its);
            ratios.push(our / its);
        }
        let [ours, bare, ratio] = [ours, bare, ratios].map(median);
        println!("| {outstanding} outstanding | {ours:.2} us | {bare:.2} us | {ratio:.2} |");
    }
    println!("\n| {ITEMS} items | CPU of the client, an item | growth of its memory |\n| --- | ---: | ---: |");
    for reader in ["fast", "slow"] {
        let [mut cpu, mut memory] = [const { Vec::new() }; 2];
        for _ in 0..rounds.min(3) {
            let figures = measure(&["items", &url, reader, &ITEMS.to_string()]);
            cpu.push(figures[0]);
            memory.push(figures[1]);
        }
        println!("| {reader} reader | {:.2} us | {:.0} KiB |", median(cpu), median(memory));
    }
}

/// Runs this program for one measurement, and gives the figures that it prints.
fn measure(words: &[&str]) -> Vec<f64> {
    let program = std::env::current_exe().expect("this program is a file");
    let output = Command::new(program).args(words).output().expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text.split_whitespace().map(number).collect()
}
