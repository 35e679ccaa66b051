//! The negotiation from the client's side (protocol.md section 15): where to attach a transport, and under which id.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use hub_core::negotiate::{AvailableTransport, NegotiateResponse};
use hub_core::{Codec, ConnectionId};
use serde_json::Value;

use crate::cookies::Cookies;
use crate::dial::Dialer;
use crate::error::ConnectError;
use crate::request;
use crate::token::Tokens;
use crate::trust::Trust;
use crate::url::Url;

/// How often a server may send a client on (P-NEG-14).
const MAX_HOPS: usize = 100;

/// What a negotiation needs.
pub(crate) struct Negotiator<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) tokens: &'a Tokens,
    /// Who gets these two.
    pub(crate) trust: &'a Trust,
    pub(crate) cookies: &'a mut Cookies,
    pub(crate) codec: Codec,
}

/// Where the connection is to be attached.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) url: Url,
    pub(crate) id: Option<ConnectionId>,
    /// What the last hop was asked with.
    pub(crate) token: Option<String>,
    /// Whether the application's own token may be asked for again: not where a redirect gave one, nor at a host that is
    /// not to have it.
    pub(crate) token_is_final: bool,
    /// Whether the application's headers go there.
    pub(crate) is_trusted: bool,
}

impl Negotiator<'_> {
    pub(crate) async fn negotiate(&mut self, hub: &Url) -> Result<Negotiated, ConnectError> {
        let mut hub = hub.clone();
        let mut given = None;
        for _ in 0..=MAX_HOPS {
            let is_trusted = self.trust.covers(&hub);
            let token_is_final = given.is_some() || !is_trusted;
            let token = match given.take() {
                None if is_trusted => self.tokens.get().await?,
                given => given,
            };
            let asked = hub.negotiate();
            let response = self.ask(&asked, is_trusted, token.as_deref()).await?;
            if let Some(location) = location(&response) {
                let next = asked.redirected(location, self.trust).map_err(|why| ConnectError::Negotiation {
                    status: Some(response.status().as_u16()),
                    text: format!("The server redirects elsewhere, which is not followed: {why}"),
                })?;
                given = token.filter(|_| token_is_final && next.has_host_of(&hub));
                hub = next;
                continue;
            }
            let answer = read(&response).map_err(|error| explained(error, &hub, is_trusted))?;
            if let Some(url) = answer.url {
                let elsewhere = |why: String| refused(format!("The server redirects elsewhere: {why}"));
                let next = Url::parse(&url).map_err(|error| elsewhere(error.to_string()))?;
                next.check_from(&hub).map_err(elsewhere)?;
                hub = next;
                // It is for that host, wherever that one may send us (P-NEG-14).
                given = answer.access_token;
                continue;
            }
            check_transports(&answer.available_transports, self.codec)?;
            let version = answer.negotiate_version.unwrap_or(0);
            let (id, secret) = match (answer.connection_id, answer.connection_token) {
                (Some(id), Some(secret)) if version > 0 => (id, secret),
                (Some(id), _) if version == 0 => (id.clone(), id),
                // P-NEG-16
                (None, _) => return Err(refused("Invalid negotiation response received: no connectionId.".to_owned())),
                _ => return Err(refused("Invalid negotiation response received: no connectionToken.".to_owned())),
            };
            return Ok(Negotiated {
                url: hub.with_id(&secret),
                id: Some(id.into()),
                token,
                token_is_final,
                is_trusted,
            });
        }
        Err(refused("Negotiate redirection limit exceeded.".to_owned()))
    }

    async fn ask(&mut self, url: &Url, is_trusted: bool, token: Option<&str>) -> Result<Response<Bytes>, ConnectError> {
        let mut headers = request::headers(url, Some(self.headers).filter(|_| is_trusted), token)?;
        self.cookies.add_to(&mut headers, url);
        let response = request::post(self.dialer, url, headers).await?;
        self.cookies.take(url, response.headers());
        Ok(response)
    }
}

/// Says so where what the application gave was not sent, for that may be why it is refused.
pub(crate) fn explained(error: ConnectError, url: &Url, is_trusted: bool) -> ConnectError {
    let hint = || {
        let host = url.host();
        format!(" It was redirected to {host}, which got no token or header of yours; `trust_host` lets it have them.")
    };
    match error {
        ConnectError::Negotiation { status: status @ Some(401 | 403), text } if !is_trusted => {
            ConnectError::Negotiation { status, text: text + &hint() }
        }
        ConnectError::Upgrade { status: status @ Some(401 | 403), text } if !is_trusted => {
            ConnectError::Upgrade { status, text: text + &hint() }
        }
        other => other,
    }
}

fn refused(text: String) -> ConnectError {
    ConnectError::Negotiation { status: None, text }
}

/// Where the server says that the negotiation has moved. It is asked there by the same method: a hub knows no other.
fn location(response: &Response<Bytes>) -> Option<&str> {
    let has_moved = matches!(response.status().as_u16(), 301 | 302 | 307 | 308);
    response.headers().get(header::LOCATION).filter(|_| has_moved)?.to_str().ok()
}

fn read(response: &Response<Bytes>) -> Result<NegotiateResponse, ConnectError> {
    let status = response.status();
    if status != StatusCode::OK {
        // P-NEG-21
        let hint = match status {
            StatusCode::NOT_FOUND => " Either this is no hub, or a proxy blocks the connection.",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " The access token is missing, or not accepted.",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                " It has too much to do; try again later."
            }
            _ if status.is_redirection() && response.headers().contains_key(header::LOCATION) => {
                " It redirects in a way that is not followed; connect to the address of the hub itself."
            }
            _ if status.is_redirection() => " It redirects, but does not say where to.",
            _ => "",
        };
        let text = format!("Failed to complete negotiation with the server: the answer is {status}.{hint}");
        return Err(ConnectError::Negotiation { status: Some(status.as_u16()), text });
    }
    let invalid = |why: &str| refused(format!("Invalid negotiation response received: {why}"));
    if response.body().trim_ascii_start().starts_with(b"<") {
        return Err(invalid("it is a page, not JSON. The address is not that of a hub, or a proxy answers for it."));
    }
    let answer: Value = serde_json::from_slice(response.body()).map_err(|error| invalid(&error.to_string()))?;
    let Some(members) = answer.as_object() else { return Err(invalid("it is not a JSON object")) };
    if members.contains_key("ProtocolVersion") {
        // P-NEG-15
        return Err(refused(
            "Detected a connection attempt to an ASP.NET SignalR Server. This client only supports connecting to an \
             ASP.NET Core SignalR Server. See https://aka.ms/signalr-core-differences for details."
                .to_owned(),
        ));
    }
    let answer: NegotiateResponse = serde_json::from_value(answer).map_err(|error| invalid(&error.to_string()))?;
    match answer.error {
        // P-NEG-13
        Some(error) if error.trim().is_empty() => Err(invalid("it is an error without a text")),
        Some(error) => Err(refused(error)),
        None => Ok(answer),
    }
}

/// Whether there is a transport for this protocol (P-NEG-18, P-NEG-19).
fn check_transports(offered: &[AvailableTransport], codec: Codec) -> Result<(), ConnectError> {
    let mut reasons = Vec::new();
    for AvailableTransport { transport, transfer_formats } in offered {
        match transport.as_str() {
            "WebSockets" if transfer_formats.contains(&codec.transfer_format()) => return Ok(()),
            "WebSockets" => reasons.push(format!("'WebSockets' does not support {}.", codec.transfer_format())),
            other => reasons.push(format!("'{other}' is not supported by this client.")),
        }
    }
    Err(ConnectError::NoTransport(if reasons.is_empty() {
        "None of the transports supported by the client are supported by the server.".to_owned()
    } else {
        format!("Unable to connect to the server with any of the available transports. {}", reasons.join(" "))
    }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use hub_core::Codec;

    use super::{check_transports, read};

    fn error(status: u16, body: &'static str) -> String {
        let response = Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap();
        read(&response).unwrap_err().to_string()
    }

    #[test]
    fn what_a_negotiation_may_not_say() {
        // P-NEG-13, P-NEG-15, P-NEG-21
        assert_eq!(error(200, r#"{"error":"no room"}"#), "no room");
        assert!(error(200, r#"{"error":""}"#).ends_with("received: it is an error without a text"));
        assert!(error(200, r#"{"ProtocolVersion":"1.5"}"#).starts_with("Detected a connection attempt to an ASP.NET "));
        assert!(error(200, "<html>").starts_with("Invalid negotiation response received: "));
        assert!(error(200, "[]").starts_with("Invalid negotiation response received: "));
        assert!(error(404, "").contains("404 Not Found. Either this is no hub"));
        assert!(error(500, "").ends_with("the answer is 500 Internal Server Error."));
    }

    #[test]
    fn transports_that_are_unknown_are_passed_over() {
        // P-NEG-18, P-NEG-19
        let body = r#"{"availableTransports":[{"transport":"Pigeons","transferFormats":["Paper"]},
            {"transport":"WebSockets","transferFormats":["Paper","Text"]}],"error":null}"#;
        let offered = read(&Response::new(Bytes::from_static(body.as_bytes()))).unwrap().available_transports;
        assert!(check_transports(&offered, Codec::Json).is_ok());
        let error = check_transports(&offered, Codec::MessagePack).unwrap_err().to_string();
        assert_eq!(
            error,
            "Unable to connect to the server with any of the available transports. 'Pigeons' is not supported by this \
             client. 'WebSockets' does not support Binary."
        );
        let error = check_transports(&[], Codec::Json).unwrap_err().to_string();
        assert_eq!(error, "None of the transports supported by the client are supported by the server.");
    }
}
