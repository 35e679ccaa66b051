//! Calls and streams that have begun and not ended, in both directions.

use std::collections::HashMap;

use crate::message::InvocationId;

/// Names a call that the peer made, from [`Output::Call`](super::Output::Call) until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey {
    index: u32,
    /// Counts the calls of the connection: an old key names nothing.
    number: u32,
}

/// What the caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Nothing, not even an error (P-INV-09).
    Nothing,
    /// One Completion (P-INV-10).
    Answer,
    /// Items, then one Completion (P-STR-01).
    Stream,
}

/// A call of the peer's that runs here.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) id: Option<InvocationId>,
    pub(super) wants: Wants,
    /// Whether it counts against the limit of parallel calls (P-INV-20, P-INV-21).
    pub(super) has_slot: bool,
    /// The size of the message that made the call.
    bytes: usize,
    uploads: Vec<InvocationId>,
}

#[derive(Debug, Default)]
struct Place {
    number: u32,
    serving: Option<Serving>,
}

/// How many calls the tables keep room for once all have ended.
const KEPT_PLACES: usize = 16;

/// The calls that the peer made.
#[derive(Debug, Default)]
pub(super) struct Served {
    places: Vec<Place>,
    free: Vec<u32>,
    last_number: u32,
    slots_taken: usize,
    /// What the messages of all of them had.
    bytes: usize,
    /// The peer chooses the ids, and cancels as many as it likes: none is searched for. Of plain calls with one id, which
    /// are not refused (P-INV-15), the last.
    by_id: HashMap<InvocationId, CallKey, foldhash::fast::RandomState>,
    uploads: HashMap<InvocationId, (CallKey, usize)>,
}

impl Served {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many bytes the messages had that made the open calls.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn slots_taken(&self) -> usize {
        self.slots_taken
    }

    pub(super) fn has_stream(&self, id: &InvocationId) -> bool {
        self.find(id).and_then(|key| self.get(key)).is_some_and(|serving| serving.wants == Wants::Stream)
    }

    /// Whether a stream from the peer with this id is open.
    pub(super) fn has_upload(&self, id: &InvocationId) -> bool {
        self.uploads.contains_key(id)
    }

    pub(super) fn begin(
        &mut self,
        id: Option<InvocationId>,
        wants: Wants,
        uploads: Vec<InvocationId>,
        bytes: usize,
    ) -> CallKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        self.last_number = self.last_number.wrapping_add(1);
        let key = CallKey { index, number: self.last_number };
        let has_slot = wants != Wants::Stream && uploads.is_empty();
        self.slots_taken += usize::from(has_slot);
        self.bytes += bytes;
        if let Some(id) = &id {
            self.by_id.insert(id.clone(), key);
        }
        for (position, upload) in uploads.iter().enumerate() {
            self.uploads.insert(upload.clone(), (key, position));
        }
        let serving = Serving { id, wants, has_slot, bytes, uploads };
        self.places[index as usize] = Place { number: key.number, serving: Some(serving) };
        key
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&Serving> {
        let place = self.places.get(key.index as usize)?;
        place.serving.as_ref().filter(|_| place.number == key.number)
    }

    fn place(&mut self, key: CallKey) -> Option<&mut Option<Serving>> {
        let place = self.places.get_mut(key.index as usize)?;
        (place.number == key.number).then_some(&mut place.serving)
    }

    /// Lets the next plain call begin although this one goes on (P-CR-10).
    pub(super) fn release_slot(&mut self, key: CallKey) {
        if let Some(Some(serving)) = self.place(key)
            && std::mem::take(&mut serving.has_slot)
        {
            self.slots_taken -= 1;
        }
    }

    /// Ends a call. Its uploads are closed with it (P-UP-09).
    pub(super) fn finish(&mut self, key: CallKey) -> Option<Serving> {
        let serving = self.place(key)?.take()?;
        self.free.push(key.index);
        self.slots_taken -= usize::from(serving.has_slot);
        self.bytes -= serving.bytes;
        if let Some(id) = &serving.id
            && self.by_id.get(id) == Some(&key)
        {
            self.by_id.remove(id);
        }
        for upload in &serving.uploads {
            self.uploads.remove(upload);
        }
        if self.places.len() > KEPT_PLACES && self.len() == 0 {
            *self = Self { last_number: self.last_number, ..Self::default() };
        }
        Some(serving)
    }

    /// The call of this id that can be cancelled (P-CAN-02, P-DIV-06).
    pub(super) fn find(&self, id: &InvocationId) -> Option<CallKey> {
        self.by_id.get(id).copied()
    }

    pub(super) fn upload(&self, id: &InvocationId) -> Option<(CallKey, usize)> {
        self.uploads.get(id).copied()
    }

    pub(super) fn end_upload(&mut self, id: &InvocationId) -> Option<(CallKey, usize)> {
        // Mostly there are none, and nothing to be hashed for.
        if self.uploads.is_empty() { None } else { self.uploads.remove(id) }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = CallKey> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, place)| place.serving.is_some())
            .map(|(index, place)| CallKey { index: index as u32, number: place.number })
    }
}
