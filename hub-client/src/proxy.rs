//! Proxies: which one a socket goes through, and the tunnel to the server behind it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hub_core::InvalidOption;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;

use crate::dial::Socket;
use crate::error::ConnectError;
use crate::request::AGENT;
use crate::url::Url;

/// What an address of a proxy has to be.
const ALLOWED: &str = "an address such as http://user:password@proxy:3128, its scheme http or https";

/// Which proxies are used.
#[derive(Clone)]
pub(crate) enum Proxies {
    /// None at all.
    None,
    /// This one for every address.
    One(Arc<Proxy>),
    /// What the environment says.
    Environment(Arc<Environment>),
}

/// The variables that name proxies, as they were when the connection was made for the first time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    http: Option<(&'static str, String)>,
    https: Option<(&'static str, String)>,
    /// For whom there is no proxy.
    no: String,
}

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: Url,
    authorization: Option<HeaderValue>,
}

impl Proxies {
    pub(crate) fn environment() -> Self {
        Self::Environment(Arc::new(Environment::read(|name| std::env::var(name).ok())))
    }

    /// # Errors
    /// When the address is none of a proxy.
    pub(crate) fn one(address: &str) -> Result<Self, InvalidOption> {
        Ok(Self::One(Arc::new(Proxy::parse("proxy", address)?)))
    }

    /// The proxy for an address, if there is one.
    ///
    /// # Errors
    /// When the environment names one that cannot be used.
    pub(crate) fn of(&self, url: &Url) -> Result<Option<Arc<Proxy>>, InvalidOption> {
        match self {
            Self::None => Ok(None),
            Self::One(proxy) => Ok(Some(Arc::clone(proxy))),
            Self::Environment(environment) => Ok(environment.of(url)?.map(Arc::new)),
        }
    }
}

impl Environment {
    /// Reads the variables as curl does: lower case first, and empty ones are as good as none.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.trim().is_empty())?)))
        };
        // A CGI program has the header `Proxy` of its client's request in `HTTP_PROXY`.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http: &[_] = if is_cgi { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
        let all = || first(&["all_proxy", "ALL_PROXY"]);
        let no = first(&["no_proxy", "NO_PROXY"]).map(|(_, list)| list).unwrap_or_default();
        Self {
            http: first(http).or_else(all),
            https: first(&["https_proxy", "HTTPS_PROXY"]).or_else(all),
            // Blanks separate too, and IPv6 addresses may stand in brackets.
            no: no.replace(char::is_whitespace, ",").replace(['[', ']'], ""),
        }
    }

    fn of(&self, url: &Url) -> Result<Option<Proxy>, InvalidOption> {
        let Some((name, value)) = (if url.secure { &self.https } else { &self.http }) else { return Ok(None) };
        // The matcher takes this for the name of all domains, but of no address.
        if self.no.split(',').any(|entry| entry.trim() == "*") {
            return Ok(None);
        }
        // A destination that cannot be matched cannot be dialled either.
        let Ok(destination) = url.with_scheme("http").parse::<Uri>() else { return Ok(None) };
        let any = Matcher::builder().all("http://any").no(&*self.no).build();
        match any.intercept(&destination) {
            Some(_) => Proxy::parse(name, value).map(Some),
            None => Ok(None),
        }
    }
}

impl Proxy {
    /// `name` is where the address comes from.
    fn parse(name: &'static str, address: &str) -> Result<Self, InvalidOption> {
        let refuse = || {
            // Without the credentials.
            let shown = address.rsplit_once('@').map_or_else(|| address.to_owned(), |(_, host)| format!("..@{host}"));
            InvalidOption::new(name, format_args!("`{shown}`"), ALLOWED)
        };
        let matcher = Matcher::builder().all(address.trim()).build();
        let parsed = matcher.intercept(&Uri::from_static("http://any")).ok_or_else(refuse)?;
        let url = Url::parse(&parsed.uri().to_string()).map_err(|_| refuse())?;
        Ok(Self { url, authorization: parsed.basic_auth().cloned() })
    }

    /// Has the proxy connect this socket, which is one to the proxy, to the server (RFC 9110, section 9.3.6).
    ///
    /// So it is for negotiations and for WebSockets, secure or not: a WebSocket needs the tunnel (RFC 6455, section 4.1),
    /// and a negotiation that went another way might get to where the WebSocket cannot follow.
    pub(crate) async fn tunnel(&self, socket: Box<dyn Socket>, to: &Url) -> Result<Box<dyn Socket>, ConnectError> {
        let target = to.host_and_port();
        let failed = |why: &dyn fmt::Display| ConnectError::Proxy {
            status: None,
            text: format!("{self} opened no tunnel to {target}: {why}"),
        };
        let mut request = Request::connect(&target)
            .header(header::HOST, &target)
            .header(header::USER_AGENT, AGENT)
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| failed(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let status = response.status();
            if !status.is_success() {
                return Err(self.refused(status, &target));
            }
            hyper::upgrade::on(response).await.map_err(|error| failed(&error))
        };
        // Both are polled here: dropping this future ends the request.
        let mut exchange = std::pin::pin!(exchange);
        let tunnel = tokio::select! {
            biased;
            tunnel = &mut exchange => tunnel,
            _ = connection.with_upgrades() => exchange.await,
        };
        Ok(Box::new(TokioIo::new(tunnel?)))
    }

    fn refused(&self, status: StatusCode, target: &str) -> ConnectError {
        let hint = match (status, &self.authorization) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => {
                " It asks for credentials, which go into its address: http://user:password@proxy:3128."
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => " It does not accept the credentials.",
            _ => "",
        };
        let text = format!("{self} opened no tunnel to {target}: the answer is {status}.{hint}");
        ConnectError::Proxy { status: Some(status.as_u16()), text }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The proxy {}", self.url.host_and_port())
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, Proxies, Proxy};
    use crate::url::Url;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let of_name = variables.iter().find(|(known, _)| *known == name);
            of_name.map(|(_, value)| (*value).to_owned())
        })
    }

    /// Through which proxy an address is reached, or why through none.
    fn through(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, String> {
        let proxy = environment(variables).of(&Url::parse(url).unwrap()).map_err(|error| error.to_string())?;
        Ok(proxy.map(|proxy| proxy.url.with_scheme("http")))
    }

    #[test]
    fn the_variables_are_read_as_curl_reads_them() {
        for (variables, http, https) in [
            (&[][..], None, None),
            (&[("http_proxy", "a:1")], Some("http://a:1/"), None),
            (&[("HTTP_PROXY", "http://a")], Some("http://a/"), None),
            (&[("HTTP_PROXY", "a"), ("http_proxy", "b")], Some("http://b/"), None),
            (&[("HTTP_PROXY", "a"), ("http_proxy", "")], Some("http://a/"), None),
            (&[("HTTPS_PROXY", "a")], None, Some("http://a/")),
            (&[("ALL_PROXY", "a"), ("https_proxy", "b")], Some("http://a/"), Some("http://b/")),
            (&[("all_proxy", " http://[::1]:3128 ")], Some("http://[::1]:3128/"), Some("http://[::1]:3128/")),
            (&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "a"), ("HTTPS_PROXY", "b")], None, Some("http://b/")),
            (&[("REQUEST_METHOD", "GET"), ("http_proxy", "a")], Some("http://a/"), None),
        ] {
            assert_eq!(through(variables, "ws://hub/x").unwrap().as_deref(), http, "{variables:?}");
            if cfg!(feature = "tls") {
                assert_eq!(through(variables, "wss://hub/x").unwrap().as_deref(), https, "{variables:?}");
            }
        }
    }

    #[test]
    fn no_proxy_names_domains_addresses_and_networks() {
        let no = "example.org, .net.example  10.0.0.0/8,192.168.1.7,[fd00::]/8 ::1";
        for (list, url, direct) in [
            (no, "http://example.org/", true),
            (no, "http://HUB.Example.org:81/", true),
            (no, "http://anexample.org/", false),
            (no, "http://a.net.example/", true),
            (no, "http://net.example/", true),
            (no, "http://10.255.0.1/", true),
            (no, "http://11.0.0.1/", false),
            (no, "http://192.168.1.7/", true),
            (no, "http://192.168.1.70/", false),
            (no, "http://[fd12::1]:5000/", true),
            (no, "http://[::1]/", true),
            (no, "http://[::2]/", false),
            ("*", "http://anything/", true),
            ("a, *", "http://10.0.0.1/", true),
            ("*", "http://[::1]/", true),
            ("", "http://localhost/", false),
        ] {
            let went = through(&[("ALL_PROXY", "a"), ("NO_PROXY", list)], url).unwrap();
            assert_eq!(went.is_none(), direct, "{url}");
        }
        assert_eq!(through(&[("ALL_PROXY", "a"), ("NO_PROXY", "b"), ("no_proxy", "c")], "http://c/"), Ok(None));
    }

    #[test]
    fn proxies_that_cannot_be_used_are_refused_where_they_would_be() {
        for (bad, shown) in [
            ("socks5://a:1080", "socks5://a:1080"),
            ("ftp://a", "ftp://a"),
            ("http://u:secret@a b", "..@a b"),
            ("http://a:99999", "http://a:99999"),
            ("http://", "http://"),
        ] {
            let text = format!("`{shown}`, which is outside of its range: {}", super::ALLOWED);
            let variables = [("http_proxy", bad), ("NO_PROXY", "b")];
            assert_eq!(through(&variables, "http://a/"), Err(format!("http_proxy is {text}")));
            assert_eq!(through(&variables, "http://b/"), Ok(None));
            let error = Proxies::one(bad).map(drop).unwrap_err();
            assert_eq!(error.to_string(), format!("proxy is {text}"));
        }
        assert!(Proxies::one("").is_err());
    }

    #[test]
    fn credentials_are_decoded_and_kept_out_of_sight() {
        let proxy = Proxy::parse("proxy", "http://Aladdin:open%20sesame@a:3128").unwrap();
        let authorization = proxy.authorization.as_ref().unwrap();
        assert_eq!(authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{proxy} {proxy:?}").contains("QWxh"));
        assert_eq!(proxy.to_string(), "The proxy a:3128");
    }
}
