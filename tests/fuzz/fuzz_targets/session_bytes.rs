//! Bytes from the network into a session of either end: nothing panics, and where the transport cuts makes no difference.
//!
//! The first byte chooses the session, the second where it is cut; the rest is what the network brings.

#![no_main]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hub_core::message::Outcome;
use hub_core::session::{Output, Session, SessionOptions, Wants};
use hub_core::{Codec, Payload, TransferFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [choice, seed, bytes @ ..] = input else { return };
    let whole = run(*choice, [Bytes::copy_from_slice(bytes)].into_iter());
    let cut = run(*choice, pieces(bytes, *seed));
    assert_eq!(whole, cut);
});

/// Cuts at places that depend on the seed only.
fn pieces(mut bytes: &[u8], seed: u8) -> impl Iterator<Item = Bytes> {
    let mut state = u32::from(seed) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (state >> 24) as usize % 17 + 1;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then(|| Bytes::copy_from_slice(piece))
    })
}

/// What a session says and writes.
fn run(choice: u8, pieces: impl Iterator<Item = Bytes>) -> (Vec<String>, Vec<u8>) {
    let codec = Codec::ALL[usize::from(choice & 1)];
    let options = Arc::new(SessionOptions {
        receive_limit: if choice & 4 == 0 { 64 } else { 1024 },
        open_calls: 4,
        detailed_errors: choice & 8 != 0,
        ..SessionOptions::default()
    });
    let now = Instant::now();
    let mut driver = if choice & 2 == 0 {
        Driver::new(Session::server(options.clone(), TransferFormat::Binary, now), now)
    } else {
        Driver::new(Session::client(options.clone(), codec, now), now)
    };
    if choice & 16 == 0 {
        let request = format!("{{\"protocol\":\"{}\",\"version\":1}}\x1e", codec.name());
        driver.take(if choice & 2 == 0 { Bytes::from(request) } else { Bytes::from_static(b"{}\x1e") });
        // Something to be answered.
        for streaming in [false, true] {
            let id = driver.session.next_id();
            driver.ask(id, codec, streaming);
        }
    }
    for piece in pieces {
        driver.take(piece);
        assert!(driver.session.open_calls().count() <= options.open_calls);
    }
    driver.session.handle_end(now);
    driver.outputs();
    assert!(driver.session.is_closed(), "an end ends it");
    (driver.told, driver.written)
}

struct Driver {
    session: Session,
    now: Instant,
    told: Vec<String>,
    written: Vec<u8>,
    closed: bool,
}

impl Driver {
    fn new(session: Session, now: Instant) -> Self {
        Self { session, now, told: Vec::new(), written: Vec::new(), closed: false }
    }

    fn ask(&mut self, id: hub_core::InvocationId, codec: Codec, streaming: bool) {
        let invocation = hub_core::message::Invocation {
            headers: Vec::new(),
            id: Some(id),
            target: "Ask".into(),
            arguments: hub_core::Args::new(codec.encode_value::<[u8]>(&[]).unwrap()),
            streams: Vec::new(),
        };
        self.session.invoke(invocation, streaming);
    }

    fn take(&mut self, bytes: Bytes) {
        self.session.handle_bytes(self.now, bytes);
        self.outputs();
    }

    fn outputs(&mut self) {
        while let Some(output) = self.session.poll_output(self.now) {
            assert!(!self.closed, "{output:?} after the end");
            self.told.push(format!("{output:?}"));
            match output {
                // Most calls are answered at once; streams and uploads stay open.
                Output::Call(call) if call.wants != Wants::Stream && call.uploads == 0 => {
                    let codec = call.arguments.codec();
                    assert_eq!(Some(codec), self.session.codec());
                    self.session.answer(call.key, Outcome::Value(Payload::null(codec)));
                }
                Output::Call(call) => self.session.item(call.key, call.arguments.payload().clone()),
                Output::Cancelled(key) => self.session.answer(key, Outcome::Void),
                Output::UploadEnd { call, .. } => self.session.answer(call, Outcome::Void),
                Output::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        let before = self.session.output_len();
        let writes: Vec<_> = std::iter::from_fn(|| self.session.poll_write()).collect();
        assert_eq!(writes.iter().map(Bytes::len).sum::<usize>(), before);
        self.written.extend(writes.concat());
        let _ = self.session.poll_timeout();
    }
}
