//! Plain HTTP requests, as much as a negotiation needs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a request without a body.
pub(crate) async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<Response, String> {
    exchange(address, method, path, headers).await.map_err(|error| format!("{method} {path}: {error}"))
}

async fn exchange(address: &str, method: &str, path: &str, headers: &[(String, String)]) -> std::io::Result<Response> {
    // With version 1.0 the answer comes in one piece and ends with the connection.
    let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "Host") {
        request += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all((request + "\r\n").as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;

    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(Response { status, body: body.to_owned() })
}
