//! `hubcall` as a shell runs it: against the conformance hub, ASP.NET Core, servers that misbehave, and proxies.

use std::process::Stdio;

use client_tests::{Fake, Proxy, Server, deadline};
use futures_util::future::join;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a program did.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

/// The program, in an environment without proxies.
fn hubcall(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubcall"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

async fn finish(mut command: Command) -> Done {
    let output = deadline("the program's end", command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

async fn run(words: &[&str]) -> Done {
    finish(hubcall(words)).await
}

/// A program that goes on.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(words: &[&str]) -> Self {
        let mut child = hubcall(words).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        deadline("a line", self.lines.next_line()).await.unwrap().expect("it goes on")
    }

    /// The rest of it.
    async fn finish(mut self) -> Done {
        let mut out = String::new();
        while let Some(line) = deadline("a line", self.lines.next_line()).await.unwrap() {
            out += &(line + "\n");
        }
        end(self.child, out).await
    }

    /// Closes the pipe, and waits for the end.
    async fn close(self) -> Done {
        drop(self.lines);
        end(self.child, String::new()).await
    }

    #[cfg(unix)]
    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }
}

async fn end(mut child: Child, out: String) -> Done {
    let mut err = String::new();
    deadline("its errors", child.stderr.take().unwrap().read_to_string(&mut err)).await.unwrap();
    let status = deadline("the program's end", child.wait()).await.unwrap();
    Done { code: status.code().unwrap(), out, err }
}

/// Everything that works, in one protocol.
async fn all(server: &Server, protocol: &str) {
    let url = server.at("/hub");
    let with = |verb: &str, words: &[&str]| {
        let words = [&["--protocol", protocol, verb, &url], words].concat();
        hubcall(&words)
    };
    let call = async |words: &[&str]| finish(with("call", words)).await;

    // A text for bytes is base64 in JSON, and over MessagePack its UTF-8, which is printed as base64.
    let text_for_bytes = if protocol == "json" { "\"AQL/\"\n" } else { "\"QVFMLw==\"\n" };
    let sample = r#"{"Name":"a b","Value":-5,"Ratio":0.1,"Tags":["x","é\n"],"Child":null}"#;
    for (words, result) in [
        (&["Add", "40", "-2"][..], "38\n"),
        (&["echo", r#""it's""#], "\"it's\"\n"),
        (&["Join", r#""a""#, "null"], "\"a\"\n"),
        (&["EchoBytes", r#""AQL/""#], text_for_bytes),
        (&["EchoObject", sample], &format!("{sample}\n")),
        // P-INV-12: a result that is none, and one that is null, are the same.
        (&["Nothing"], ""),
        (&["Header", r#""X-None""#], ""),
    ] {
        let done = call(words).await;
        let out = done.out.replace("\\u00E9", "é");
        assert_eq!((done.code, &*out, &*done.err), (0, result, ""), "{words:?}");
    }

    // The hub's own words, and nothing else.
    let failed = call(&["FailPublic", r#""on purpose""#]).await;
    let text = "An unexpected error occurred invoking 'FailPublic' on the server. HubException: on purpose\n";
    assert_eq!((failed.code, &*failed.out, &*failed.err), (1, "", text));
    let unknown = call(&["NoSuch", "1"]).await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.err.ends_with("HubException: Method does not exist.\n"), "{unknown:?}");

    let words = finish(with("stream", &["Words", r#""a b c""#])).await;
    assert_eq!((words.code, &*words.out, &*words.err), (0, "\"a\"\n\"b\"\n\"c\"\n", ""));
    let failed = finish(with("stream", &["StreamFailPublic", "2", r#""on purpose""#])).await;
    assert_eq!((failed.code, &*failed.out), (1, "0\n1\n"));
    assert!(failed.err.ends_with("HubException: on purpose\n"), "{failed:?}");

    // What is sent arrives although the program ends at once; what comes is told as it comes.
    let announced = format!("{url}?announce=1");
    let names = ["Connected", "Receive", "Object"];
    let words = [&["--protocol", protocol, "listen", &announced, "--count", "3"], &names[..]].concat();
    let mut listening = Running::start(&words);
    let connected = listening.line().await;
    assert!(connected.starts_with(r#"{"target":"Connected","arguments":[""#), "{connected}");
    for text in ["first", "second"] {
        let sent = finish(with("send", &["Broadcast", &format!("{text:?}")])).await;
        assert_eq!((sent.code, &*sent.out, &*sent.err), (0, "", ""));
        let expected = format!("{{\"target\":\"Receive\",\"arguments\":[\"{text}\"]}}");
        assert_eq!(listening.line().await, expected);
    }
    let listened = listening.finish().await;
    assert_eq!((listened.code, &*listened.out, &*listened.err), (0, "", ""));

    // Requests carry headers and tokens, and there may be one alone.
    let own = call(&["Header", r#""X-Own""#, "-H", "X-Own: a: b"]).await;
    assert_eq!(own.out, "\"a: b\"\n");
    let token = token(server).await;
    let direct = call(&["--skip-negotiation", "WhoAmI", "--token", &token]).await;
    assert!(direct.out.contains(r#""UserId":"ann""#), "{direct:?}");
    let private = server.at("/hub-auth");
    let known = run(&["--protocol", protocol, "--token", &token, "call", &private, "Secret"]).await;
    assert_eq!((known.code, &*known.out), (0, "\"secret\"\n"));
    let anonymous = run(&["--protocol", protocol, "call", &private, "Secret"]).await;
    assert_eq!((anonymous.code, &*anonymous.out), (3, ""));
    assert!(anonymous.err.contains("401 Unauthorized"), "{anonymous:?}");

    // P-CLS-01: lost while it waits.
    let aborted = call(&["Abort"]).await;
    assert_eq!(aborted.code, 3, "{aborted:?}");
    assert!(aborted.err.starts_with("hubcall: The server closed the connection"), "{aborted:?}");
    for (verb, words, what) in [
        ("call", &["Sleep", "60000"][..], "answer"),
        ("stream", &["Counter", "2", "60000"], "item"),
        ("listen", &["Nobody"], "message"),
    ] {
        let late = finish(with(verb, &[words, &["--timeout", "0.3"]].concat())).await;
        let expected = format!("hubcall: no {what} within 300ms, the --timeout\n");
        assert_eq!((late.code, &*late.err), (4, &*expected), "{late:?}");
    }
}

/// A token of a user.
async fn token(server: &Server) -> String {
    use tokio::io::AsyncWriteExt;

    let address = server.url.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /token?user=ann HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response.split(['\r', '\n']).find(|line| line.starts_with("eyJ")).expect("a token").to_owned()
}

#[tokio::test]
async fn json() {
    all(&Server::ours().await, "json").await;
}

#[tokio::test]
async fn messagepack() {
    all(&Server::ours().await, "messagepack").await;
}

#[tokio::test]
async fn reference() {
    if let Some(server) = Server::reference().await {
        all(&server, "json").await;
        all(&server, "messagepack").await;
    }
}

#[tokio::test]
async fn json_goes_through_as_it_stands() {
    let fake = Fake::new().await;
    let argument = r#"{"b":1.50,"a":[123456789012345678901234567890,1e999]}"#;
    let words = ["--skip-negotiation", "stream", &fake.at("/hub"), "M", argument, r#""\u0041""#];
    let running = Running::start(&words);
    let mut socket = fake.open().await;
    let call = format!(r#"{{"type":4,"invocationId":"1","target":"M","arguments":[{argument},"\u0041"]}}"#);
    assert_eq!(socket.receive().await, call + "\u{1e}");
    for item in [argument, "{\r\n \"a\" : 1\n}", "null"] {
        socket.send(&format!("{{\"type\":2,\"invocationId\":\"1\",\"item\":{item}}}\u{1e}")).await;
    }
    socket.send("{\"type\":3,\"invocationId\":\"1\"}\u{1e}").await;
    // It says goodbye.
    assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
    assert_eq!(socket.receive().await, "closed 1000");
    let done = running.finish().await;
    assert_eq!((done.code, done.out), (0, format!("{argument}\n{{   \"a\" : 1 }}\nnull\n")));
}

#[tokio::test]
async fn connections_that_are_lost() {
    let gone = Fake::new().await;
    let url = gone.at("/hub");
    drop(gone);
    let refused = run(&["call", &url, "Add", "1", "2"]).await;
    assert_eq!(refused.code, 3);
    assert!(refused.err.starts_with("hubcall: Unable to connect to 127.0.0.1:"), "{refused:?}");

    // What came before is there.
    let item = "{\"type\":2,\"invocationId\":\"1\",\"item\":1}\u{1e}";
    let message = "{\"type\":1,\"target\":\"M\",\"arguments\":[2]}\u{1e}";
    for (verb, sent, printed) in
        [("stream", item, "1\n"), ("listen", message, "{\"target\":\"M\",\"arguments\":[2]}\n")]
    {
        for close in ["", "{\"type\":7,\"error\":\"enough\"}\u{1e}"] {
            let fake = Fake::new().await;
            let running = Running::start(&["--skip-negotiation", verb, &fake.at("/hub"), "M"]);
            let mut socket = fake.open().await;
            if verb == "stream" {
                socket.receive().await;
            }
            socket.send(&sent.repeat(1000)).await;
            socket.send(&format!("{sent}{close}")).await;
            if close.is_empty() {
                socket.cut();
            }
            let done = running.finish().await;
            assert_eq!((done.code, done.out == printed.repeat(1001)), (3, true), "{verb} {close} {}", done.err);
            let why = if close.is_empty() { "The connection was lost" } else { "error: enough" };
            assert!(done.err.contains(why), "{done:?}");
        }
    }

    // An error is one, also without a text.
    for (answer, code, text) in [
        (
            "{\"type\":7,\"error\":\"\"}",
            3,
            "The server closed the connection with the following error: (it has no text)",
        ),
        ("{\"type\":3,\"invocationId\":\"1\",\"error\":\" \"}", 1, "the hub answered with an error without a text"),
    ] {
        let fake = Fake::new().await;
        let running = Running::start(&["--skip-negotiation", "call", &fake.at("/hub"), "M"]);
        let mut socket = fake.open().await;
        socket.receive().await;
        socket.send(&format!("{answer}\u{1e}")).await;
        // A Close message of its own, or not.
        while !matches!(&*socket.receive().await, "closed 1000" | "ended") {}
        drop(socket);
        let done = running.finish().await;
        assert_eq!((done.code, done.err), (code, format!("hubcall: {text}\n")));
    }

    // A message has its limit.
    let fake = Fake::new().await;
    let running = Running::start(&["--skip-negotiation", "listen", &fake.at("/hub"), "M", "--receive-limit", "1000"]);
    let mut socket = fake.open().await;
    socket.send(&"x".repeat(1001)).await;
    while !matches!(&*socket.receive().await, "closed 1000" | "ended") {}
    drop(socket);
    let done = running.finish().await;
    let text = "hubcall: The server sent a message of more than 1000 bytes, the receive_limit.\n";
    assert_eq!((done.code, &*done.err), (3, text));

    // Nobody answers.
    let silent = Fake::new().await;
    let late = run(&["--timeout", "0.2", "call", &silent.at("/hub"), "Add"]).await;
    assert_eq!((late.code, &*late.err), (4, "hubcall: no connection within 200ms, the --timeout\n"));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let server = Server::ours().await;
    let mut endless = Running::start(&["stream", &server.at("/hub"), "Infinite", "0"]);
    assert_eq!(endless.line().await, "0");
    let done = endless.close().await;
    assert_eq!((done.code, &*done.err), (0, ""));
}

#[cfg(unix)]
#[tokio::test]
async fn signals_close_the_connection() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let fake = Fake::new().await;
        let mut running = Running::start(&["--skip-negotiation", "listen", &fake.at("/hub"), "M"]);
        let mut socket = fake.open().await;
        socket.send("{\"type\":1,\"target\":\"M\",\"arguments\":[]}\u{1e}").await;
        assert_eq!(running.line().await, "{\"target\":\"M\",\"arguments\":[]}");
        running.signal(signal).await;
        assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
        assert_eq!(socket.receive().await, "closed 1000");
        let done = running.finish().await;
        assert_eq!((done.code, &*done.err), (code, ""));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_a_program_whose_output_nobody_reads() {
    let server = Server::ours().await;
    let mut stuck = Running::start(&["stream", &server.at("/hub"), "Infinite", "0"]);
    assert_eq!(stuck.line().await, "0");
    stuck.signal("-INT").await;
    let Running { mut child, lines } = stuck;
    assert_eq!(deadline("the end", child.wait()).await.unwrap().code(), Some(130));
    drop(lines);
}

#[tokio::test]
async fn a_hub_that_closes_at_once_says_why() {
    // Whether the call is sent before or not.
    for _ in 0..10 {
        let fake = Fake::new().await;
        let url = fake.at("/hub");
        let server = async {
            let mut socket = fake.upgrade().await;
            assert!(socket.receive().await.starts_with("{\"protocol\":"));
            socket.send("{}\u{1e}{\"type\":7,\"error\":\"No room.\"}\u{1e}").await;
            // A Close message of its own, or not.
            while !matches!(&*socket.receive().await, "closed 1000" | "ended") {}
        };
        let (done, ()) = join(run(&["--skip-negotiation", "call", &url, "M"]), server).await;
        assert_eq!((done.code, &*done.out), (3, ""), "{done:?}");
        assert_eq!(done.err, "hubcall: The server closed the connection with the following error: No room.\n");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_a_usage_error() {
    for (words, text) in [
        (&[][..], "say what to do"),
        (&["call", "nonsense", "M"], "url is `nonsense`, which is outside of its range: "),
        (&["call", "http://127.0.0.1:1/", "Say", "hello"], "argument 1 of Say is not JSON: `hello`: expected value"),
        (&["call", "http://127.0.0.1:1/", "M", "-H", "a b: c"], "header is `a b`, which is outside of its range: "),
        (&["call", "http://127.0.0.1:1/", "M", "--proxy", "ftp://p"], "proxy is `ftp://p`, which is outside"),
        (&["call", "http://127.0.0.1:1/", "M", "--trust-host", "a:1"], "trust_host is `a:1`, which is outside of its"),
        (&["call", "http://127.0.0.1:1/", "M", "--receive-limit", "0"], "receive_limit is 0, which is outside of its"),
        (&["call", "http://127.0.0.1:1/", "M", "--token", "a\nb"], "access_token is `..`, which is outside of"),
    ] {
        let done = run(words).await;
        assert_eq!((done.code, &*done.out), (2, ""), "{done:?}");
        assert!(done.err.starts_with("hubcall: ") && done.err.contains(text), "{done:?}");
        assert!(done.err.ends_with("\nTry 'hubcall --help'.\n"), "{done:?}");
    }
    let help = run(&["call", "--help"]).await;
    assert!(help.code == 0 && help.out.contains("hubcall [OPTIONS] listen URL NAME.."), "{help:?}");
    assert!(help.out.lines().all(|line| line.len() <= 120), "{}", help.out);
    assert_eq!(run(&["-V"]).await.out, concat!("hubcall ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn proxies_of_the_environment() {
    let server = Server::ours().await;
    let behind = server.url.trim_start_matches("http://");
    let mut proxy = Proxy::to(behind).await;
    let (plain, user) = (proxy.address.clone(), format!("http://ann:secret@{}", proxy.address));
    let hub = "http://hub.example:5000/hub";
    // Through the proxy there is an answer; without it nobody knows the name.
    for (variables, words, tunnels) in [
        (&[("http_proxy", &*plain)][..], &["call", hub][..], 2),
        (&[("HTTP_PROXY", &user)], &["call", hub], 2),
        (&[("ALL_PROXY", &plain)], &["--skip-negotiation", "call", hub], 1),
        (&[("all_proxy", &plain), ("NO_PROXY", "other.example,10.0.0.0/8")], &["call", "ws://hub.example/hub"], 2),
        (&[("http_proxy", &plain), ("REQUEST_METHOD", "GET")], &["call", hub], 2),
        (&[("HTTP_PROXY", "http://127.0.0.1:1")], &["--proxy", &plain, "call", hub], 2),
    ] {
        let mut command = hubcall(&[words, &["Add", "1", "2"]].concat());
        command.envs(variables.iter().copied());
        let done = finish(command).await;
        assert_eq!((done.code, &*done.out, &*done.err), (0, "3\n", ""), "{variables:?}");
        let heads = proxy.seen();
        assert_eq!(heads.len(), tunnels, "{variables:?}: {heads:?}");
        for head in heads {
            let head = head.to_ascii_lowercase();
            assert!(head.starts_with("connect hub.example:"), "{head}");
            let credentials = "proxy-authorization: basic yw5uonnly3jlda==";
            assert_eq!(head.contains(credentials), variables[0].1 == user, "{head}");
        }
    }
    // Not through the proxy.
    let local = server.at("/hub");
    for (variables, words) in [
        (&[("HTTPS_PROXY", &*plain)][..], &["call", &*local][..]),
        (&[("http_proxy", &plain), ("no_proxy", "a.example, 127.0.0.0/8")], &["call", &local]),
        (&[("ALL_PROXY", &plain), ("NO_PROXY", "*")], &["call", &local]),
        (&[("ALL_PROXY", &plain)], &["--no-proxy", "call", &local]),
        (&[("HTTP_PROXY", &plain), ("REQUEST_METHOD", "GET")], &["call", &local]),
    ] {
        let mut command = hubcall(&[words, &["Add", "1", "2"]].concat());
        command.envs(variables.iter().copied());
        let done = finish(command).await;
        assert_eq!((done.code, &*done.out), (0, "3\n"), "{variables:?}: {}", done.err);
        assert!(proxy.seen().is_empty(), "{variables:?}");
    }
    // One that refuses, and one of a kind that this client does not speak.
    let refusing = Proxy::refusing("407 Proxy Authentication Required").await;
    for (address, code, text) in [
        (&*refusing.address, 3, "opened no tunnel to hub.example:5000: the answer is 407 Proxy Authentication"),
        ("socks5://127.0.0.1:1080", 2, "all_proxy is `socks5://127.0.0.1:1080`, which is outside of its range"),
    ] {
        let mut command = hubcall(&["call", hub, "Add", "1", "2"]);
        command.env("all_proxy", address);
        let done = finish(command).await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.err.contains(text), "{done:?}");
    }
}
