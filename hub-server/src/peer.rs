//! What the rest of the server knows of a connection: who it is, and where to put what it shall read.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hub_core::{Codec, ConnectionId, GroupName, Identity};
use tokio::sync::Notify;

use crate::cancellations::Cancellations;
use crate::hub::HubState;
use crate::outbox::{Command, End, Outbox};
use crate::request::Request;
use crate::uploads::UploadBytes;

/// One connection, as those see it who send to it.
#[derive(Debug)]
pub(crate) struct Peer {
    hub: Arc<HubState>,
    id: ConnectionId,
    serial: u64,
    codec: Codec,
    identity: Identity,
    request: Request,
    outbox: Outbox,
    upload_bytes: UploadBytes,
    /// `None` once the connection has left all groups for good.
    groups: Mutex<Option<HashSet<GroupName>>>,
    items: Mutex<Items>,
    cancellations: Cancellations,
    gone: AtomicBool,
    on_gone: Notify,
}

/// What the application keeps with a connection, one value a type.
type Items = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Peer {
    pub(crate) fn new(
        hub: Arc<HubState>,
        id: ConnectionId,
        codec: Codec,
        identity: Identity,
        request: Request,
    ) -> Self {
        Self {
            serial: hub.next_serial(),
            outbox: Outbox::new(hub.options()),
            upload_bytes: UploadBytes::default(),
            hub,
            id,
            codec,
            identity,
            request,
            groups: Mutex::new(Some(HashSet::new())),
            items: Mutex::default(),
            cancellations: Cancellations::default(),
            gone: AtomicBool::new(false),
            on_gone: Notify::const_new(),
        }
    }

    pub(crate) fn hub(&self) -> &Arc<HubState> {
        &self.hub
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    pub(crate) fn groups(&self) -> &Mutex<Option<HashSet<GroupName>>> {
        &self.groups
    }

    pub(crate) fn items(&self) -> &Mutex<Items> {
        &self.items
    }

    pub(crate) fn cancellations(&self) -> &Cancellations {
        &self.cancellations
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn upload_bytes(&self) -> &UploadBytes {
        &self.upload_bytes
    }

    pub(crate) fn end(&self, end: End) {
        self.outbox.end(end);
    }

    /// The connection has ended: nothing can be sent, and those who wait for it are told. Gives back what waited.
    pub(crate) fn set_gone(&self) -> VecDeque<Command> {
        let waited = self.outbox.close();
        self.gone.store(true, Ordering::Release);
        self.on_gone.notify_waiters();
        self.cancellations.cancel_all();
        waited
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Waits for the end of the connection.
    pub(crate) async fn gone(&self) {
        let mut told = std::pin::pin!(self.on_gone.notified());
        // In this order, so that an end in between is not missed.
        told.as_mut().enable();
        if !self.is_gone() {
            told.await;
        }
    }
}
