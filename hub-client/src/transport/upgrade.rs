//! The request for a WebSocket (RFC 6455, section 4.1).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use crate::dial::{Dialer, Socket};
use crate::error::ConnectError;
use crate::url::Url;

/// A socket that speaks WebSocket from here on.
pub(super) struct Upgraded {
    pub(super) socket: Box<dyn Socket>,
    /// What the server has sent already.
    pub(super) read: Bytes,
    /// Of the answer.
    pub(super) headers: HeaderMap,
}

/// Dials, and asks for the upgrade. No subprotocol and no extension is offered (P-WS-02, P-WS-12).
pub(super) async fn upgrade(dialer: &Dialer, url: &Url, headers: HeaderMap) -> Result<Upgraded, ConnectError> {
    let socket = dialer.dial(url).await?;
    let failed = |why: &dyn std::fmt::Display| ConnectError::Upgrade {
        status: None,
        text: format!("No WebSocket at {url}: {why}"),
    };
    let key = generate_key();
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = url.path_and_query().parse().map_err(|error: http::uri::InvalidUri| failed(&error))?;
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).map_err(|error| failed(&error))?);

    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| failed(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        check(&response, &key).map_err(|(status, why)| match status {
            Some(_) => ConnectError::Upgrade { status, text: why },
            None => failed(&why),
        })?;
        let headers = response.headers().clone();
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| failed(&error))?;
        Ok::<_, ConnectError>((upgraded, headers))
    };
    // Both are polled here: dropping this future ends the request.
    let mut exchange = std::pin::pin!(exchange);
    let (upgraded, headers) = tokio::select! {
        biased;
        upgraded = &mut exchange => upgraded?,
        _ = connection.with_upgrades() => exchange.await?,
    };
    let parts = upgraded.downcast::<TokioIo<Box<dyn Socket>>>().map_err(|_| failed(&"the socket is lost"))?;
    Ok(Upgraded { socket: parts.io.into_inner(), read: parts.read_buf, headers })
}

/// Whether the answer is a yes to this request.
fn check<B>(response: &Response<B>, key: &str) -> Result<(), (Option<u16>, String)> {
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let text = format!("The server did not accept a WebSocket: the answer is {status}.");
        return Err((Some(status.as_u16()), text));
    }
    let headers = response.headers();
    let has = |name, word: &str| {
        let words = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        words.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    let wrong = if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        "it switched to something else"
    } else if headers
        .get(header::SEC_WEBSOCKET_ACCEPT)
        .is_none_or(|key_of| *key_of != derive_accept_key(key.as_bytes()))
    {
        "it answered another request: Sec-WebSocket-Accept does not fit"
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        "it uses an extension that was not offered"
    } else if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        "it chose a subprotocol, though none was offered"
    } else {
        return Ok(());
    };
    Err((None, wrong.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::check;

    #[test]
    fn only_a_yes_to_this_request_is_one() {
        // RFC 6455, sections 1.3 and 4.1
        let (key, accept) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let yes = [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-accept", accept)];
        let answer = |status: u16, left_out: &str, more: &[(&str, &str)]| {
            let headers = yes.iter().filter(|(name, _)| *name != left_out).chain(more);
            let response = headers
                .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
            check(&response.body(()).unwrap(), key).map_err(|(status, why)| (status.unwrap_or(0), why))
        };
        assert_eq!(answer(101, "", &[]), Ok(()));
        for (status, left_out, more, why) in [
            (200, "", ("a", "b"), "The server did not accept a WebSocket: the answer is 200 OK."),
            (101, "upgrade", ("upgrade", "h2c"), "it switched to something else"),
            (101, "connection", ("a", "b"), "it switched to something else"),
            (101, "sec-websocket-accept", ("sec-websocket-accept", "x"), "it answered another request"),
            (101, "sec-websocket-accept", ("a", "b"), "it answered another request"),
            (101, "", ("sec-websocket-extensions", "permessage-deflate"), "it uses an extension"),
            (101, "", ("sec-websocket-protocol", "chat"), "it chose a subprotocol"),
        ] {
            let (told, text) = answer(status, left_out, &[more]).unwrap_err();
            assert!(text.starts_with(why), "{text}");
            assert_eq!(told, if status == 200 { 200 } else { 0 });
        }
    }
}
