//! One replay, step by step.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client_tests::deadline;
use hub_client::{Connection, Reconnect};
use hub_core::Codec;
use rmpv::Value;
use transcripts::{
    Ended, Head, Kind, Lane, Names, Protocol, Side, Step, Transcript, arguments, ended, field, first_message, frame,
    invocation_id, kind, target,
};

use crate::handlers::{Called, Handlers};
use crate::ids::Ids;
use crate::program::{Item, Key, Program, Reads};
use crate::reports::{self, Report};
use crate::server::Server;

/// The calls whose results the recorded program read as something that they are not.
const MISREAD: [(&str, &str, Reads); 3] = [
    ("errors", "7", Reads::Integer),
    ("stream", "7", Reads::Text),
    ("injected-result-of-wrong-type", "1", Reads::Text),
];

/// A plain call that the recorded program gave up while it waited, of which .NET tells nobody (P-CAN-05).
const GIVEN_UP: (&str, &str) = ("stream-cancel", "4");

/// A member that is null is absent for our client, and no reason to end the connection (P-DIV-02): it is still there when
/// .NET's has gone.
const GOES_ON: [&str; 2] = ["injected-null-error", "injected-null-invocation-id"];

pub(crate) async fn replay(name: &str) {
    let transcript = Transcript::load(name);
    let mut replay = Replay::new(&transcript).await;
    for (number, step) in transcript.steps.iter().enumerate() {
        if let Err(why) = replay.step(number, step).await {
            panic!("{name}, step {number}: {why}");
        }
    }
    if let Err(why) = replay.finish().await {
        panic!("{name}, at the end: {why}");
    }
    if let Err(why) = reports::compare(&transcript, &replay.reports) {
        panic!("{name}, the report: {why}");
    }
}

struct Replay<'a> {
    transcript: &'a Transcript,
    codec: Codec,
    server: Server,
    names: Names,
    program: Option<Program>,
    ids: Ids,
    /// What the server has sent on a connection and is no whole message so far; and whether the handshake is done.
    unfinished: HashMap<u32, (Vec<u8>, bool)>,
    /// The calls that the server has ended, which the recorded program knew before it went on.
    ended: HashMap<Key, Ended>,
    /// The items that the server has sent.
    items: HashMap<Key, Vec<Value>>,
    /// The uploads of each call.
    uploads: HashMap<Key, Vec<Key>>,
    /// The notices that are on their way to a handler.
    notices: Vec<Called>,
    /// All of them so far.
    noticed: Vec<Called>,
    sends: usize,
    reports: Vec<Report>,
}

impl<'a> Replay<'a> {
    async fn new(transcript: &'a Transcript) -> Self {
        let server = Server::listen().await;
        let mut names = Names::new();
        names.bind("{port}", &server.port.to_string()).unwrap();
        for number in 1..10 {
            names.bind(&format!("{{connectionId{number}}}"), &format!("id{number}")).unwrap();
            names.bind(&format!("{{connectionToken{number}}}"), &format!("secret{number}")).unwrap();
        }
        Self {
            transcript,
            codec: if transcript.protocol == Protocol::Json { Codec::Json } else { Codec::MessagePack },
            server,
            names,
            program: None,
            ids: Ids::default(),
            unfinished: HashMap::new(),
            ended: HashMap::new(),
            items: HashMap::new(),
            uploads: HashMap::new(),
            notices: Vec::new(),
            noticed: Vec::new(),
            sends: 0,
            reports: Vec::new(),
        }
    }

    async fn step(&mut self, number: usize, step: &Step) -> Result<(), String> {
        match (&step.from, &step.kind) {
            (Side::Client, Kind::HttpRequest) => {
                if self.program.as_ref().is_none_or(Program::is_stopped) {
                    self.finish().await?;
                    self.start(&step.head);
                }
                self.server.request(step, &mut self.names).await
            }
            (_, Kind::HttpResponse) => self.server.respond(step, self.transcript.protocol, &self.names).await,
            (Side::Proxy, Kind::TcpCut) | (Side::Server, Kind::TcpRst) => {
                let rest = &self.transcript.steps[number..];
                let is_last = !rest.iter().any(|step| step.kind == Kind::HttpRequest);
                self.settle().await?;
                self.server.cut(step.conn, is_last);
                Ok(())
            }
            (_, Kind::TcpLevel | Kind::TcpCut | Kind::TcpRst) => Ok(()),
            _ if step.lost => Ok(()),
            (Side::Client, Kind::WsPong) => self.server.socket(step.conn)?.expect_pong(&step.bytes()).await,
            (Side::Client, Kind::WsClose) => {
                if GOES_ON.contains(&self.transcript.scenario.as_str()) {
                    self.settle().await?;
                    self.program()?.stop().await?;
                }
                self.server.socket(step.conn)?.expect_close(step.head.code).await
            }
            (Side::Client, _) => self.client_sends(step).await,
            (_, Kind::WsPing | Kind::WsClose) => {
                self.settle().await?;
                self.server.socket(step.conn)?.send(step, step.bytes()).await
            }
            _ => self.server_sends(step).await,
        }
    }

    /// Begins to connect, as the recorded program did: what it asked for is seen in its first request.
    fn start(&mut self, head: &Head) {
        let path = head.path.replace("/negotiate", "");
        let path = path.replace("&negotiateVersion=1", "").replace("?negotiateVersion=1", "");
        let url = format!("http://127.0.0.1:{}{}", self.server.port, self.names.fill(&path));
        let handlers = Handlers::new();
        let tokens = Arc::new(AtomicUsize::new(0));
        let mut builder = Connection::builder(url).protocol(self.codec);
        if head.is_upgrade() {
            builder = builder.skip_negotiation();
        }
        if has(head, "Authorization") {
            let asked = Arc::clone(&tokens);
            builder = builder.access_token_provider(move || {
                let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Ok::<_, std::io::Error>(format!("token{number}")) }
            });
        }
        for (name, value) in &head.headers {
            let is_own = matches!(name.as_str(), "X-Custom" | "Cookie") || value == "my-agent/1.0";
            if is_own {
                builder = builder.header(name, value);
            }
        }
        let tries_again = self.transcript.client_saw.iter().any(|line| line.starts_with("event Reconnecting"));
        if tries_again && self.reports.is_empty() {
            builder = builder.reconnect(Reconnect::after([Duration::ZERO; 2]));
        }
        builder = match self.transcript.scenario.as_str() {
            "keepalive" => builder.keep_alive_interval(Duration::from_millis(20)),
            "server-timeout" => builder.server_timeout(Duration::from_millis(300)),
            "handshake-timeout" => builder.handshake_timeout(Duration::from_millis(100)),
            _ => builder,
        };
        if self.transcript.scenario != "no-handler" {
            builder = handlers.register(builder);
        }
        self.program = Some(Program::start(builder, handlers, tokens));
    }

    fn program(&mut self) -> Result<&mut Program, String> {
        self.program.as_mut().ok_or("nothing was started".to_owned())
    }

    /// Waits until our client knows what the recorded one knew when it went on.
    async fn settle(&mut self) -> Result<(), String> {
        let Some(program) = &mut self.program else { return Ok(()) };
        for key in self.ended.keys() {
            program.settle(key).await?;
        }
        for (target, arguments) in self.notices.drain(..) {
            let Some(live) = deadline(&format!("a call of {target}"), program.handlers.next()).await else { continue };
            self.names.unify(&Value::from(arguments), &Value::from(live.1.clone()))?;
            if live.0 != target {
                return Err(format!("{} was called instead of {target}", live.0));
            }
            self.noticed.push(live);
        }
        Ok(())
    }

    /// Has our client do what the recorded one did, and waits for it on the wire.
    async fn client_sends(&mut self, step: &Step) -> Result<(), String> {
        self.settle().await?;
        let conn = step.conn;
        let socket = self.server.socket(conn)?;
        let added = socket.recorded.feed(&step.bytes())?;
        let pings = socket.recorded.pings;
        let messages: Vec<_> =
            added.into_iter().map(|(lane, at)| (socket.recorded.lanes[&lane][at].clone(), lane, at)).collect();
        for (message, lane, _) in &messages {
            self.perform(conn, lane, message).await?;
        }
        for (message, lane, at) in messages {
            if !self.is_over(conn, &lane) {
                self.expect(conn, &lane, at, &message).await?;
            }
        }
        self.server.socket(conn)?.read_until("a ping", |socket| socket.live.pings >= pings).await
    }

    /// Whether the call of an upload has ended: our client sends no more of it then (P-UP-14).
    fn is_over(&self, conn: u32, lane: &Lane) -> bool {
        let (Lane::Items(id) | Lane::Completion(id)) = lane else { return false };
        let upload = (conn, id.clone());
        self.uploads.iter().any(|(call, uploads)| self.ended.contains_key(call) && uploads.contains(&upload))
    }

    async fn perform(&mut self, conn: u32, lane: &Lane, message: &Value) -> Result<(), String> {
        let key = |id: &str| (conn, id.to_owned());
        match lane {
            Lane::Handshake => {}
            Lane::Calls => {
                let streams = field(message, 5, "streamIds").and_then(Value::as_array);
                let uploads: Vec<Key> = streams.into_iter().flatten().filter_map(Value::as_str).map(key).collect();
                let id = invocation_id(message).map(key);
                let answered = id.is_some();
                let id = id.unwrap_or_else(|| {
                    self.sends += 1;
                    key(&format!("send {}", self.sends))
                });
                self.uploads.insert(id.clone(), uploads.clone());
                let scenario = self.transcript.scenario.as_str();
                let misread = MISREAD.iter().find(|(of, call, _)| *of == scenario && *call == id.1);
                let reads = misread.map_or(Reads::Anything, |(_, _, reads)| *reads);
                let gives_up = (scenario, id.1.as_str()) == GIVEN_UP;
                let method = target(message).unwrap_or_default();
                let how = (answered, kind(message) == Some(4));
                let program = self.program()?;
                program.call(id.clone(), method, arguments(message), &uploads, how, reads).await?;
                if gives_up {
                    program.give_up(&id);
                    // Ours tells the hub (P-DIV-06).
                    let (lane, socket) = (Lane::Cancellations, self.server.socket(conn)?);
                    let at = socket.live.count(&lane);
                    socket.read_until("the cancellation", |socket| socket.live.count(&lane) > at).await?;
                    socket.live.lanes.entry(lane).or_default().remove(at);
                }
            }
            Lane::Items(id) if !self.is_over(conn, lane) => {
                let item = field(message, 3, "item").cloned().unwrap_or(Value::Nil);
                self.program()?.upload(&key(id), Some(Item::Value(item)))?;
            }
            Lane::Completion(id) if !self.is_over(conn, lane) => match ended(message) {
                _ if !self.uploads.values().flatten().any(|upload| *upload == key(id)) => self.answer(conn, id)?,
                Ended::Error(text) if text == "Stream canceled by client." => {
                    // Our client ends an upload early by giving up its call (P-UP-02).
                    let call = self.uploads.iter().find(|(_, uploads)| uploads.contains(&key(id)));
                    let call = call.map(|(call, _)| call.clone()).ok_or("an upload without a call")?;
                    self.program()?.give_up(&call);
                }
                Ended::Error(_) => self.program()?.upload(&key(id), Some(Item::Fail))?,
                _ => self.program()?.upload(&key(id), None)?,
            },
            Lane::Items(_) | Lane::Completion(_) => {}
            Lane::Cancellations => {
                let id = invocation_id(message).map(key).ok_or("no id")?;
                self.program()?.give_up(&id);
            }
            Lane::Close => self.program()?.stop().await?,
        }
        Ok(())
    }

    /// The recorded handler of this question answered now.
    fn answer(&mut self, conn: u32, question: &str) -> Result<(), String> {
        let prompt = self.prompts().find(|(of, id, _)| (*of, id.as_str()) == (conn, question));
        let Some((_, _, prompt)) = prompt else { return Ok(()) };
        self.program()?.handlers.answer(&prompt);
        Ok(())
    }

    /// The questions of the recorded server: connection, id and text.
    fn prompts(&self) -> impl Iterator<Item = (u32, String, String)> {
        let frames = self.transcript.steps.iter().filter(|step| step.from == Side::Server);
        let messages = frames.flat_map(|step| {
            let (mut bytes, mut messages) = (step.bytes(), Vec::new());
            while let Ok(Some((used, message))) = first_message(self.transcript.protocol, &bytes) {
                bytes.drain(..used);
                messages.push((step.conn, message));
            }
            messages
        });
        messages.filter_map(|(conn, message)| {
            let id = invocation_id(&message).filter(|_| target(&message) == Some("Ask"))?.to_owned();
            Some((conn, id, prompt(&message)))
        })
    }

    /// Waits for a message of our client, and compares it.
    async fn expect(&mut self, conn: u32, lane: &Lane, at: usize, recorded: &Value) -> Result<(), String> {
        let lane = self.ids.lane(conn, lane);
        let socket = self.server.socket(conn)?;
        socket.read_until(&recorded.to_string(), |socket| socket.live.count(&lane) > at).await?;
        let live = socket.live.lanes[&lane][at].clone();
        self.ids
            .compare(conn, &lane, recorded, &live, &mut self.names)
            .map_err(|why| format!("{why}\n  recorded: {recorded}\n  live: {live}"))
    }

    async fn server_sends(&mut self, step: &Step) -> Result<(), String> {
        let conn = step.conn;
        let (unfinished, shaken) = self.unfinished.entry(conn).or_default();
        unfinished.extend(step.bytes());
        let (mut messages, mut is_changed) = (Vec::new(), false);
        loop {
            let protocol = if *shaken { self.transcript.protocol } else { Protocol::Json };
            // What is no message is what the client is tried with.
            let Ok(Some((used, message))) = first_message(protocol, unfinished) else { break };
            unfinished.drain(..used);
            if std::mem::replace(shaken, true) {
                messages.push(message);
            }
        }
        for message in &mut messages {
            self.note(conn, message).await?;
            is_changed |= self.ids.put_into(conn, message);
        }
        let bytes = if is_changed {
            messages.iter().flat_map(|message| frame(self.transcript.protocol, message)).collect()
        } else {
            step.bytes()
        };
        let bytes = match self.transcript.protocol {
            Protocol::Json => self.names.fill(&String::from_utf8_lossy(&bytes)).into_bytes(),
            Protocol::MessagePack => bytes,
        };
        let is_open = self.unfinished.get(&conn).is_some_and(|(_, shaken)| *shaken);
        self.server.socket(conn)?.send(step, bytes).await?;
        if is_open {
            // From here on the program follows what becomes of the connection.
            self.program()?.connection().await?;
        }
        Ok(())
    }

    /// Remembers what our client has to make of a message.
    async fn note(&mut self, conn: u32, message: &Value) -> Result<(), String> {
        let id = invocation_id(message).filter(|id| !id.is_empty());
        let key = id.map(|id| (conn, id.to_owned()));
        match (kind(message), key) {
            (Some(1), None) => {
                let (target, arguments) = (target(message).unwrap_or_default(), arguments(message));
                if Handlers::takes(target, arguments) && self.transcript.scenario != "no-handler" {
                    self.notices.push((target.to_owned(), arguments.to_vec()));
                }
            }
            (Some(1), Some(question)) if target(message) == Some("Ask") => {
                let answer = self.recorded_answer(&question)?;
                if answer == Ended::Error("Client didn't provide a result.".to_owned()) {
                    self.notices.push(("Ask".to_owned(), arguments(message).to_vec()));
                }
                let program = self.program()?;
                let connection = program.connection().await?;
                program.handlers.expect(&connection, &prompt(message), &answer);
            }
            (Some(2), Some(call)) => {
                let item = field(message, 3, "item").cloned().unwrap_or(Value::Nil);
                let is_plain = self.transcript.scenario == "injected-item-for-a-call";
                if is_plain {
                    // P-INV-18
                    self.ended.insert(call, Ended::Error("Unexpected message type: 2".to_owned()));
                } else {
                    self.items.entry(call).or_default().push(item);
                }
            }
            // A Completion that is two things at once ends the connection instead.
            (Some(3), Some(_)) if field(message, 9, "error").and(field(message, 9, "result")).is_some() => {}
            (Some(3), Some(call)) => {
                self.ended.insert(call, ended(message));
            }
            _ => {}
        }
        Ok(())
    }

    /// How the recorded client answered a question.
    fn recorded_answer(&self, question: &Key) -> Result<Ended, String> {
        let mut sent = transcripts::Sent::new(self.transcript.protocol);
        for step in self.transcript.steps.iter().filter(|step| step.from == Side::Client && step.conn == question.0) {
            if matches!(step.kind, Kind::WsText | Kind::WsBinary) {
                sent.feed(&step.bytes())?;
            }
        }
        let answer = sent.lanes.get(&Lane::Completion(question.1.clone())).and_then(|answers| answers.first());
        answer.map(ended).ok_or(format!("{question:?} was never answered"))
    }

    /// Waits for the end of the program, and looks at what it did.
    async fn finish(&mut self) -> Result<(), String> {
        self.settle().await?;
        let Some(mut program) = self.program.take() else { return Ok(()) };
        let events = program.finish().await?;
        if let Some(surplus) = program.handlers.surplus() {
            return Err(format!("a call that the server did not make: {surplus:?}"));
        }
        for (key, outcome) in &program.outcomes {
            let items = self.items.get(key).map_or(&[][..], Vec::as_slice);
            reports::compare_outcome(outcome, self.ended.get(key), items, &mut self.names)
                .map_err(|why| format!("{key:?}: {why}"))?;
        }
        for (conn, socket) in &self.server.sockets {
            for (lane, live) in &socket.live.lanes {
                let goes_on = *lane == Lane::Close && GOES_ON.contains(&self.transcript.scenario.as_str());
                let bounded = !goes_on && !matches!(lane, Lane::Items(_) | Lane::Completion(_));
                if let Some(surplus) = live.get(socket.recorded.count(lane)).filter(|_| bounded) {
                    return Err(format!("on connection {conn} the recording has no {surplus}"));
                }
            }
        }
        self.server.sockets.clear();
        self.reports.push(Report {
            stopped: program.is_stopped(),
            tokens: program.tokens(),
            started: program.started.take(),
            outcomes: program.outcomes.drain(..).map(|(_, outcome)| outcome).collect(),
            noticed: std::mem::take(&mut self.noticed),
            events,
        });
        Ok(())
    }
}

fn has(head: &Head, name: &str) -> bool {
    head.headers.iter().any(|(of, _)| of == name)
}

/// What a question asks.
fn prompt(question: &Value) -> String {
    arguments(question).first().and_then(Value::as_str).unwrap_or_default().to_owned()
}
