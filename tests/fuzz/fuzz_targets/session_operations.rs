//! A client and a server that do anything that the interface allows, over a wire that cuts anywhere.
//!
//! Every call that wants an answer gets one, no item comes after it, nothing reaches another call than its own, and no
//! more calls are open than allowed.

#![no_main]

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use bytes::Bytes;
use hub_core::message::{Invocation, Outcome};
use hub_core::session::{CallKey, IncomingCall, Output, Session, SessionOptions, Wants};
use hub_core::{Args, Codec, InvocationId, Payload, TransferFormat};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    messagepack: bool,
    parallel_calls: u8,
    open_calls: u8,
    operations: Vec<Operation>,
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Call {
        wants_answer: bool,
        streaming: bool,
        uploads: u8,
    },
    UploadItem(u8),
    UploadEnd {
        upload: u8,
        failed: bool,
    },
    Cancel(u8),
    Ask,
    CancelAsked(u8),
    Answer {
        by_server: bool,
        call: u8,
        failed: bool,
    },
    /// An answer with a key that may be old.
    AnswerAgain(u8),
    Item(u8),
    ReleaseSlot(u8),
    Deliver {
        to_server: bool,
        bytes: u16,
    },
    Outputs {
        of_server: bool,
        count: u8,
    },
    Wait {
        milliseconds: u16,
    },
    Close {
        by_server: bool,
    },
}

fuzz_target!(|input: Input| {
    let mut talk = Talk::new(&input);
    for operation in &input.operations {
        talk.perform(operation);
    }
    talk.finish();
});

struct Talk {
    codec: Codec,
    now: Instant,
    options: Arc<SessionOptions>,
    client: End,
    server: End,
    /// The uploads of the client that it has not ended.
    uploads: Vec<InvocationId>,
}

/// One of the two.
struct End {
    session: Session,
    /// What is on its way here.
    wire: VecDeque<u8>,
    /// The calls that it serves.
    serving: Vec<Serving>,
    /// Keys of calls that were served, and are over.
    old: Vec<CallKey>,
    /// The calls that it made, and wants answered.
    asked: HashMap<InvocationId, Asked>,
    closed: bool,
}

struct Serving {
    key: CallKey,
    wants: Wants,
    /// What the caller called it, told by its first argument.
    name: String,
    uploads: Vec<String>,
}

struct Asked {
    streaming: bool,
    answers: usize,
}

impl Talk {
    fn new(input: &Input) -> Self {
        let codec = if input.messagepack { Codec::MessagePack } else { Codec::Json };
        let now = Instant::now();
        let options = Arc::new(SessionOptions {
            parallel_calls: usize::from(input.parallel_calls % 4) + 1,
            open_calls: usize::from(input.open_calls % 8) + 1,
            ..SessionOptions::default()
        });
        // A client serves its calls side by side (P-CR-09).
        let for_client =
            SessionOptions { parallel_calls: usize::MAX, open_calls: usize::MAX, ..SessionOptions::default() };
        Self {
            codec,
            now,
            client: End::new(Session::client(Arc::new(for_client), codec, now)),
            server: End::new(Session::server(options.clone(), TransferFormat::Binary, now)),
            options,
            uploads: Vec::new(),
        }
    }

    fn perform(&mut self, operation: &Operation) {
        match *operation {
            Operation::Call { wants_answer, streaming, uploads } => self.call(wants_answer, streaming, uploads % 4),
            Operation::UploadItem(upload) => {
                if let Some(id) = pick(&self.uploads, upload) {
                    // The item names its stream.
                    self.client.session.upload_item(id, self.codec.encode_value(id.as_str()).unwrap());
                }
            }
            Operation::UploadEnd { upload, failed } => {
                if !self.uploads.is_empty() {
                    let id = self.uploads.swap_remove(usize::from(upload) % self.uploads.len());
                    self.client.session.upload_end(&id, failed.then(|| id.as_str().to_owned()));
                }
            }
            Operation::Cancel(call) => self.client.cancel(call),
            Operation::CancelAsked(call) => self.server.cancel(call),
            Operation::Ask => {
                let id = InvocationId::from(format!("s{}", self.server.session.next_id()));
                self.server.ask(self.codec, Some(id), false, Vec::new());
            }
            Operation::Answer { by_server, call, failed } => {
                let codec = self.codec;
                self.end(by_server).answer(codec, call, failed);
            }
            Operation::AnswerAgain(call) => {
                for end in [&mut self.client, &mut self.server] {
                    if let Some(key) = pick(&end.old, call) {
                        end.session.item(*key, Payload::null(self.codec));
                        end.session.answer(*key, Outcome::Value(Payload::null(self.codec)));
                        end.session.release_slot(*key);
                    }
                }
            }
            Operation::Item(call) => {
                if let Some(serving) = pick(&self.server.serving, call) {
                    self.server.session.item(serving.key, self.codec.encode_value(&serving.name).unwrap());
                }
            }
            Operation::ReleaseSlot(call) => {
                if let Some(serving) = pick(&self.server.serving, call) {
                    self.server.session.release_slot(serving.key);
                }
            }
            Operation::Deliver { to_server, bytes } => self.deliver(to_server, usize::from(bytes)),
            Operation::Outputs { of_server, count } => self.outputs(of_server, usize::from(count)),
            Operation::Wait { milliseconds } => {
                self.now += Duration::from_millis(milliseconds.into());
                self.client.session.handle_timeout(self.now);
                self.server.session.handle_timeout(self.now);
            }
            Operation::Close { by_server } => {
                let end = self.end(by_server);
                // A session that had ended by itself still says so.
                end.closed |= !end.session.is_closed();
                end.session.close(None, by_server);
            }
        }
        self.transmit();
    }

    fn end(&mut self, server: bool) -> &mut End {
        if server { &mut self.server } else { &mut self.client }
    }

    fn call(&mut self, wants_answer: bool, streaming: bool, uploads: u8) {
        if self.client.session.is_closed() || self.client.session.codec().is_none() {
            return;
        }
        let streams: Vec<_> = (0..uploads).map(|_| self.client.session.next_id()).collect();
        // A stream always wants its end.
        let id = (wants_answer || streaming).then(|| self.client.session.next_id());
        if self.client.ask(self.codec, id, streaming, streams.clone()) {
            self.uploads.extend(streams);
        }
    }

    /// Moves what was written onto the wire.
    fn transmit(&mut self) {
        for to_server in [true, false] {
            while let Some(bytes) = self.end(!to_server).session.poll_write() {
                assert!(!bytes.is_empty());
                self.end(to_server).wire.extend(bytes);
            }
            assert_eq!(self.end(!to_server).session.output_len(), 0);
        }
    }

    fn deliver(&mut self, to_server: bool, bytes: usize) {
        let now = self.now;
        let end = self.end(to_server);
        if end.session.wants_input() {
            let piece: Vec<u8> = end.wire.drain(..bytes.min(end.wire.len())).collect();
            end.session.handle_bytes(now, Bytes::from(piece));
        }
    }

    fn outputs(&mut self, of_server: bool, count: usize) {
        let (now, codec) = (self.now, self.codec);
        let end = self.end(of_server);
        for _ in 0..count {
            let Some(output) = end.session.poll_output(now) else { break };
            end.handle(codec, output);
        }
        assert!(self.server.session.open_calls().count() <= self.options.open_calls);
        assert_eq!(self.server.session.open_calls().count(), self.server.serving.len());
    }

    /// Lets everything that has begun come to its end.
    fn finish(&mut self) {
        loop {
            self.transmit();
            let (client, server) = (self.client.progress(), self.server.progress());
            for to_server in [true, false] {
                self.deliver(to_server, usize::MAX);
                self.outputs(to_server, usize::MAX);
                let codec = self.codec;
                let end = self.end(to_server);
                while !end.serving.is_empty() {
                    end.answer(codec, 0, false);
                }
            }
            self.transmit();
            let is_idle = self.client.wire.is_empty() && self.server.wire.is_empty();
            let is_stuck = (client, server) == (self.client.progress(), self.server.progress());
            if self.client.closed || self.server.closed || is_idle && is_stuck {
                break;
            }
        }
        if !self.client.closed && !self.server.closed {
            assert!(!self.server.session.is_parked());
            for end in [&self.client, &self.server] {
                for (id, asked) in &end.asked {
                    assert_eq!(asked.answers, 1, "the call {id} has one end");
                }
            }
        }
    }
}

impl End {
    fn new(session: Session) -> Self {
        let (wire, serving, old, asked) = Default::default();
        Self { session, wire, serving, old, asked, closed: false }
    }

    /// Calls the peer, naming the call and its uploads in the arguments. Tells whether it was sent.
    fn ask(&mut self, codec: Codec, id: Option<InvocationId>, streaming: bool, streams: Vec<InvocationId>) -> bool {
        let name = id.as_ref().map_or("none", |id| id.as_str());
        let names: Vec<_> = streams.iter().map(|id| id.as_str()).collect();
        let arguments = Args::new(codec.encode_value(&(name, names)).unwrap());
        let before = self.session.output_len();
        let invocation = Invocation { headers: Vec::new(), id: id.clone(), target: "T".into(), arguments, streams };
        self.session.invoke(invocation, streaming);
        let is_sent = self.session.output_len() > before;
        if let Some(id) = id.filter(|_| is_sent) {
            self.asked.insert(id, Asked { streaming, answers: 0 });
        }
        is_sent
    }

    fn cancel(&mut self, call: u8) {
        let ids: Vec<_> = self.asked.iter().filter(|(_, asked)| asked.answers == 0).map(|(id, _)| id.clone()).collect();
        // A map has no order to rely on.
        if let Some(id) = ids.iter().min_by_key(|id| (id.len().wrapping_mul(call.into()), id.as_str())) {
            self.session.cancel(id);
            self.asked.remove(id);
        }
    }

    fn answer(&mut self, codec: Codec, call: u8, failed: bool) {
        if self.serving.is_empty() {
            return;
        }
        let serving = self.serving.swap_remove(usize::from(call) % self.serving.len());
        self.session.answer(
            serving.key,
            match serving.wants {
                _ if failed => Outcome::Error(serving.name),
                Wants::Stream => Outcome::Void,
                _ => Outcome::Value(codec.encode_value(&serving.name).unwrap()),
            },
        );
        self.old.push(serving.key);
    }

    fn handle(&mut self, codec: Codec, output: Output) {
        assert!(!self.closed, "{output:?} after the end");
        match output {
            Output::Opened(opened) => assert_eq!(opened, codec),
            Output::Call(IncomingCall { key, arguments, wants, uploads, .. }) => {
                assert!(self.serving.iter().all(|other| other.key != key) && !self.old.contains(&key));
                let (name, names): (String, Vec<String>) = arguments.read().unwrap();
                assert_eq!(names.len(), uploads);
                assert_eq!(wants == Wants::Nothing, name == "none");
                self.serving.push(Serving { key, wants, name, uploads: names });
            }
            Output::Cancelled(key) => assert_ne!(self.serving(key).wants, Wants::Nothing),
            Output::UploadItem { call, upload, item } => {
                assert_eq!(item.read::<String>().unwrap(), self.serving(call).uploads[upload]);
            }
            Output::UploadEnd { call, upload, error } => {
                let name = &self.serving(call).uploads[upload];
                assert!(error.is_none_or(|error| error == *name));
            }
            Output::Item { id, item } => {
                let asked = &self.asked[&id];
                assert!(asked.streaming && asked.answers == 0, "no item after the end of {id}");
                assert_eq!(item.read::<String>().unwrap(), id.as_str());
            }
            Output::Answered { id, outcome } => {
                let asked = self.asked.get_mut(&id).expect("a call that was made, and not cancelled");
                asked.answers += 1;
                assert_eq!(asked.answers, 1, "{id} ends once");
                match outcome {
                    Outcome::Value(value) => assert_eq!(value.read::<String>().unwrap(), id.as_str()),
                    Outcome::Void => assert!(asked.streaming),
                    Outcome::Error(error) => assert!(error == id.as_str() || error.contains("calls open"), "{error}"),
                }
            }
            Output::Closed(_) => self.closed = true,
            // Late for a call that was cancelled, or that is over.
            Output::UnknownCompletion(_) | Output::Ignored(_) | Output::Settled => {}
            other => panic!("{other:?}"),
        }
    }

    fn serving(&self, key: CallKey) -> &Serving {
        self.serving.iter().find(|serving| serving.key == key).expect("a call that is open")
    }

    fn progress(&self) -> (usize, usize, usize, bool) {
        let answers = self.asked.values().map(|asked| asked.answers).sum();
        (self.old.len(), answers, self.wire.len(), self.session.is_parked())
    }
}

fn pick<T>(of: &[T], number: u8) -> Option<&T> {
    (!of.is_empty()).then(|| &of[usize::from(number) % of.len()])
}
