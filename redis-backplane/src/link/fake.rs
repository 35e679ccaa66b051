//! A link without Redis, for tests of what surrounds it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::FutureExt;
use tokio::sync::{Semaphore, watch};

use super::{Dial, DialError, Flight, Link, Lost, Receive};
use crate::lock;

/// A Redis that says yes to all, when it is let.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<State>);

pub(crate) struct State {
    /// The messages of each write, in the order of the writes.
    pub(crate) writes: Mutex<Vec<Vec<String>>>,
    /// One is taken for each answer to a write.
    pub(crate) answers: Semaphore,
    pub(crate) dialled: AtomicUsize,
    /// How often it was broken.
    pub(crate) broken: watch::Sender<usize>,
    pub(crate) receive: Mutex<Option<Arc<dyn Receive>>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            writes: Mutex::default(),
            answers: Semaphore::new(0),
            dialled: AtomicUsize::new(0),
            broken: watch::Sender::new(0),
            receive: Mutex::default(),
        }
    }
}

impl std::ops::Deref for Fake {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

struct FakeLink {
    fake: Fake,
    broken: watch::Receiver<usize>,
}

#[async_trait]
impl Dial for Fake {
    async fn dial(&self, receive: Arc<dyn Receive>) -> Result<Box<dyn Link>, DialError> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        *lock(&self.receive) = Some(receive);
        let mut broken = self.broken.subscribe();
        broken.mark_unchanged();
        Ok(Box::new(FakeLink { fake: self.clone(), broken }))
    }
}

#[async_trait]
impl Link for FakeLink {
    fn publish(&self, messages: &[(&str, &[u8])]) -> Flight {
        let fake = self.fake.clone();
        let texts: Vec<String> =
            messages.iter().map(|(_, message)| String::from_utf8_lossy(&message[20..]).into_owned()).collect();
        async move {
            let answers = vec![Ok(1); texts.len()];
            lock(&fake.writes).push(texts);
            fake.answers.acquire().await.map_err(|error| Lost(error.to_string()))?.forget();
            Ok(answers)
        }
        .boxed()
    }

    async fn subscribe(&self, _: &[Arc<str>]) -> Result<(), Lost> {
        Ok(())
    }

    async fn unsubscribe(&self, _: &[Arc<str>]) -> Result<(), Lost> {
        Ok(())
    }

    async fn may_publish(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn largest_message(&self) -> (usize, String) {
        (usize::MAX, String::new())
    }

    async fn check(&self, _: bool) -> Result<(), Lost> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), Lost> {
        Ok(())
    }

    async fn offer(&self, _: &str, _: &str) -> Result<Result<bool, String>, Lost> {
        Ok(Ok(true))
    }

    async fn read(&self, _: &str) -> Result<Result<Option<Vec<u8>>, String>, Lost> {
        Ok(Ok(None))
    }

    async fn cut(&self) -> Lost {
        std::future::pending().await
    }

    async fn mend(&self) -> Result<bool, DialError> {
        Ok(false)
    }

    async fn lost(&self) -> Lost {
        let _ = self.broken.clone().changed().await;
        Lost("it was broken".to_owned())
    }
}
