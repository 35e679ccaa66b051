//! Both programs.

use program::Program;

#[test]
fn messages_go_both_ways_at_once() {
    let mut plant = Program::start(env!("CARGO_BIN_EXE_plant"), &["127.0.0.1:0"]);
    let line = plant.expect("listening on ");
    let url = line.trim_start_matches("listening on ");

    // They say themselves when one is missing or was overtaken.
    let mut control = Program::start(env!("CARGO_BIN_EXE_control"), &["--url", url, "--messages", "20000"]);
    control.expect("readings received: 20000 in ");
    assert!(control.end().success());
    plant.expect("commands received: 20000 in ");

    let mut control = Program::start(env!("CARGO_BIN_EXE_control"), &["--url", url, "--seconds", "1"]);
    for line in [control.expect("readings received: "), plant.expect("commands received: ")] {
        let count: u64 = line.split(' ').nth(2).and_then(|count| count.parse().ok()).unwrap();
        assert!(count > 0, "{line}");
    }
    assert!(control.end().success());

    let mut wrong = Program::start(env!("CARGO_BIN_EXE_control"), &["--seconds", "many"]);
    assert!(!wrong.end().success());
}
