//! From a call to the method that serves it: find, bind, authorize, construct, start (P-INV-11).

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use hub_core::dispatch::{BoxFuture, Call, ItemSink, Kind, Method};
use hub_core::message::Outcome;
use hub_core::session::{CallKey, Ignored, IncomingCall, Wants};
use hub_core::{Caller, ConnectionId, HubError, InvocationId, Payload, with_detail};

use crate::calls::{Ended, Finished, Work};
use crate::context::{Context, DisconnectReason, Hub, Within};
use crate::events;
use crate::hub::HubState;
use crate::outbox::Command;
use crate::peer::Peer;
use crate::uploads::{self, UploadSender};

/// What became of a call.
pub(crate) enum Begun {
    /// It will not run: the text for the caller.
    Refused(String),
    Running {
        work: Work,
        kind: Kind,
        uploads: Vec<UploadSender>,
    },
}

/// A hub, seen by the connections that serve it.
pub(crate) trait Service: Send + Sync + 'static {
    fn connected(&self, peer: &Arc<Peer>) -> BoxFuture<Result<(), HubError>>;

    fn start(&self, peer: &Arc<Peer>, call: IncomingCall) -> Begun;

    fn disconnected(&self, peer: &Arc<Peer>, reason: DisconnectReason) -> BoxFuture<Result<(), HubError>>;
}

pub(crate) struct Dispatcher<H: Hub>(Arc<Table<H>>);

struct Table<H: Hub> {
    construct: Box<dyn Fn(Context<H>) -> H + Send + Sync>,
    methods: HashMap<&'static str, &'static Method<H>>,
    /// Under their names in lower case: clients may write them as they like (P-INV-01).
    ignoring_case: HashMap<String, &'static Method<H>>,
}

impl<H: Hub> Clone for Dispatcher<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Hub> Dispatcher<H> {
    pub(crate) fn new(construct: impl Fn(Context<H>) -> H + Send + Sync + 'static) -> Self {
        Self(Arc::new(Table {
            construct: Box::new(construct),
            methods: H::METHODS.iter().map(|method| (method.name, method)).collect(),
            ignoring_case: H::METHODS.iter().map(|method| (method.name.to_lowercase(), method)).collect(),
        }))
    }

    fn find(&self, target: &str) -> Option<&'static Method<H>> {
        self.0.methods.get(target).or_else(|| self.0.ignoring_case.get(&target.to_lowercase())).copied()
    }

    fn hub(&self, peer: &Arc<Peer>, within: Within) -> H {
        (self.0.construct)(Context::new(Arc::clone(peer), within))
    }
}

impl<H: Hub> Service for Dispatcher<H> {
    fn connected(&self, peer: &Arc<Peer>) -> BoxFuture<Result<(), HubError>> {
        // Constructed inside, where a panic of the closure is contained too.
        let (dispatcher, peer) = (self.clone(), Arc::clone(peer));
        contain(async move { dispatcher.hub(&peer, Within::Connected).connected().await })
    }

    fn start(&self, peer: &Arc<Peer>, call: IncomingCall) -> Begun {
        let state = peer.hub();
        let IncomingCall { key, target, arguments, wants, uploads: streams, mut reused, .. } = call;
        let Some(method) = self.find(&target) else {
            events::unknown_method(state.name(), peer.id(), &target);
            // Whatever the detail (P-INV-03).
            return Begun::Refused(format!("{} HubException: Method does not exist.", not_invoked(&target)));
        };
        let (senders, uploads) =
            if streams == method.uploads { uploads::open(peer, streams) } else { Default::default() };
        let items: Option<Box<dyn ItemSink>> = match method.kind {
            Kind::Stream => Some(Box::new(StreamSink { peer: Arc::clone(peer), call: key })),
            Kind::Notice | Kind::Answer => None,
        };
        let mut refusal = None;
        let started = catch_unwind(AssertUnwindSafe(|| {
            (method.start)(Call { arguments, uploads, items }, &mut || {
                refusal = refuse(peer, method, &target, wants, streams)
                    .or_else(|| reused.take().map(|stream| stream_in_use(peer, &target, stream)));
                refusal.is_none().then(|| self.hub(peer, Within::Call(key)))
            })
        }));
        match started {
            Ok(Ok(Some(future))) => {
                let droppable = method.cancellable || method.kind == Kind::Stream;
                let work = Work { future, method: method.name, droppable };
                Begun::Running { work, kind: method.kind, uploads: senders }
            }
            Ok(Ok(None)) => Begun::Refused(refusal.unwrap_or_else(|| not_invoked(&target))),
            Ok(Err(error)) => {
                events::binding_failed(state.name(), peer.id(), method.name, &error);
                let detailed = state.options().enable_detailed_errors;
                let head = not_invoked(&target);
                Begun::Refused(if detailed { error.explain(&head) } else { head })
            }
            Err(panic) => {
                events::method_panicked(state.name(), peer.id(), method.name, &panic_message(&*panic));
                Begun::Refused(unexpected(&target))
            }
        }
    }

    fn disconnected(&self, peer: &Arc<Peer>, reason: DisconnectReason) -> BoxFuture<Result<(), HubError>> {
        let (dispatcher, peer) = (self.clone(), Arc::clone(peer));
        contain(async move {
            dispatcher.hub(&peer, Within::Disconnected).disconnected(&reason).await;
            Ok(())
        })
    }
}

/// What is checked when the arguments fit, and before the hub is made. The text is for the caller.
fn refuse<H>(peer: &Peer, method: &Method<H>, target: &str, wants: Wants, streams: usize) -> Option<String> {
    let caller = Caller { connection_id: peer.id(), identity: peer.identity() };
    if !method.policies.iter().all(|policy| policy(&caller)) {
        events::unauthorized(peer.hub().name(), peer.id(), method.name);
        return Some(format!("Failed to invoke '{target}' because user is unauthorized"));
    }
    match (method.kind, wants) {
        (Kind::Stream, Wants::Answer | Wants::Nothing) => {
            return Some(format!(
                "The client attempted to invoke the streaming '{target}' method with a non-streaming invocation."
            ));
        }
        (Kind::Notice | Kind::Answer, Wants::Stream) => {
            return Some(format!(
                "The client attempted to invoke the non-streaming '{target}' method with a streaming invocation."
            ));
        }
        _ => {}
    }
    (streams != method.uploads).then(|| {
        let reason = format!("Client sent {streams} stream(s), Hub method expects {}.", method.uploads);
        HubError::public(reason).wire_text(&unexpected(target), false)
    })
}

/// The text for who names a stream that is open already (P-UP-11).
fn stream_in_use(peer: &Peer, target: &str, stream: InvocationId) -> String {
    let text =
        HubError::public(format!("Stream ID '{stream}' is already in use.")).wire_text(&unexpected(target), false);
    events::ignored(peer.hub().name(), peer.id(), &Ignored::UploadReused(stream));
    text
}

/// What the caller of a method reads at its end, and the log.
pub(crate) fn outcome(hub: &HubState, connection: &ConnectionId, finished: Finished) -> Outcome {
    let Finished { target, method, kind, ended, cancelled, .. } = finished;
    let detailed = hub.options().enable_detailed_errors;
    let head = || match kind {
        Kind::Notice | Kind::Answer => unexpected(&target),
        Kind::Stream => "An error occurred on the server while streaming results.".to_owned(),
    };
    match (ended, kind) {
        (Ended::Returned(result), Kind::Notice | Kind::Answer) => Outcome::Value(result),
        // A stream ends without a result, by itself or because its caller wants no more (P-STR-08, P-CAN-02).
        (Ended::Returned(_) | Ended::Dropped, Kind::Stream) => Outcome::Void,
        (Ended::Dropped, Kind::Notice | Kind::Answer) => Outcome::Error(if detailed {
            // As the exception of .NET (P-CX-03).
            with_detail(&head(), "TaskCanceledException", "A task was canceled.")
        } else {
            head()
        }),
        (Ended::Failed(error), _) => {
            events::method_failed(hub.name(), connection, method, &error, cancelled);
            Outcome::Error(error.wire_text(&head(), detailed))
        }
        (Ended::Panicked(message), _) => {
            events::method_panicked(hub.name(), connection, method, &message);
            Outcome::Error(head())
        }
    }
}

/// A hook whose panic is an error.
fn contain<T>(hook: impl Future<Output = Result<T, HubError>> + Send + 'static) -> BoxFuture<Result<T, HubError>>
where
    T: Send + 'static,
{
    Box::pin(AssertUnwindSafe(hook).catch_unwind().map(|returned| {
        returned.unwrap_or_else(|panic| Err(HubError::private(format!("panicked: {}", panic_message(&*panic)))))
    }))
}

/// The head of the text when a method was not even begun (P-ERR-04).
pub(crate) fn not_invoked(target: &str) -> String {
    format!("Failed to invoke '{target}' due to an error on the server.")
}

/// The head of the text when a method fails (P-ERR-04).
fn unexpected(target: &str) -> String {
    format!("An unexpected error occurred invoking '{target}' on the server.")
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The items of a stream leave through the connection's outbox, in order with what the method sends besides.
struct StreamSink {
    peer: Arc<Peer>,
    call: CallKey,
}

impl ItemSink for StreamSink {
    fn poll_room(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.peer.outbox().poll_room(self.call, cx)
    }

    fn push(&self, item: Payload) {
        self.peer.outbox().push(Command::Item(self.call, item));
    }
}
