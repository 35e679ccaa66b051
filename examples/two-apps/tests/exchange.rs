//! Both programs.

use std::process::{Command, Stdio};

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

#[test]
fn programs_whose_output_nobody_reads_do_their_work() {
    let mut plant = Program::start(env!("CARGO_BIN_EXE_plant"), &["127.0.0.1:0"]);
    let line = plant.expect("listening on ");
    let url = line.trim_start_matches("listening on ");
    let mut command = Command::new(env!("CARGO_BIN_EXE_control"));
    command.args(["--url", url, "--messages", "10"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut unread = command.spawn().expect("it is built");
    drop(unread.stdout.take());
    let output = unread.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    plant.expect("commands received: 10 in ");
}

#[test]
fn help_says_what_there_is() {
    for (program, usage) in [
        (env!("CARGO_BIN_EXE_plant"), "usage: plant [ADDRESS]"),
        (
            env!("CARGO_BIN_EXE_control"),
            "usage: control [--url http://127.0.0.1:5000] [--seconds 5 | --messages COUNT]",
        ),
    ] {
        let mut helping = Program::start(program, &["--help"]);
        assert!(helping.end().success());
        assert_eq!(helping.seen()[0], usage);
    }
}
