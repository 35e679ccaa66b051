//! The command line of the program.

use std::process::{Command, Stdio};

use program::Program;

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

#[test]
fn help_says_what_there_is() {
    for arguments in [&["--help"][..], &["-h"], &["--urls", "--help"]] {
        let mut helping = Program::start(CHAT, arguments);
        assert!(helping.end().success());
        assert_eq!(helping.seen()[0], "usage: chat [--urls http://127.0.0.1:5000]");
        assert!(helping.seen().iter().all(|line| line.len() <= 120));
    }
}

#[test]
fn what_is_wrong_is_said() {
    for arguments in [&["--port"][..], &["--urls"], &["--urls", "localhost"]] {
        assert_eq!(Program::start(CHAT, arguments).end().code(), Some(2));
    }
}

#[test]
fn help_for_nobody_is_no_error() {
    let mut helping = Command::new(CHAT).arg("--help").stdout(Stdio::piped()).spawn().expect("it is built");
    drop(helping.stdout.take());
    assert!(helping.wait().expect("it ends").success());
}
