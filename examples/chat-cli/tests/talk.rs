//! The program itself, with several users on a chat server.

use program::Program;

/// A chat server, and its address.
fn serve(url: &str) -> (Program, String) {
    let mut server = Program::start_other("chat", &["--urls", url]);
    let line = server.expect("listening on ");
    let url = line.trim_start_matches("listening on ").to_owned();
    (server, url)
}

fn user(name: &str, url: &str, room: &str) -> Program {
    let mut user =
        Program::start(env!("CARGO_BIN_EXE_chat-cli"), &[name, "--url", &format!("{url}/chat"), "--room", room]);
    user.expect(&format!("* You are in #{room}, with "));
    user.expect("/help");
    user
}

#[test]
fn people_talk_and_the_chat_goes_on_behind_a_restart() {
    let (mut server, url) = serve("http://127.0.0.1:0");
    let mut ann = user("ann", &url, "tea");
    let mut bob = user("bob", &url, "tea");
    assert_eq!(ann.expect("came"), "* bob came to #tea.");
    ann.say("hello");
    assert_eq!(bob.expect("hello"), "#tea ann: hello");
    assert_eq!(ann.expect("hello"), "#tea ann: hello");
    bob.say("//me bows\x1b[2J");
    assert_eq!(ann.expect("bows"), "#tea bob: /me bows\u{fffd}[2J");

    // Between two.
    bob.say("/msg ann psst, over here");
    assert_eq!(bob.expect("psst"), "you to ann: psst, over here");
    assert_eq!(ann.expect("psst"), "bob to you: psst, over here");

    // Who comes late reads what was said, and not what was said in private.
    let mut eve = user("eve", &url, "tea");
    assert_eq!(
        eve.seen()[1..4],
        ["* You are in #tea, with ann, bob, eve.", "#tea ann: hello", "#tea bob: /me bows\u{fffd}[2J"]
    );
    eve.say("/who");
    eve.expect("In #tea: ann, bob, eve");
    eve.say("/join cake");
    eve.expect("* You are in #cake, with eve.");
    eve.say("/rooms");
    eve.expect("#cake, 1 online");
    eve.expect("#tea, 3 online");
    eve.say("/leave");
    eve.expect("* You left #cake.");

    // What is refused is said in the hub's words, or in the client's.
    eve.say("/join NO");
    eve.expect("! The name of a room has 1 to 24 letters from a to z");
    eve.say("/dance");
    eve.expect("! There is no /dance. /help shows what there is.");
    eve.say("/help");
    eve.expect("/history [COUNT]");
    eve.say("/quit");
    assert!(eve.end().success());
    assert!(!eve.seen().iter().any(|line| line.contains("psst")));
    assert_eq!(ann.expect("eve left"), "* eve left #tea.");

    // The server dies, and comes back at the same address.
    server.kill();
    ann.expect("Trying again ...");
    bob.expect("Trying again ...");
    ann.say("lost?");
    ann.expect("! The 'Say' method cannot be called if the connection is not active");
    let (_server, again) = serve(&url);
    assert_eq!(again, url);
    ann.expect("* Connected again.");
    bob.expect("* Connected again.");
    bob.say("still here");
    assert_eq!(ann.expect("still"), "#tea bob: still here");
    ann.say("so am I");
    assert_eq!(bob.expect("so am I"), "#tea ann: so am I");

    // The end of the input is the end of the program.
    assert!(ann.end().success());
    bob.expect("* ann left #tea.");
    // Nobody's output was coloured, for it is no terminal.
    assert!(ann.seen().iter().all(|line| !line.contains('\x1b')));
}

#[test]
fn what_cannot_work_is_explained() {
    let (_server, url) = serve("http://127.0.0.1:0");
    let _ann = user("ann", &url, "tea");
    for arguments in [
        &["ann", "--url", &format!("{url}/chat")][..],
        &["--url", "http://127.0.0.1:1/chat", "bob"],
        &["bob", "--url", "nonsense"],
        &["bob", "--colour"],
        &[],
    ] {
        let mut refused = Program::start(env!("CARGO_BIN_EXE_chat-cli"), arguments);
        assert!(!refused.end().success(), "{arguments:?}");
        assert!(refused.seen().is_empty());
    }
}

#[test]
fn the_last_line_comes_back_before_the_end() {
    let (_server, url) = serve("http://127.0.0.1:0");
    // As `echo hello | chat-cli bob` does it.
    let arguments = ["bob", "--url", &format!("{url}/chat")];
    for _ in 0..5 {
        let mut bob = Program::start(env!("CARGO_BIN_EXE_chat-cli"), &arguments);
        bob.say("hello");
        assert!(bob.end().success());
        assert_eq!(bob.seen().last().map(String::as_str), Some("#lobby bob: hello"), "{:?}", bob.seen());
    }
}

#[test]
fn help_says_what_there_is() {
    let mut helping = Program::start(env!("CARGO_BIN_EXE_chat-cli"), &["--help"]);
    assert!(helping.end().success());
    assert_eq!(helping.seen()[0], "usage: chat-cli NAME [--room ROOM] [--url http://127.0.0.1:5000/chat]");
    assert!(helping.seen().iter().any(|line| line.starts_with("/quit ")));
}
