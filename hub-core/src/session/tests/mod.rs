//! Tables of bytes in and outputs out, with a clock that only the test moves.
//!
//! In JSON, `␞` stands for the record separator.

mod client;
mod close;
mod cuts;
mod handshake;
mod keep_alive;
mod pair;
mod slots;
mod streams;

use std::time::Duration;

use super::*;
use crate::args::Args;
use crate::message::{Headers, Target};

const SECOND: Duration = Duration::from_secs(1);

/// One end of a connection, whose outputs are told as text.
struct End {
    session: Session,
    now: Instant,
    /// The calls of the peer's, in the order in which they came: `#0` is the first.
    calls: Vec<CallKey>,
}

impl End {
    fn server(options: SessionOptions) -> Self {
        let now = Instant::now();
        Self { session: Session::server(Arc::new(options), TransferFormat::Binary, now), now, calls: Vec::new() }
    }

    fn client(options: SessionOptions, codec: Codec) -> Self {
        let now = Instant::now();
        Self { session: Session::client(Arc::new(options), codec, now), now, calls: Vec::new() }
    }

    /// A server that has answered the handshake.
    fn open_server(options: SessionOptions, codec: Codec) -> Self {
        let mut end = Self::server(options);
        let mut request = BytesMut::new();
        HandshakeRequest::write(codec, 1, &mut request);
        assert_eq!(end.take(request.freeze()), [format!("opened {}", codec.name())]);
        assert_eq!(end.written(), b"{}\x1e");
        end
    }

    /// A server that speaks JSON.
    fn json(options: SessionOptions) -> Self {
        Self::open_server(options, Codec::Json)
    }

    /// A client whose handshake was answered, after its first ping.
    fn open_client(options: SessionOptions, codec: Codec) -> Self {
        let mut end = Self::client(options, codec);
        end.written();
        assert_eq!(end.take(&b"{}\x1e"[..]), [format!("opened {}", codec.name())]);
        end.written();
        end
    }

    fn json_client(options: SessionOptions) -> Self {
        Self::open_client(options, Codec::Json)
    }

    /// Brings bytes, and tells what comes of them.
    fn take(&mut self, bytes: impl Into<Bytes>) -> Vec<String> {
        self.session.handle_bytes(self.now, bytes.into());
        self.outputs()
    }

    fn take_text(&mut self, text: &str) -> Vec<String> {
        self.take(text.replace('␞', "\x1e"))
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.output()).collect()
    }

    fn output(&mut self) -> Option<String> {
        loop {
            match self.session.poll_output(self.now)? {
                Output::Settled => {}
                output => return Some(self.tell(output)),
            }
        }
    }

    fn written(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.session.poll_write()).flatten().collect()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.written()).unwrap().replace('\x1e', "␞")
    }

    /// Moves the clock, coming back at each deadline as a driver does.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.session.poll_timeout().filter(|deadline| *deadline <= end) {
            assert!(deadline >= self.now, "a deadline that has passed is not left");
            self.now = deadline;
            self.session.handle_timeout(deadline);
        }
        self.now = end;
        self.session.handle_timeout(end);
    }

    fn answer(&mut self, call: usize, json: &'static str) {
        self.session.answer(self.calls[call], Outcome::Value(value(json)));
    }

    fn tell(&mut self, output: Output) -> String {
        let number = |key| self.calls.iter().position(|call| *call == key).unwrap();
        match output {
            Output::Opened(codec) => format!("opened {}", codec.name()),
            Output::Call(call) => {
                self.calls.push(call.key);
                let mut text = format!("call {}{:?} {:?}", call.target, call.arguments.payload(), call.wants);
                if call.uploads > 0 {
                    text += &format!(" uploads {}", call.uploads);
                }
                if let Some(id) = call.reused {
                    text += &format!(" of which {id} is in use");
                }
                if !call.headers.is_empty() {
                    text += &format!(" headers {:?}", call.headers);
                }
                text
            }
            Output::Cancelled(key) => format!("cancelled #{}", number(key)),
            Output::UploadItem { call, upload, item } => format!("upload #{}.{upload} {item:?}", number(call)),
            Output::UploadEnd { call, upload, error: None } => format!("upload #{}.{upload} end", number(call)),
            Output::UploadEnd { call, upload, error: Some(error) } => {
                format!("upload #{}.{upload} failed: {error}", number(call))
            }
            Output::Item { id, item } => format!("item {id} {item:?}"),
            Output::Answered { id, outcome } => format!("answered {id} {outcome:?}"),
            Output::UnknownCompletion(id) => format!("unknown completion {id}"),
            Output::Settled => "settled".to_owned(),
            Output::Ignored(ignored) => format!("ignored {ignored:?}"),
            Output::Closed(ending) => format!("closed {ending:?}"),
        }
    }
}

fn value(json: &'static str) -> Payload {
    Payload::new(Codec::Json, Bytes::from_static(json.as_bytes()))
}

fn detailed() -> SessionOptions {
    SessionOptions { detailed_errors: true, ..SessionOptions::default() }
}

fn invocation(target: &str, id: Option<InvocationId>, arguments: Payload, streams: Vec<InvocationId>) -> Invocation {
    Invocation { headers: Headers::new(), id, target: Target::from(target), arguments: Args::new(arguments), streams }
}

/// Nothing, for comparisons with lists of outputs.
const NOTHING: [&str; 0] = [];

/// A client and a server with a wire between them that takes its time.
struct Pair {
    client: End,
    server: End,
    latency: Duration,
    to_client: VecDeque<(Instant, Bytes)>,
    to_server: VecDeque<(Instant, Bytes)>,
    /// What either end had to say, in the order in which it happened.
    told: Vec<String>,
}

impl Pair {
    fn new(codec: Codec, client: SessionOptions, server: SessionOptions) -> Self {
        let (client, mut server) = (End::client(client, codec), End::server(server));
        server.now = client.now;
        let latency = Duration::from_millis(50);
        Self { client, server, latency, to_client: VecDeque::new(), to_server: VecDeque::new(), told: Vec::new() }
    }

    /// Lets this much time pass, and both ends do what is due.
    fn drive_for(&mut self, time: Duration) {
        let end = self.client.now + time;
        loop {
            self.settle();
            let wire = [&self.to_client, &self.to_server].into_iter().filter_map(|wire| wire.front().map(|due| due.0));
            let ends = [&self.client, &self.server].into_iter().filter_map(|end| end.session.poll_timeout());
            let Some(next) = wire.chain(ends).min().filter(|next| *next <= end) else { break };
            self.set_clock(next);
        }
        self.set_clock(end);
        self.settle();
    }

    /// Lets time pass until nothing is on the wire.
    fn drive(&mut self) -> Vec<String> {
        self.settle();
        while let Some(next) = [&self.to_client, &self.to_server].iter().filter_map(|wire| Some(wire.front()?.0)).min()
        {
            self.set_clock(next);
            self.settle();
        }
        std::mem::take(&mut self.told)
    }

    fn set_clock(&mut self, now: Instant) {
        for end in [&mut self.client, &mut self.server] {
            end.now = now;
        }
    }

    /// Does what is due now.
    fn settle(&mut self) {
        for (name, end, arriving) in
            [("client", &mut self.client, &mut self.to_client), ("server", &mut self.server, &mut self.to_server)]
        {
            let now = end.now;
            while arriving.front().is_some_and(|(due, _)| *due <= now) {
                let (_, bytes) = arriving.pop_front().unwrap();
                end.session.handle_bytes(now, bytes);
            }
            end.session.handle_timeout(now);
            self.told.extend(end.outputs().into_iter().map(|output| format!("{name}: {output}")));
        }
        for (end, leaving) in [(&mut self.client, &mut self.to_server), (&mut self.server, &mut self.to_client)] {
            while let Some(bytes) = end.session.poll_write() {
                leaving.push_back((end.now + self.latency, bytes));
            }
        }
    }
}
