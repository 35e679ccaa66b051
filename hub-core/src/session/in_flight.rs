//! Calls and streams that have begun and not ended, in both directions.

use std::collections::HashMap;

use crate::message::InvocationId;

/// Names a call that the peer made, from [`Output::Call`](super::Output::Call) until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey {
    index: u32,
    /// How often the place was used: an old key names nothing.
    generation: u32,
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
    uploads: Vec<InvocationId>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    serving: Option<Serving>,
}

/// The calls that the peer made.
#[derive(Debug, Default)]
pub(super) struct Served {
    places: Vec<Place>,
    free: Vec<u32>,
    slots_taken: usize,
    streams: HashMap<InvocationId, CallKey>,
    uploads: HashMap<InvocationId, (CallKey, usize)>,
}

impl Served {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn slots_taken(&self) -> usize {
        self.slots_taken
    }

    pub(super) fn has_stream(&self, id: &InvocationId) -> bool {
        self.streams.contains_key(id)
    }

    /// Whether a stream from the peer with this id is open.
    pub(super) fn has_upload(&self, id: &InvocationId) -> bool {
        self.uploads.contains_key(id)
    }

    pub(super) fn begin(&mut self, id: Option<InvocationId>, wants: Wants, uploads: Vec<InvocationId>) -> CallKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        let key = CallKey { index, generation: place.generation };
        let has_slot = wants != Wants::Stream && uploads.is_empty();
        self.slots_taken += usize::from(has_slot);
        if let (Wants::Stream, Some(id)) = (wants, &id) {
            self.streams.insert(id.clone(), key);
        }
        for (position, upload) in uploads.iter().enumerate() {
            self.uploads.insert(upload.clone(), (key, position));
        }
        place.serving = Some(Serving { id, wants, has_slot, uploads });
        key
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&Serving> {
        let place = self.places.get(key.index as usize)?;
        place.serving.as_ref().filter(|_| place.generation == key.generation)
    }

    /// Lets the next plain call begin although this one goes on (P-CR-10).
    pub(super) fn release_slot(&mut self, key: CallKey) {
        let place = self.places.get_mut(key.index as usize).filter(|place| place.generation == key.generation);
        if let Some(serving) = place.and_then(|place| place.serving.as_mut())
            && std::mem::take(&mut serving.has_slot)
        {
            self.slots_taken -= 1;
        }
    }

    /// Ends a call. Its uploads are closed with it (P-UP-09).
    pub(super) fn finish(&mut self, key: CallKey) -> Option<Serving> {
        let place = self.places.get_mut(key.index as usize).filter(|place| place.generation == key.generation)?;
        let serving = place.serving.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        self.slots_taken -= usize::from(serving.has_slot);
        if let (Wants::Stream, Some(id)) = (serving.wants, &serving.id) {
            self.streams.remove(id);
        }
        for upload in &serving.uploads {
            self.uploads.remove(upload);
        }
        Some(serving)
    }

    /// The call of this id that can be cancelled (P-CAN-02, P-DIV-06).
    pub(super) fn find(&self, id: &InvocationId) -> Option<CallKey> {
        if let Some(key) = self.streams.get(id) {
            return Some(*key);
        }
        // Plain calls are few: their number is limited.
        let (index, place) = self
            .places
            .iter()
            .enumerate()
            .find(|(_, place)| place.serving.as_ref().is_some_and(|serving| serving.id.as_ref() == Some(id)))?;
        Some(CallKey { index: index as u32, generation: place.generation })
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
            .map(|(index, place)| CallKey { index: index as u32, generation: place.generation })
    }
}
