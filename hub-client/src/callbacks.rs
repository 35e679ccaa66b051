//! The typed handlers: the table that `#[callbacks]` generates.

use std::sync::Arc;

use hub_core::Callbacks;
use hub_core::dispatch::{Call, Kind};

use crate::handlers::{Handlers, Running};

/// Registers every method of a table. All calls share the one value.
pub(crate) fn register<C: Callbacks>(handlers: &Handlers, callbacks: C) {
    let callbacks = Arc::new(callbacks);
    for method in C::METHODS {
        let callbacks = Arc::clone(&callbacks);
        let run = move |arguments| {
            let call = Call { arguments, uploads: Vec::new(), items: None };
            let started = (method.start)(call, &mut || Some(Arc::clone(&callbacks)))?;
            let running: Running = Box::pin(async move {
                let Some(running) = started else { return Ok(None) };
                let answer = running.await?;
                // Nobody meant a notice to be answered (P-CR-07).
                Ok((method.kind == Kind::Answer).then_some(answer))
            });
            Ok(running)
        };
        handlers.add(method.name, Arc::new(run));
    }
}
