//! The program, as one and as two.

use std::process::{Command, Stdio};

use program::Program;

const COUNTER: &str = env!("CARGO_BIN_EXE_counter");

const PRINTED: &str = "\
down: 5
down: 4
down: 3
down: 2
down: 1
down: 0
a long countdown begins with [315360000, 315359999, 315359998]
up: the sum is 1
up: the sum is 3
up: the sum is 6
up: the sum is 10
up: the sum is 15
the sum of a hundred thousand is 5000050000
up: the sum is 9223372036854775807
up: An error occurred on the server while streaming results. HubException: 9223372036854775807 and 1 are too much for 64 bits";

#[test]
fn it_counts_in_one_program() {
    let mut both = Program::start(COUNTER, &[]);
    assert!(both.end().success());
    assert_eq!(both.seen().join("\n"), PRINTED);
}

#[test]
fn it_counts_in_two() {
    let mut server = Program::start(COUNTER, &["serve", "127.0.0.1:0"]);
    let line = server.expect("listening on ");
    let mut client = Program::start(COUNTER, &["count", line.trim_start_matches("listening on ")]);
    assert!(client.end().success());
    assert_eq!(client.seen().join("\n"), PRINTED);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&[][..], &["--help"]] {
        let mut command = Command::new(COUNTER);
        let mut counting =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
        drop(counting.stdout.take());
        let output = counting.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    }
}

#[test]
fn help_says_what_there_is() {
    for arguments in [&["--help"][..], &["-h"], &["serve", "--help"]] {
        let mut helping = Program::start(COUNTER, arguments);
        assert!(helping.end().success());
        assert_eq!(helping.seen()[0], "usage: counter [serve [ADDRESS] | count URL]");
        assert!(helping.seen().iter().all(|line| line.len() <= 120));
    }
    assert_eq!(Program::start(COUNTER, &["down"]).end().code(), Some(2));
}
