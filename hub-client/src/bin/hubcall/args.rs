//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use hub_core::Codec;
use lexopt::{Arg, Parser};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::value::Argument;

/// The longest `--timeout`, and the longest of a connection's timeouts.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);

/// What `--help` prints.
pub(crate) const HELP: &str = "\
hubcall: calls and listens to SignalR hubs.

Usage:
  hubcall [OPTIONS] call URL METHOD [JSON]..    print the result; nothing where it is null or there is none
  hubcall [OPTIONS] send URL METHOD [JSON]..    do not wait for an answer, only until the call is sent
  hubcall [OPTIONS] stream URL METHOD [JSON]..  print each item, until the stream ends
  hubcall [OPTIONS] listen URL NAME..           print what the hub calls under these names, which are exact,
                                                as {\"target\":\"..\",\"arguments\":[..]}

Each argument is a JSON value, so a text needs quotes: hubcall call http://localhost:5000/chat Say '\"lobby\"' 3
Results, items and messages are printed as JSON, one a line. A question of the hub is printed like any message, and is
answered with the error that there is no result.

Options:
      --count N            listen: end after N messages
  -H, --header 'N: V'      send this header with every request; may be repeated
      --no-proxy           ignore HTTP_PROXY, HTTPS_PROXY and ALL_PROXY
      --protocol NAME      json (the default) or messagepack
      --proxy ADDRESS      go through this proxy, such as http://user:password@proxy:3128
      --receive-limit N    how many bytes a message of the hub may have: 16777216 (16 MiB) unless given
      --skip-negotiation   open the WebSocket at once
      --timeout SECONDS    how long to wait for the connection, and then for each answer, item or message;
                           fractions are allowed; for ever unless given, but for the connection
      --token TOKEN        send this access token with every request
      --trust-host HOST    send token and headers to this host too, when the server redirects there; may be repeated
  -h, --help               print this
  -V, --version            print the version

With messagepack numbers are of 64 bits, binary values are printed as base64, timestamps as texts of RFC 3339, other
extensions as {\"extension\":TYPE,\"data\":BASE64}. With json values are sent and printed as they stand.

Exit codes:
  0  all went well, or whoever read the output wants no more
  1  the hub answered with an error, which is on standard error as it came
  2  the command line makes no sense
  3  there is no connection, or it was lost
  4  the time of --timeout has passed
  5  standard output cannot be written
  130, 143  ended by Ctrl-C, or by SIGTERM";

/// What the command line asks for.
pub(crate) enum Parsed {
    Run(Command),
    Print(&'static str),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) url: String,
    pub(crate) what: What,
    pub(crate) codec: Codec,
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) proxy: Option<String>,
    pub(crate) no_proxy: bool,
    pub(crate) skip_negotiation: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) receive_limit: Option<usize>,
    pub(crate) trusted: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum What {
    Call(Call),
    Send(Call),
    Stream(Call),
    Listen { names: Vec<String>, count: Option<u64> },
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) arguments: Vec<Argument>,
}

/// Reads the command line, without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let mut parser = Parser::from_args(words);
    let mut words = Vec::new();
    let mut count = None;
    let mut command = Command {
        url: String::new(),
        what: What::Listen { names: Vec::new(), count: None },
        codec: Codec::Json,
        token: None,
        headers: Vec::new(),
        proxy: None,
        no_proxy: false,
        skip_negotiation: false,
        timeout: None,
        receive_limit: None,
        trusted: Vec::new(),
    };
    loop {
        // A negative number is an argument, not an option.
        if let Some(number) = parser.try_raw_args().and_then(|mut raw| raw.next_if(is_negative)) {
            words.push(text(number)?);
            continue;
        }
        let Some(word) = parser.next()? else { break };
        match word {
            Arg::Value(word) => words.push(text(word)?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(HELP)),
            Arg::Short('V') | Arg::Long("version") => {
                return Ok(Parsed::Print(concat!("hubcall ", env!("CARGO_PKG_VERSION"))));
            }
            Arg::Long("token") => command.token = Some(text(parser.value()?)?),
            Arg::Long("protocol") => command.codec = protocol(&text(parser.value()?)?)?,
            Arg::Short('H') | Arg::Long("header") => command.headers.push(header(&text(parser.value()?)?)?),
            Arg::Long("proxy") => command.proxy = Some(text(parser.value()?)?),
            Arg::Long("no-proxy") => command.no_proxy = true,
            Arg::Long("skip-negotiation") => command.skip_negotiation = true,
            Arg::Long("timeout") => command.timeout = Some(seconds(&text(parser.value()?)?)?),
            Arg::Long("receive-limit") => command.receive_limit = Some(bytes(&text(parser.value()?)?)?),
            Arg::Long("trust-host") => command.trusted.push(text(parser.value()?)?),
            Arg::Long("count") => count = Some(number(&text(parser.value()?)?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut words = words.into_iter();
    let verb = words.next().ok_or_else(|| usage("say what to do: call, send, stream or listen"))?;
    if !["call", "send", "stream", "listen"].contains(&&*verb) {
        return Err(usage(format!("`{verb}` is none of call, send, stream and listen")));
    }
    if count.is_some() && verb != "listen" {
        return Err(usage("--count is for listen alone"));
    }
    command.url = words.next().ok_or_else(|| usage(format!("{verb} needs the URL of a hub")))?;
    if verb == "listen" {
        let mut names: Vec<_> = words.collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(usage("listen needs the names under which the hub calls its clients"));
        }
        command.what = What::Listen { names, count };
        return Ok(Parsed::Run(command));
    }
    let method = words.next().ok_or_else(|| usage(format!("{verb} needs the name of a method")))?;
    let arguments = words.enumerate().map(|(index, json)| argument(index + 1, &json, &method, command.codec));
    let arguments = arguments.collect::<Result<_, _>>()?;
    let call = Call { method, arguments };
    command.what = match &*verb {
        "call" => What::Call(call),
        "send" => What::Send(call),
        _ => What::Stream(call),
    };
    Ok(Parsed::Run(command))
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::Usage(text.into())
}

fn is_negative(word: &std::ffi::OsStr) -> bool {
    word.as_encoded_bytes().strip_prefix(b"-").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| usage(format!("{} is not UTF-8", word.display())))
}

fn protocol(name: &str) -> Result<Codec, Failure> {
    Codec::from_name(name).ok_or_else(|| usage(format!("--protocol is `{name}`: it is json or messagepack")))
}

fn header(pair: &str) -> Result<(String, String), Failure> {
    // Without the value, which may be a secret.
    let (name, value) = pair.split_once(':').ok_or_else(|| usage("--header has no colon: it is 'Name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let most = MAX_TIMEOUT.as_secs();
    seconds
        .filter(|seconds| (Duration::from_millis(1)..=MAX_TIMEOUT).contains(seconds))
        .ok_or_else(|| usage(format!("--timeout is `{text}`: it is a number of seconds from 0.001 to {most}")))
}

fn number(text: &str) -> Result<u64, Failure> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| usage(format!("--count is `{text}`: it is a whole number from 1 on")))
}

fn bytes(text: &str) -> Result<usize, Failure> {
    text.parse().map_err(|_| usage(format!("--receive-limit is `{text}`: it is a number of bytes, from 1 on")))
}

/// Reads one argument of a call. `number` counts from 1.
fn argument(number: usize, json: &str, method: &str, codec: Codec) -> Result<Argument, Failure> {
    let read = match codec {
        Codec::Json => serde_json::from_str::<Box<RawValue>>(json).map(Argument::Raw),
        Codec::MessagePack => serde_json::from_str(json).map(Argument::Value),
    };
    read.map_err(|error| {
        let hint = match json.trim_start().chars().next() {
            Some('{' | '[') => " Single quotes around it keep the shell from taking its quotes off.".to_owned(),
            Some('"') => String::new(),
            _ => format!(" A text needs quotes, and others around them for the shell: {}", quoted(json)),
        };
        usage(format!("argument {number} of {method} is not JSON: `{json}`: {error}.{hint}"))
    })
}

/// A text as an argument, as a shell wants it.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    format!("'{}'", json.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hub_core::Codec;

    use super::{Call, Command, Parsed, What, parse};
    use crate::failure::Failure;

    fn parsed(words: &[&str]) -> Result<Command, String> {
        match parse(words.iter().map(Into::into)) {
            Ok(Parsed::Run(command)) => Ok(command),
            Ok(Parsed::Print(_)) => panic!("{words:?} only print"),
            Err(Failure::Usage(text)) => Err(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn json(call: &Call, codec: Codec) -> String {
        let arguments = codec.encode_value(&call.arguments).unwrap();
        format!("{} {arguments:?}", call.method)
    }

    #[test]
    fn options_stand_anywhere_and_negative_numbers_are_none() {
        let command = parsed(&[
            "--token=t",
            "call",
            "-H",
            "A: b:c",
            "http://a/",
            "Add",
            "-1",
            "--timeout",
            "0.5",
            "-2.5e3",
            "--header",
            "D:",
            "--",
            "-3",
        ]);
        let command = command.unwrap();
        let What::Call(call) = &command.what else { panic!("{command:?}") };
        assert_eq!(json(call, Codec::Json), "Add [-1,-2.5e3,-3]");
        assert_eq!((&*command.url, command.token.as_deref()), ("http://a/", Some("t")));
        assert_eq!(command.timeout, Some(Duration::from_millis(500)));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(command.headers, [pair("A", "b:c"), pair("D", "")]);
        let listen =
            parsed(&["listen", "http://a/", "B", "A", "B", "--count", "2", "--protocol", "MessagePack"]).unwrap();
        let What::Listen { names, count } = &listen.what else { panic!("{listen:?}") };
        assert_eq!((names.join(" "), *count, listen.codec), ("A B".to_owned(), Some(2), Codec::MessagePack));
    }

    #[test]
    fn arguments_are_sent_as_they_stand() {
        let words = [r#" {"b":1.50, "a":123456789012345678901234567890} "#, r#""\u00e9""#, "null"];
        for (protocol, codec, expected) in [
            ("json", Codec::Json, r#"M [{"b":1.50, "a":123456789012345678901234567890},"\u00e9",null]"#),
            (
                "messagepack",
                Codec::MessagePack,
                "M [93, 82, a1, 62, cb, 3f, f8, 00, 00, 00, 00, 00, 00, a1, 61, cb, 45, f8, ee, 90, ff, 6c, 37, 3e, \
                 a2, c3, a9, c0]",
            ),
        ] {
            let command = parsed(&[&["send", "u", "M", "--protocol", protocol], &words[..]].concat()).unwrap();
            let What::Send(call) = &command.what else { panic!("{command:?}") };
            assert_eq!(json(call, codec), expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_explained() {
        let say = |json| ["call", "u", "Say", "1", json];
        for (words, text) in [
            (&[][..], "say what to do: call, send, stream or listen"),
            (&["get", "u"], "`get` is none of call, send, stream and listen"),
            (&["call"], "call needs the URL of a hub"),
            (&["stream", "u"], "stream needs the name of a method"),
            (&["listen", "u"], "listen needs the names under which the hub calls its clients"),
            (&["call", "u", "m", "--count", "1"], "--count is for listen alone"),
            (&["listen", "u", "m", "--count", "0"], "--count is `0`: it is a whole number from 1 on"),
            (&["--timeout", "soon"], "--timeout is `soon`: it is a number of seconds from 0.001 to 86400"),
            (&["--timeout", "-1"], "--timeout is `-1`: it is a number of seconds from 0.001 to 86400"),
            (&["--timeout", "inf"], "--timeout is `inf`: it is a number of seconds from 0.001 to 86400"),
            (&["--receive-limit", "1M"], "--receive-limit is `1M`: it is a number of bytes, from 1 on"),
            (&["--protocol", "xml"], "--protocol is `xml`: it is json or messagepack"),
            (&["--header", "secret"], "--header has no colon: it is 'Name: value'"),
            (&["--verbose"], "invalid option '--verbose'"),
            (&["--token"], "missing argument for option '--token'"),
            (
                &say("it's"),
                "argument 2 of Say is not JSON: `it's`: expected value at line 1 column 1. A text needs quotes, and \
                 others around them for the shell: '\"it'\\''s\"'",
            ),
            (
                &say("{a:1}"),
                "argument 2 of Say is not JSON: `{a:1}`: key must be a string at line 1 column 2. Single quotes \
                 around it keep the shell from taking its quotes off.",
            ),
            (&say("\"a"), "argument 2 of Say is not JSON: `\"a`: EOF while parsing a string at line 1 column 2."),
        ] {
            assert_eq!(parsed(words).unwrap_err(), text);
        }
    }
}
