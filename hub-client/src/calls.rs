//! The calls made here that have not ended.

use std::collections::HashMap;
use std::task::Context;

use hub_core::message::Outcome;
use hub_core::{CallError, Codec, InvocationId, Payload};

use crate::commands::Waiting;
use crate::inbox::Fill;

#[derive(Default)]
pub(crate) struct Calls {
    open: HashMap<InvocationId, Waiting>,
    /// How many of them are no streams.
    plain: usize,
    /// Whether a stream had too much waiting when it was last looked at.
    pressed: bool,
}

impl Calls {
    pub(crate) fn insert(&mut self, id: InvocationId, waiting: Waiting) {
        self.plain += usize::from(waiting.is_plain());
        self.open.insert(id, waiting);
    }

    pub(crate) fn remove(&mut self, id: &InvocationId) -> Option<Waiting> {
        let waiting = self.open.remove(id)?;
        self.plain -= usize::from(waiting.is_plain());
        Some(waiting)
    }

    /// Hands an item of a stream over, when so many bytes have been read.
    pub(crate) fn item(&mut self, id: &InvocationId, item: Payload, read: u64) {
        if let Some(Waiting::ForItems(items)) = self.open.get(id) {
            let size = item.bytes().len();
            self.pressed |= items.push(Ok(item), size, read) > Fill::Room;
        }
    }

    /// Ends a call as the hub says.
    pub(crate) fn answered(&mut self, id: &InvocationId, outcome: Outcome, codec: Codec) {
        match (self.remove(id), outcome) {
            (None | Some(Waiting::Nobody | Waiting::ToBeSent(_)), _) => {}
            // P-ERR-06
            (Some(waiting), Outcome::Error(text)) => waiting.fail(CallError::Remote(text)),
            (Some(Waiting::ForAnswer(answer)), outcome) => _ = answer.send(Ok(result(outcome, codec))),
            (Some(Waiting::ForTurn(turn)), outcome) => turn.answer(Ok(result(outcome, codec))),
            (Some(waiting), Outcome::Value(result)) if !result.is_null() => {
                // P-STR-01
                let text = "Server provided a result in a completion response to a streamed invocation.";
                waiting.fail(CallError::Decode(text.to_owned()));
            }
            (Some(Waiting::ForItems(items)), _) => items.end(),
        }
    }

    /// The connection is lost, and with it all answers (P-CLS-12).
    pub(crate) fn fail(&mut self, error: &CallError) {
        for (_, waiting) in self.open.drain() {
            waiting.fail(error.clone());
        }
        self.plain = 0;
        self.pressed = false;
    }

    /// Whether what comes next has to wait (P-STR-10): a stream, or the inbox of notices (`also`), has
    /// enough to be read. Not so while somebody waits for something that can only come when the socket is read on: a
    /// reader may well call the hub between two items, and would wait for ever. Memory has the last word.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>, also: Fill) -> bool {
        if !self.pressed && also == Fill::Room {
            return false;
        }
        let mut fill = Fill::Room;
        let mut somebody_waits = self.plain > 0;
        for waiting in self.open.values() {
            if let Waiting::ForItems(items) = waiting {
                let (of_stream, reader_waits) = items.poll_level(cx);
                fill = fill.max(of_stream);
                somebody_waits |= reader_waits;
            }
        }
        self.pressed = fill > Fill::Room;
        match fill.max(also) {
            Fill::Room => false,
            Fill::Full => !somebody_waits,
            Fill::Overfull => true,
        }
    }
}

/// Without a result is as good as with a null one (P-INV-12).
fn result(outcome: Outcome, codec: Codec) -> Payload {
    if let Outcome::Value(result) = outcome { result } else { Payload::null(codec) }
}
