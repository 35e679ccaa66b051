//! Cookies of the negotiation, which go along with the transport's request (P-CLI-10): load balancers need them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};

use crate::url::Url;

/// Cookies by host and name. They stay from one attempt to the next, and end with the connection.
#[derive(Debug, Default)]
pub(crate) struct Cookies(BTreeMap<String, BTreeMap<String, Cookie>>);

#[derive(Debug)]
struct Cookie {
    value: String,
    secure: bool,
    path: String,
}

impl Cookies {
    /// Keeps what a server sets for itself. What it sets for other hosts of its domain is kept for itself too.
    pub(crate) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            if name.trim().is_empty() {
                continue;
            }
            let mut kept = Cookie { value: value.trim().to_owned(), secure: false, path: "/".to_owned() };
            let mut gone = false;
            for part in parts {
                let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
                match attribute.trim().to_ascii_lowercase().as_str() {
                    "secure" => kept.secure = true,
                    "path" if value.starts_with('/') => kept.path = value.to_owned(),
                    "max-age" => gone = value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                    _ => {}
                }
            }
            let of_host = self.0.entry(url.host().to_ascii_lowercase()).or_default();
            if gone {
                of_host.remove(name.trim());
            } else {
                of_host.insert(name.trim().to_owned(), kept);
            }
        }
    }

    /// Adds them to a request. There is one header for all cookies, those of the application included (RFC 6265, section
    /// 5.4).
    pub(crate) fn add_to(&self, headers: &mut HeaderMap, url: &Url) {
        let Some(ours) = self.header(url) else { return };
        let all = headers.get_all(header::COOKIE).iter().chain([&ours]);
        let all: Vec<_> = all.map(HeaderValue::as_bytes).collect();
        if let Ok(all) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(header::COOKIE, all);
        }
    }

    /// The `Cookie` header for a request.
    fn header(&self, url: &Url) -> Option<HeaderValue> {
        let pairs: Vec<String> = self
            .0
            .get(&url.host().to_ascii_lowercase())?
            .iter()
            .filter(|(_, cookie)| url.secure || !cookie.secure)
            .filter(|(_, cookie)| is_below(url.path(), &cookie.path))
            .map(|(name, cookie)| format!("{name}={}", cookie.value))
            .collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }
}

fn is_below(path: &str, of: &str) -> bool {
    let rest = path.strip_prefix(of.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::Cookies;
    use crate::url::Url;

    fn set(cookies: &mut Cookies, url: &str, values: &[&'static str]) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(value));
        }
        cookies.take(&Url::parse(url).unwrap(), &headers);
    }

    fn sent(cookies: &Cookies, url: &str) -> String {
        let header = cookies.header(&Url::parse(url).unwrap());
        header.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn cookies_go_back_to_their_host_and_path() {
        // P-CLI-10
        let mut cookies = Cookies::default();
        set(&mut cookies, "http://a/hub/negotiate", &["node=3; Path=/; HttpOnly", "b=1=2; path=/hub", "s=1; Secure"]);
        assert_eq!(sent(&cookies, "http://A:5/hub"), "b=1=2; node=3");
        assert_eq!(sent(&cookies, "http://a/hubs"), "node=3");
        assert_eq!(sent(&cookies, "http://b/hub"), "");
        set(&mut cookies, "http://a/hub/negotiate", &["node=; Max-Age=0", "nonsense", "=5", "b=4; Path=/hub"]);
        assert_eq!(sent(&cookies, "http://a/hub"), "b=4");
    }

    #[test]
    fn one_header_has_the_cookies_of_the_application_too() {
        let mut cookies = Cookies::default();
        set(&mut cookies, "http://a/hub/negotiate", &["node=3"]);
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("own=1; more=2"));
        for (url, sent) in [("http://b/hub", "own=1; more=2"), ("http://a/hub", "own=1; more=2; node=3")] {
            cookies.add_to(&mut headers, &Url::parse(url).unwrap());
            assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), [sent]);
        }
    }
}
