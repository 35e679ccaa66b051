//! Whether a request is let in, and whose it is.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use hub_core::Identity;

use crate::events;
use crate::hosts::{AllowedHosts, Named};
use crate::hub::HubState;
use crate::identify::Identify;
use crate::lock;
use crate::origins::Origins;

/// How often it is told that a page was turned away: anybody can send such requests.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// An answer other than the one that was hoped for: its status, and a text for people.
pub(crate) struct Answer(pub(crate) StatusCode, pub(crate) &'static str);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "text/plain")], self.1).into_response()
    }
}

/// What is asked of each request of a hub, before anything else.
pub(crate) struct Admission {
    hosts: AllowedHosts,
    origins: Origins,
    identify: Identify,
    warned: Mutex<Option<Instant>>,
}

impl Admission {
    pub(crate) fn new(hosts: AllowedHosts, origins: Origins, identify: Identify) -> Self {
        Self { hosts, origins, identify, warned: Mutex::default() }
    }

    /// Turns a request away, or says whose it is.
    pub(crate) async fn admit(&self, hub: &HubState, parts: &Parts) -> Result<Identity, Answer> {
        hub.ready().await;
        if hub.shutdown.has_begun() {
            return Err(refuse(hub, StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down"));
        }
        check_size(parts, hub.options().maximum_request_head_size)
            .map_err(|status| refuse(hub, status, "The request is too large"))?;
        let named = Named::by(parts).map_err(|reason| refuse(hub, StatusCode::BAD_REQUEST, reason))?;
        if !self.hosts.allow(&named) {
            self.warn(hub, parts, "allowed_hosts");
            return Err(refuse(hub, StatusCode::BAD_REQUEST, "The host is not allowed"));
        }
        if !self.origins.allow(&parts.headers, &named) {
            self.warn(hub, parts, "allowed_origins");
            return Err(refuse(hub, StatusCode::FORBIDDEN, "The origin is not allowed"));
        }
        let identity = self.identify.ask(parts.clone()).await.map_err(|refusal| {
            events::request_refused(hub.name(), refusal.status().as_u16(), refusal.reason());
            Answer(refusal.status(), "")
        })?;
        let closes = hub.options().close_on_authentication_expiration;
        if closes && identity.expires_at().is_some_and(|at| at <= SystemTime::now()) {
            // It would be closed as soon as it is open, and its client would come again.
            events::request_refused(hub.name(), StatusCode::UNAUTHORIZED.as_u16(), "the identity has expired");
            return Err(Answer(StatusCode::UNAUTHORIZED, ""));
        }
        Ok(identity)
    }

    /// Says why, for this is often a proxy that was not told what to pass on.
    fn warn(&self, hub: &HubState, parts: &Parts, option: &'static str) {
        let now = Instant::now();
        let mut warned = lock(&self.warned);
        if warned.is_none_or(|at| now.duration_since(at) >= WARNING_INTERVAL) {
            *warned = Some(now);
            drop(warned);
            events::not_allowed(hub.name(), option, &parts.headers);
        }
    }
}

pub(crate) fn refuse(hub: &HubState, status: StatusCode, reason: &'static str) -> Answer {
    events::request_refused(hub.name(), status.as_u16(), reason);
    Answer(status, reason)
}

/// What of a request a connection keeps as long as it lives is bounded.
fn check_size(parts: &Parts, limit: usize) -> Result<(), StatusCode> {
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    match (target > limit, target + headers > limit) {
        (true, _) => Err(StatusCode::URI_TOO_LONG),
        (_, true) => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tracing::subscriber::with_default;

    use super::*;
    use crate::options::HubOptions;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_is_refused_for_a_proxy_is_told_once_and_shortly() {
        let hub = HubState::new("Chat".into(), HubOptions::default(), None, None);
        let identify = Identify::new(async |_| Ok(Identity::anonymous()));
        let admission = Admission::new(AllowedHosts::default(), Origins::default(), identify);
        let refused = |host: &str| {
            let request = http::Request::builder().header("origin", "https://chat.example").header("host", "inner:80");
            let parts = request.header("x-forwarded-host", host).body(()).unwrap().into_parts().0;
            let answer = admission.admit(&hub, &parts).now_or_never().unwrap().unwrap_err();
            assert_eq!(answer.0, StatusCode::FORBIDDEN);
        };
        let log = Log::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
        with_default(subscriber, || {
            refused(&"x".repeat(10_000));
            refused("other.example");
        });
        let log = String::from_utf8(lock(&log.0).clone()).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        for shown in
            [" WARN ", "HubRoute::allowed_origins", "origin=\"https://chat.example\"", "host=\"inner:80\"", "=\"xxx"]
        {
            assert!(log.contains(shown), "{shown}: {log}");
        }
        assert!(log.len() < 600, "what a stranger sent is cut: {log}");
    }
}
