//! One attempt to connect, a whole start each time (P-CLI-07): negotiation, transport, handshake.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use hub_core::session::{Ending, Output, Session, SessionOptions};
use hub_core::{Codec, ConnectionId};
use tokio::time::{Instant, timeout};

use crate::cookies::Cookies;
use crate::dial::Dialer;
use crate::error::{ConnectError, Ended};
use crate::negotiate::{Negotiated, Negotiator, explained};
use crate::options::Options;
use crate::request;
use crate::token::Tokens;
use crate::transport::web_socket::WebSocket;
use crate::transport::{Lost, Received};
use crate::trust::Trust;
use crate::url::Url;

/// Makes connections, of the same kind each time.
pub(crate) struct Connector {
    pub(crate) url: Url,
    pub(crate) codec: Codec,
    pub(crate) headers: HeaderMap,
    pub(crate) tokens: Tokens,
    pub(crate) trust: Trust,
    pub(crate) skip_negotiation: bool,
    pub(crate) dialer: Dialer,
    pub(crate) cookies: Cookies,
    pub(crate) options: Arc<Options>,
    pub(crate) session_options: Arc<SessionOptions>,
}

/// A connection whose handshake is done. What came behind that waits in the session.
pub(crate) struct Link {
    pub(crate) transport: WebSocket,
    pub(crate) session: Session,
    /// None where nothing was negotiated (P-NEG-20).
    pub(crate) id: Option<ConnectionId>,
}

impl Connector {
    pub(crate) async fn attempt(&mut self) -> Result<Link, ConnectError> {
        let limit = self.options.request_timeout;
        let at = if self.skip_negotiation {
            let token = within("request_timeout", limit, self.tokens.get()).await?;
            Negotiated { url: self.url.clone(), id: None, token, token_is_final: false, is_trusted: true }
        } else {
            let hub = self.url.clone();
            let mut negotiator = Negotiator {
                dialer: &self.dialer,
                headers: &self.headers,
                tokens: &self.tokens,
                trust: &self.trust,
                cookies: &mut self.cookies,
                codec: self.codec,
            };
            within("request_timeout", limit, negotiator.negotiate(&hub)).await?
        };
        let transport = match within("request_timeout", limit, self.upgrade(&at, at.token.as_deref())).await {
            // The token may have expired since (P-AUTH-05).
            Err(ConnectError::Upgrade { status: Some(401), .. }) if self.tokens.may_change() && !at.token_is_final => {
                let again = async { self.upgrade(&at, self.tokens.get().await?.as_deref()).await };
                within("request_timeout", limit, again).await?
            }
            upgraded => upgraded.map_err(|error| explained(error, &at.url, at.is_trusted))?,
        };
        self.handshake(transport, at.id).await
    }

    async fn upgrade(&mut self, at: &Negotiated, token: Option<&str>) -> Result<WebSocket, ConnectError> {
        let mut headers = request::headers(&at.url, Some(&self.headers).filter(|_| at.is_trusted), token)?;
        self.cookies.add_to(&mut headers, &at.url);
        let (web_socket, answer) = WebSocket::connect(&self.dialer, &at.url, headers).await?;
        self.cookies.take(&at.url, &answer);
        Ok(web_socket)
    }

    async fn handshake(&self, mut transport: WebSocket, id: Option<ConnectionId>) -> Result<Link, ConnectError> {
        let now = Instant::now().into_std();
        let mut session = Session::client(Arc::clone(&self.session_options), self.codec, now);
        let shaken = shake(&mut transport, &mut session, self.codec);
        match within("handshake_timeout", self.options.handshake_timeout, shaken).await {
            Ok(()) => Ok(Link { transport, session, id }),
            Err(error) => {
                part(transport, self.options.close_timeout);
                Err(error)
            }
        }
    }
}

/// Sends the request, and waits for the response.
async fn shake(transport: &mut WebSocket, session: &mut Session, codec: Codec) -> Result<(), ConnectError> {
    let lost = |Lost(why)| ConnectError::Ended(Ended::Lost(why));
    while let Some(request) = session.poll_write() {
        transport.send(&request, codec.transfer_format()).map_err(lost)?;
    }
    poll_fn(|cx| transport.poll_flush(cx)).await.map_err(lost)?;
    loop {
        let received = poll_fn(|cx| transport.poll_receive(cx)).await;
        let now = Instant::now().into_std();
        match received {
            Received::Bytes(bytes) => session.handle_bytes(now, bytes),
            Received::End(why) => return Err(ConnectError::Ended(Ended::Lost(why))),
            Received::Failed(error) => return Err(ConnectError::Ended(Ended::Protocol(error))),
        }
        match session.poll_output(now) {
            None => {}
            Some(Output::Closed(Ending::HandshakeRefused(error))) => return Err(ConnectError::Handshake(error)),
            Some(Output::Closed(Ending::Protocol(error))) => return Err(ConnectError::Ended(Ended::Protocol(error))),
            // Nothing but the end precedes it.
            Some(_) => return Ok(()),
        }
    }
}

/// Says goodbye without making anybody wait for the server's.
pub(crate) fn part(mut transport: WebSocket, patience: Duration) {
    tokio::spawn(async move {
        let goodbye = async {
            transport.close().await;
            transport.wait_closed().await;
        };
        // The server is not trusted to answer.
        let _ = timeout(patience, goodbye).await;
    });
}

/// Whether everything is written, within this time.
pub(crate) async fn flush(transport: &mut WebSocket, session: &mut Session, codec: Codec, patience: Duration) {
    let written = poll_fn(|cx| {
        loop {
            while transport.has_room()
                && let Some(messages) = session.poll_write()
            {
                if transport.send(&messages, codec.transfer_format()).is_err() {
                    return Poll::Ready(());
                }
            }
            match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) if session.output_len() > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // Best effort (P-CLS-10).
    let _ = timeout(patience, written).await;
}

async fn within<T>(
    option: &'static str,
    limit: Duration,
    step: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout(limit, step).await.unwrap_or(Err(ConnectError::TimedOut { option, after: limit }))
}
