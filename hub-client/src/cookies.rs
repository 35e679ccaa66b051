//! Cookies of negotiations and upgrades (P-CLI-10): load balancers need them to find the server again.

use cookie_store::{Cookie, CookieDomain, CookieStore};
use http::{HeaderMap, HeaderValue, header};

use crate::url::Url;

/// How long one cookie may be, with its name and attributes, in bytes: what browsers keep at least (RFC 6265, section
/// 6.1).
const MAX_COOKIE: usize = 4096;

/// How many cookies are kept, of all servers that a connection was sent to.
const MAX_COOKIES: usize = 100;

/// What servers want to have back. It stays from one attempt to the next, and ends with the connection.
#[derive(Debug, Default)]
pub(crate) struct Cookies(CookieStore);

impl Cookies {
    /// Keeps what a server sets, for itself or for its domain, until that expires. What is too much, or not the server's
    /// to set, is not kept.
    pub(crate) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        let Some(from) = parsed(url) else { return };
        for set in headers.get_all(header::SET_COOKIE) {
            let Ok(text) = set.to_str() else { continue };
            if text.len() > MAX_COOKIE {
                continue;
            }
            let Ok(cookie) = Cookie::parse(text, &from) else { continue };
            // A top-level domain belongs to nobody who could set cookies for it.
            let is_wide = matches!(&cookie.domain, CookieDomain::Suffix(domain) if !domain.contains('.'));
            if cookie.name().is_empty() || is_wide && !cookie.domain.host_is_identical(&from) {
                continue;
            }
            let domain = cookie.domain.as_cow().unwrap_or_default();
            let is_known = self.0.contains_any(&domain, &cookie.path, cookie.name());
            if !is_known && !self.has_room() {
                continue;
            }
            // It fails for cookies that this server may not set.
            let _ = self.0.insert(cookie.into_owned(), &from);
        }
    }

    fn has_room(&mut self) -> bool {
        if self.0.iter_any().count() < MAX_COOKIES {
            return true;
        }
        let unexpired: Vec<_> = self.0.iter_unexpired().map(|cookie| Ok::<_, ()>(cookie.clone())).collect();
        let has_room = unexpired.len() < MAX_COOKIES;
        if let Ok(store) = CookieStore::from_cookies(unexpired, false) {
            self.0 = store;
        }
        has_room
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

    /// The `Cookie` header for a request: those with the longest paths first, as servers expect it.
    fn header(&self, url: &Url) -> Option<HeaderValue> {
        let to = parsed(url)?;
        let mut cookies = self.0.matches(&to);
        cookies.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name().cmp(b.name())));
        let pairs: Vec<_> = cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }
}

/// As the library of cookies wants it.
fn parsed(url: &Url) -> Option<url::Url> {
    url::Url::parse(&url.with_scheme("http")).ok()
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
        set(
            &mut cookies,
            "http://a.io/hub/negotiate",
            &["node=3; Path=/; HttpOnly", "b=1=2; path=/hub", "s=1; Secure"],
        );
        assert_eq!(sent(&cookies, "http://A.io:5/hub"), "b=1=2; node=3");
        assert_eq!(sent(&cookies, "http://a.io/hubs"), "node=3");
        assert_eq!(sent(&cookies, "http://b.io/hub"), "");
        #[cfg(feature = "tls")]
        assert_eq!(sent(&cookies, "wss://a.io/hub"), "b=1=2; s=1; node=3");
        set(
            &mut cookies,
            "http://a.io/hub/negotiate",
            &["node=; Max-Age=0; Path=/", "nonsense", "=5", "b=4; Path=/hub"],
        );
        assert_eq!(sent(&cookies, "http://a.io/hub"), "b=4");
        // Without a path it is that of the directory.
        set(&mut cookies, "http://[::1]:5/hub/negotiate", &["v=6"]);
        assert_eq!(sent(&cookies, "http://[::1]:6/hub"), "v=6");
        assert_eq!(sent(&cookies, "http://[::1]:6/"), "");
    }

    #[test]
    fn they_expire() {
        let mut cookies = Cookies::default();
        let past = "old=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Path=/";
        set(&mut cookies, "http://a.io/", &[past, "new=2; Expires=Fri, 31 Dec 9999 23:59:59 GMT; Path=/"]);
        assert_eq!(sent(&cookies, "http://a.io/"), "new=2");
        // How a server takes one back; `Max-Age` goes before `Expires`.
        set(&mut cookies, "http://a.io/", &["new=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"]);
        assert_eq!(sent(&cookies, "http://a.io/"), "");
        set(&mut cookies, "http://a.io/", &["both=3; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60; Path=/"]);
        assert_eq!(sent(&cookies, "http://a.io/"), "both=3");
    }

    #[test]
    fn they_are_for_a_domain_where_the_server_says_so() {
        let mut cookies = Cookies::default();
        let own = ["wide=1; Domain=example.org; Path=/", "dotted=2; Domain=.Example.org; Path=/", "host=3; Path=/"];
        set(&mut cookies, "http://a.example.org/hub", &own);
        // Neither somebody else's domain, nor one of everybody.
        set(
            &mut cookies,
            "http://a.example.org/hub",
            &["x=1; Domain=b.example.org; Path=/", "y=1; Domain=org; Path=/"],
        );
        assert_eq!(sent(&cookies, "http://a.example.org/hub"), "dotted=2; host=3; wide=1");
        assert_eq!(sent(&cookies, "http://b.example.org/hub"), "dotted=2; wide=1");
        assert_eq!(sent(&cookies, "http://example.org/hub"), "dotted=2; wide=1");
        assert_eq!(sent(&cookies, "http://anexample.org/hub"), "");
        // A host of one label may name itself.
        set(&mut cookies, "http://localhost/hub", &["l=1; Domain=localhost; Path=/"]);
        assert_eq!(sent(&cookies, "http://localhost:7/hub"), "l=1");
    }

    #[test]
    fn no_server_fills_the_memory_with_them() {
        let mut cookies = Cookies::default();
        let url = Url::parse("http://a.io/").unwrap();
        for number in 0..1000 {
            let mut headers = HeaderMap::new();
            let max_age = if number < 500 { 0 } else { 60 };
            let set = format!("c{number}=1; Path=/; Max-Age={max_age}");
            headers.append(header::SET_COOKIE, HeaderValue::try_from(set).unwrap());
            headers.append(header::SET_COOKIE, HeaderValue::try_from(format!("long={}", "x".repeat(5000))).unwrap());
            cookies.take(&url, &headers);
        }
        let kept = sent(&cookies, "http://a.io/");
        assert_eq!(kept.split("; ").count(), super::MAX_COOKIES);
        assert!(kept.starts_with("c500=1; c501=1; ") && !kept.contains("long"), "{kept}");
        // One that is there can still be taken back, and leaves room.
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("c500=; Path=/; Max-Age=0"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("next=1; Path=/"));
        cookies.take(&url, &headers);
        assert!(sent(&cookies, "http://a.io/").ends_with("; next=1"));
    }

    #[test]
    fn one_header_has_the_cookies_of_the_application_too() {
        let mut cookies = Cookies::default();
        set(&mut cookies, "http://a/hub/negotiate", &["node=3; Path=/"]);
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("own=1; more=2"));
        for (url, sent) in [("http://b/hub", "own=1; more=2"), ("http://a/hub", "own=1; more=2; node=3")] {
            cookies.add_to(&mut headers, &Url::parse(url).unwrap());
            assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), [sent]);
        }
    }
}
