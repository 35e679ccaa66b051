//! The program, as server and as players.

use std::process::{Command, Stdio};

use program::Program;

const GAME: &str = env!("CARGO_BIN_EXE_game-loop");

fn serve(address: &str) -> (Program, String) {
    let mut server = Program::start(GAME, &["serve", address]);
    let line = server.expect("listening on ");
    (server, line.trim_start_matches("listening on ").to_owned())
}

#[test]
fn players_see_each_other_and_come_back() {
    let (mut server, url) = serve("127.0.0.1:0");
    let mut ann = Program::start(GAME, &["play", "ann", "--url", &url]);
    ann.expect("in the game, with 0 others");

    let mut bob = Program::start(GAME, &["play", "bob", "--url", &url, "--frames", "120"]);
    bob.expect("in the game, with 1 others");
    assert_eq!(bob.expect("is here"), "ann is here");
    assert_eq!(ann.expect("is here"), "bob is here");
    // They move, and see each other move.
    let places: Vec<_> = [bob.expect("frame 60: "), bob.expect("frame 120: ")]
        .iter()
        .map(|line| line.split_once("ann at ").unwrap_or_else(|| panic!("no ann in {line}")).1.to_owned())
        .collect();
    assert_ne!(places[0], places[1]);
    assert!(bob.end().success());
    assert!(bob.seen().last().is_some_and(|line| line.starts_with("120 frames, the longest took ")));
    assert_eq!(ann.expect("has left"), "bob has left");

    server.kill();
    ann.expect("reconnecting: ");
    let (_server, _) = serve(url.trim_start_matches("http://"));
    ann.expect("in the game, with 0 others");
}

#[test]
fn nobody_there_ends_the_game() {
    let mut alone = Program::start(GAME, &["play", "ann", "--url", "http://127.0.0.1:1"]);
    assert!(!alone.end().success());
    assert_eq!(alone.seen().len(), 1);
}

#[test]
fn a_player_whose_output_nobody_reads_leaves() {
    let (_server, url) = serve("127.0.0.1:0");
    let mut command = Command::new(GAME);
    command.args(["play", "ann", "--url", &url]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut unseen = command.spawn().expect("it is built");
    drop(unseen.stdout.take());
    let output = unseen.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn help_says_what_there_is() {
    for arguments in [&["--help"][..], &["play", "ann", "-h"]] {
        let mut helping = Program::start(GAME, arguments);
        assert!(helping.end().success());
        assert_eq!(helping.seen()[0], "usage: game-loop serve [ADDRESS]");
    }
}
