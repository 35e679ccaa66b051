//! Addresses: of the hub, of its negotiation, of its WebSocket.

use std::fmt;

use http::Uri;
use hub_core::InvalidOption;

use crate::trust::Trust;

/// An address of a hub, with all that its negotiations and transports need of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads `http`, `https`, `ws` and `wss` addresses (P-WS-08).
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidOption> {
        let refuse = |range: &str| InvalidOption::new("url", format_args!("`{text}`"), range);
        let allowed = "an address such as http://host:5000/path, its scheme one of http, https, ws, wss";
        let uri: Uri = text.parse().map_err(|_| refuse(allowed))?;
        // In any case (RFC 3986, section 3.1).
        let secure = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(refuse(allowed)),
        };
        if secure && cfg!(not(feature = "tls")) {
            return Err(refuse("http and ws, for the feature `tls` is off"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse(allowed))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("an address without a user: tokens and headers have methods of their own"));
        }
        let port = uri.port_u16();
        if port.is_none() && uri.authority().is_some_and(|authority| authority.as_str() != host) {
            return Err(refuse("an address whose port is 0 to 65535"));
        }
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            path: uri.path().to_owned(),
            query: uri.query().filter(|query| !query.is_empty()).map(str::to_owned),
        })
    }

    /// Where to negotiate (P-NEG-02).
    pub(crate) fn negotiate(&self) -> Self {
        let mut url = self.clone();
        url.path = format!("{}/negotiate", self.path.trim_end_matches('/'));
        let has_version = self.query.as_deref().is_some_and(|query| {
            form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name.eq_ignore_ascii_case("negotiateVersion"))
        });
        if !has_version {
            url.add_query("negotiateVersion=1");
        }
        url
    }

    /// Whether this may be gone on to from another address: what is secure stays so.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_from(&self, from: &Self) -> Result<(), String> {
        if from.secure && !self.secure { Err(format!("{self} is not secure")) } else { Ok(()) }
    }

    /// The hub whose negotiation a server sends us to, when we ask for this one. Within the host, and to hosts that are
    /// trusted: who is sent to them is sent there with all that it has.
    ///
    /// # Errors
    /// Why it is not followed.
    pub(crate) fn redirected(&self, location: &str, trust: &Trust) -> Result<Self, String> {
        let mut url = if location.starts_with('/') && !location.starts_with("//") {
            let origin = Self { path: String::new(), query: None, ..self.clone() };
            Self::parse(&format!("{}{location}", origin.with_scheme("http")))
        } else {
            Self::parse(location)
        }
        .map_err(|error| error.to_string())?;
        if !url.has_host_of(self) && !trust.covers(&url) {
            return Err(format!("{} is another host; connect to its own address, if it is to be trusted", url.host));
        }
        url.check_from(self)?;
        let Some(path) = url.path.strip_suffix("/negotiate") else {
            return Err(format!("{url} is no negotiation; its path would end with /negotiate"));
        };
        url.path = path.to_owned();
        // Ours came back.
        let query = url.query.iter().flat_map(|query| query.split('&')).filter(|pair| *pair != "negotiateVersion=1");
        let query = query.collect::<Vec<_>>().join("&");
        url.query = Some(query).filter(|query| !query.is_empty());
        Ok(url)
    }

    /// Where to attach a transport to a negotiated connection (P-NEG-17).
    pub(crate) fn with_id(&self, token: &str) -> Self {
        let mut url = self.clone();
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        url.add_query(&format!("id={token}"));
        url
    }

    /// The host without the brackets of an IPv6 address, and the port.
    pub(crate) fn socket(&self) -> (&str, u16) {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        (host, self.port.unwrap_or(if self.secure { 443 } else { 80 }))
    }

    /// The host and the port, for others to dial.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.socket().1)
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The host alone, an IPv6 address in its brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn has_host_of(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host)
    }

    pub(crate) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The whole address under a scheme: `http` or `ws`, or their secure forms.
    pub(crate) fn with_scheme(&self, scheme: &str) -> String {
        let secure = if self.secure { "s" } else { "" };
        format!("{scheme}{secure}://{}{}", self.authority(), self.path_and_query())
    }

    fn add_query(&mut self, pair: &str) {
        match &mut self.query {
            Some(query) => {
                query.push('&');
                query.push_str(pair);
            }
            None => self.query = Some(pair.to_owned()),
        }
    }
}

impl fmt::Display for Url {
    /// Without the query, which may hold secrets (P-AUTH-03).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::Url;
    use crate::trust::Trust;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn negotiation_keeps_the_query() {
        // P-NEG-02
        for (hub, negotiation) in [
            ("http://a/hub", "http://a/hub/negotiate?negotiateVersion=1"),
            ("ws://a:81/hub/", "http://a:81/hub/negotiate?negotiateVersion=1"),
            ("http://a", "http://a/negotiate?negotiateVersion=1"),
            ("http://a/hub?b=c", "http://a/hub/negotiate?b=c&negotiateVersion=1"),
            ("http://a/hub?NegotiateVersion=0", "http://a/hub/negotiate?NegotiateVersion=0"),
            ("http://a/hub?", "http://a/hub/negotiate?negotiateVersion=1"),
            ("WS://a/hub", "http://a/hub/negotiate?negotiateVersion=1"),
        ] {
            assert_eq!(url(hub).negotiate().with_scheme("http"), negotiation);
        }
    }

    #[test]
    fn redirects_stay_with_the_host() {
        let asked = url("http://a:1/hub?b=c").negotiate();
        let trust = Trust::new(&asked, &["trusted".to_owned()]).unwrap();
        for (location, hub) in [
            ("/new/negotiate?b=c&negotiateVersion=1", "http://a:1/new?b=c"),
            ("http://a:2/negotiate", "http://a:2"),
            ("http://Trusted:3/hub/negotiate", "http://Trusted:3/hub"),
            #[cfg(feature = "tls")]
            ("https://a/hub/negotiate?negotiateVersion=1", "https://a/hub"),
        ] {
            assert_eq!(
                asked.redirected(location, &trust).map(|url| url.with_scheme("http")),
                Ok(hub.to_owned()),
                "{location}"
            );
        }
        for (location, why) in [
            ("http://b/hub/negotiate", "b is another host; connect to its own address, if it is to be trusted"),
            ("//b/hub/negotiate", "url is `//b/hub/negotiate`, which is outside of its range: "),
            ("/login", "http://a:1/login is no negotiation; its path would end with /negotiate"),
        ] {
            let error = asked.redirected(location, &trust).expect_err(location);
            assert!(error.starts_with(why), "{location}: {error}");
        }
        #[cfg(feature = "tls")]
        assert_eq!(
            url("https://a/").negotiate().redirected("http://a/negotiate", &trust).expect_err("it is less"),
            "http://a/negotiate is not secure"
        );
    }

    #[test]
    fn transports_get_the_token() {
        // P-NEG-17, P-WS-08
        assert_eq!(url("http://a/hub").with_id("t-_1").with_scheme("ws"), "ws://a/hub?id=t-_1");
        assert_eq!(url("http://[::1]:9/h?b=c#d").with_id("a&b/").with_scheme("ws"), "ws://[::1]:9/h?b=c&id=a%26b%2F");
        assert_eq!(url("http://[::1]:9/h").socket(), ("::1", 9));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn secure_addresses() {
        assert_eq!(url("https://a/hub").with_scheme("ws"), "wss://a/hub");
        assert_eq!(url("wss://a/hub").socket(), ("a", 443));
    }

    #[test]
    fn bad_addresses_are_refused() {
        for bad in
            ["", "hub", "/hub", "a:1/hub", "ftp://a/hub", "http://", "http:///hub", "http://u:p@a/", "http://a b"]
        {
            let error = Url::parse(bad).expect_err(bad);
            assert_eq!(error.name(), "url");
            assert!(
                error.to_string().starts_with(&format!("url is `{bad}`, which is outside of its range: ")),
                "{error}"
            );
        }
        assert!(Url::parse("http://a:99999/").is_err());
    }
}
