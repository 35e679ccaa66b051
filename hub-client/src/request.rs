//! One HTTP request on a connection of its own. Negotiations are few: nothing is pooled.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::dial::Dialer;
use crate::error::ConnectError;
use crate::url::Url;

/// What this client calls itself.
pub(crate) const AGENT: HeaderValue = HeaderValue::from_static(concat!("hub-client/", env!("CARGO_PKG_VERSION")));

/// No negotiation is longer. A server that sends more is none of ours.
const MAX_BODY: usize = 256 * 1024;

/// The headers of every request (P-NEG-22), and the application's `own` where the host may have them.
pub(crate) fn headers(url: &Url, own: Option<&HeaderMap>, token: Option<&str>) -> Result<HeaderMap, ConnectError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, AGENT);
    headers.insert("x-requested-with", HeaderValue::from_static("XMLHttpRequest"));
    if let Some(token) = token {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| ConnectError::Token("it has characters that no header may have".to_owned()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    // The application's own go over ours.
    if let Some(own) = own {
        for name in own.keys() {
            headers.remove(name);
            for value in own.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
    if !headers.contains_key(header::HOST) {
        let host = HeaderValue::try_from(url.authority()).map_err(|error| unreachable(url, &error))?;
        headers.insert(header::HOST, host);
    }
    Ok(headers)
}

/// Posts an empty body (P-NEG-02).
pub(crate) async fn post(dialer: &Dialer, url: &Url, mut headers: HeaderMap) -> Result<Response<Bytes>, ConnectError> {
    let socket = dialer.dial(url).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(socket)).await.map_err(|error| unreachable(url, &error))?;
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.path_and_query().parse().map_err(|error| unreachable(url, &error))?;
    *request.headers_mut() = headers;

    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable(url, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| unreachable(url, &*error))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    // Both are polled here: dropping this future ends the request.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        response = &mut exchange => response,
        _ = connection => exchange.await,
    }
}

fn unreachable(url: &Url, error: &dyn std::error::Error) -> ConnectError {
    let mut text = format!("Failed to complete negotiation with the server at {url}: {error}");
    if let Some(source) = error.source() {
        text.push_str(&format!(", because {source}"));
    }
    ConnectError::Unreachable(text)
}
