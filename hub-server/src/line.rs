//! The transport of a connection, for as long as there is one.

use std::task::{Context, Poll};
use std::time::Duration;

use hub_core::dispatch::BoxFuture;

use crate::transport::Transport;

pub(crate) enum Line<T> {
    Up(T),
    /// The client has said goodbye, and is answered.
    Leaving(BoxFuture<()>),
    Down,
}

impl<T: Transport> Line<T> {
    /// The socket goes now, with what was read from it and what it would not take.
    pub(crate) fn cut(&mut self) {
        *self = Self::Down;
    }

    /// Says goodbye, for as long as the client may take to answer: it is not trusted to.
    pub(crate) fn leave(&mut self, patience: Duration) {
        *self = match std::mem::replace(self, Self::Down) {
            Self::Up(mut transport) => Self::Leaving(Box::pin(async move {
                let _ = tokio::time::timeout(patience, transport.close()).await;
            })),
            other => other,
        };
    }

    pub(crate) fn poll_leave(&mut self, cx: &mut Context<'_>) {
        if let Self::Leaving(goodbye) = self
            && goodbye.as_mut().poll(cx).is_ready()
        {
            *self = Self::Down;
        }
    }

    /// Says goodbye if that was not done, and waits until it is.
    pub(crate) async fn left(mut self, patience: Duration) {
        self.leave(patience);
        std::future::poll_fn(|cx| {
            self.poll_leave(cx);
            if matches!(self, Self::Down) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
