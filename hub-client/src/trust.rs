//! Who gets what the application gave for its hub: token, headers.

use hub_core::InvalidOption;

use crate::url::Url;

/// The hosts that get it: that of the hub, and those that were named beside it. Ports do not tell them apart.
#[derive(Debug, Clone)]
pub(crate) struct Trust(Vec<String>);

impl Trust {
    /// # Errors
    /// When one of those beside is no host.
    pub(crate) fn new(hub: &Url, beside: &[String]) -> Result<Self, InvalidOption> {
        let mut hosts = vec![hub.host().to_owned()];
        for host in beside {
            let refuse = || {
                let allowed = "the name or the address of a host, without a port";
                InvalidOption::new("trust_host", format_args!("`{host}`"), allowed)
            };
            let url = Url::parse(&format!("http://{host}")).map_err(|_| refuse())?;
            if url.host() != host {
                return Err(refuse());
            }
            hosts.push(url.host().to_owned());
        }
        Ok(Self(hosts))
    }

    pub(crate) fn covers(&self, url: &Url) -> bool {
        self.0.iter().any(|host| host.eq_ignore_ascii_case(url.host()))
    }
}

#[cfg(test)]
mod tests {
    use super::Trust;
    use crate::url::Url;

    #[test]
    fn hosts_are_trusted_by_name_whatever_the_port() {
        let url = |text| Url::parse(text).unwrap();
        let beside = ["b.example".to_owned(), "[::1]".to_owned()];
        let trust = Trust::new(&url("http://A.example:1/hub"), &beside).unwrap();
        for (text, trusted) in [
            ("http://a.example/", true),
            ("ws://B.Example:7/x", true),
            ("http://[::1]:5/", true),
            ("http://c.a.example/", false),
            ("http://example/", false),
        ] {
            assert_eq!(trust.covers(&url(text)), trusted, "{text}");
        }
        for bad in ["", "b:80", "b/path", "http://b", "a b", "u@b", "b?c"] {
            let error = Trust::new(&url("http://a/"), &[bad.to_owned()]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "trust_host is `{bad}`, which is outside of its range: the name or the address of a host, without a \
                     port"
                )
            );
        }
    }
}
