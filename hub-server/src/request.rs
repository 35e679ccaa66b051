//! The HTTP request that opened a connection, kept small.

use axum::extract::OriginalUri;
use http::request::Parts;

/// The HTTP request that opened a connection: its path, query and headers.
///
/// It is copied into one piece of memory, which is kept as long as the connection: the original would hold on to the whole
/// buffer that it was read into. How large it can be is
/// [`maximum_request_head_size`](crate::HubOptions::maximum_request_head_size).
#[derive(Debug, Clone, Default)]
pub struct Request {
    text: Box<[u8]>,
    path_end: u32,
    query_end: u32,
    /// Where each header's name and value end.
    headers: Box<[(u32, u32)]>,
}

impl Request {
    pub(crate) fn new(parts: &Parts) -> Self {
        let mut text = Vec::with_capacity(256);
        // A nested router sees the rest of the path only.
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        text.extend_from_slice(uri.path().as_bytes());
        let path_end = text.len() as u32;
        text.extend_from_slice(uri.query().unwrap_or("").as_bytes());
        let query_end = text.len() as u32;
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| {
                text.extend_from_slice(name.as_str().as_bytes());
                let name_end = text.len() as u32;
                text.extend_from_slice(value.as_bytes());
                (name_end, text.len() as u32)
            })
            .collect();
        Self { text: text.into(), path_end, query_end, headers }
    }

    /// The whole path, also where the hub is nested in a router.
    pub fn path(&self) -> &str {
        self.slice(0, self.path_end).unwrap_or("")
    }

    /// The first query parameter of this name, decoded. It may be the access token: keep it out of logs (P-AUTH-03).
    pub fn query(&self, name: &str) -> Option<String> {
        query_parameter(self.slice(self.path_end, self.query_end)?, name)
    }

    /// The first header of this name, whatever its case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers that are text. Names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = self.query_end;
        self.headers.iter().filter_map(move |&(name_end, value_end)| {
            let name = self.slice(start, name_end);
            start = value_end;
            Some((name?, self.slice(name_end, value_end)?))
        })
    }

    fn slice(&self, start: u32, end: u32) -> Option<&str> {
        std::str::from_utf8(self.text.get(start as usize..end as usize)?).ok()
    }
}

/// The first parameter of this name, compared without case as ASP.NET Core does (P-NEG-03), decoded.
pub(crate) fn query_parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
}

/// All parameters of this name, joined as ASP.NET Core does: what should be there once is nothing good if it comes twice
/// (P-NEG-03).
pub(crate) fn joined_query_parameters(query: &str, name: &str) -> Option<String> {
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.into_owned()).reduce(|all, value| all + "," + &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Request::new(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_request_is_kept_as_it_came() {
        let request =
            request("/chat?Room=a%20b%2Bc+d&room=2&empty", &[("X-One", "1"), ("x-one", "2"), ("accept", "*/*")]);
        assert_eq!(request.path(), "/chat");
        assert_eq!(request.query("room").as_deref(), Some("a b+c d"), "the first, whatever its case, decoded");
        assert_eq!(request.query("empty").as_deref(), Some(""));
        assert_eq!(request.query("none"), None);
        assert_eq!(request.header("X-ONE"), Some("1"));
        assert_eq!(request.header("none"), None);
        assert_eq!(request.headers().collect::<Vec<_>>(), [("x-one", "1"), ("x-one", "2"), ("accept", "*/*")]);
    }

    #[test]
    fn the_path_is_whole_where_a_router_is_nested() {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.uri = http::Uri::from_static("/?x=1");
        parts.extensions.insert(OriginalUri(http::Uri::from_static("/app/chat?x=1")));
        let request = Request::new(&parts);
        assert_eq!((request.path(), request.query("x").as_deref()), ("/app/chat", Some("1")));
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.headers.insert("x-bytes", http::HeaderValue::from_bytes(&[0xff, 0xfe]).unwrap());
        parts.headers.insert("x-text", http::HeaderValue::from_static("t"));
        assert_eq!(Request::new(&parts).headers().collect::<Vec<_>>(), [("x-text", "t")]);
    }
}
