//! The HTTP request that opened a connection, kept small.

use http::request::Parts;

/// The HTTP request that opened a connection: its path, query and headers.
///
/// It is copied into one piece of memory: the original would hold on to the whole buffer that it was read into.
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
        text.extend_from_slice(parts.uri.path().as_bytes());
        let path_end = text.len() as u32;
        text.extend_from_slice(parts.uri.query().unwrap_or("").as_bytes());
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

    /// The path, as it came.
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
