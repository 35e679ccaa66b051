//! What all connections of one hub share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use hub_core::backplane::Backplane;
use hub_core::session::SessionOptions;
use hub_core::{ConnectionId, InvocationId};
use tokio::runtime::Handle;

use crate::held::Held;
use crate::nodes::Nodes;
use crate::options::HubOptions;
use crate::registry::Registry;
use crate::shutdown::Shutdown;
use crate::tokens::Tokens;

#[derive(Debug)]
pub(crate) struct HubState {
    name: Box<str>,
    options: HubOptions,
    session: Arc<SessionOptions>,
    pub(crate) registry: Registry,
    /// The way to other nodes, if there can be any.
    pub(crate) nodes: Option<Nodes>,
    pub(crate) tokens: Tokens,
    pub(crate) shutdown: Shutdown,
    /// Whom each question was put to that has no answer yet (P-CR-03).
    pub(crate) questions: DashMap<InvocationId, ConnectionId>,
    /// What the outboxes hold together.
    pub(crate) held: Held,
    /// How many connections speak each protocol.
    pub(crate) speaking: [AtomicUsize; 2],
    runtime: OnceLock<Handle>,
    serials: AtomicU64,
    question_ids: AtomicU64,
}

impl HubState {
    pub(crate) fn new(
        name: Box<str>,
        options: HubOptions,
        token_key: Option<[u8; 32]>,
        backplane: Option<&dyn Backplane>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|hub| {
            let nodes = backplane.map(|backplane| Nodes::new(backplane, &name, hub, &options));
            let attachment = nodes.as_ref().map(|nodes| Arc::clone(nodes.attachment()));
            let node = attachment.as_ref().map(|attachment| attachment.node());
            Self {
                session: Arc::new(options.session()),
                registry: Registry::new(attachment),
                nodes,
                tokens: Tokens::new(options.disconnect_timeout, token_key, node),
                held: Held::new(options.outbox_total_bytes),
                speaking: Default::default(),
                runtime: OnceLock::new(),
                name,
                options,
                shutdown: Shutdown::default(),
                questions: DashMap::new(),
                serials: AtomicU64::new(0),
                question_ids: AtomicU64::new(0),
            }
        })
    }

    /// Waits until other nodes hear this one, if there can be any.
    pub(crate) async fn ready(&self) {
        if let Some(nodes) = &self.nodes {
            nodes.ready(self.tokens.own_key()).await;
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn options(&self) -> &HubOptions {
        &self.options
    }

    pub(crate) fn session_options(&self) -> &Arc<SessionOptions> {
        &self.session
    }

    /// The runtime that serves the connections, once there are any.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.runtime.get()
    }

    /// Called by the task of a connection.
    pub(crate) fn runs_here(&self) {
        self.runtime.get_or_init(Handle::current);
    }

    /// A number that no other connection of this process has.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// An id for a question, which must not look like one of a client's counter (P-CR-02).
    pub(crate) fn next_question(&self) -> InvocationId {
        let number = self.question_ids.fetch_add(1, Ordering::Relaxed) + 1;
        InvocationId::from(format!("s{number}"))
    }
}
