//! Options from a URL, as configuration has them.

use std::str::FromStr;

use hub_core::InvalidOption;
use percent_encoding::percent_decode_str;

use crate::options::{RedisOptions, RedisServers, RedisTls};

/// What a URL may look like.
const FORMS: &str = "redis://[user:password@]host[:port][/database], rediss:// for TLS, \
     redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/primary[/database], \
     rediss+cluster:// and rediss+sentinel:// likewise";

impl RedisOptions {
    /// Reads where Redis is from a URL; all else has its default.
    ///
    /// | URL | servers |
    /// | --- | --- |
    /// | `redis://host:6379/0` | one |
    /// | `redis+cluster://host:7000,other:7000` | a Cluster |
    /// | `redis+sentinel://host:26379,other:26379/mymaster/0` | the primary that Sentinels call `mymaster` |
    ///
    /// `user:password@` or `:password@` may stand before the hosts, with odd characters percent-encoded. `rediss` in the
    /// place of `redis` means TLS.
    ///
    /// # Errors
    /// When it is no such URL. The text does not contain the password.
    pub fn from_url(url: &str) -> Result<Self, InvalidOption> {
        // What is wrong, never what it is: it may contain a password.
        let refuse = |what: &str| InvalidOption::new("url", what, FORMS);
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("without ://"))?;
        let (tls, kind) = match scheme {
            "redis" => (false, "one"),
            "rediss" => (true, "one"),
            "redis+cluster" => (false, "cluster"),
            "rediss+cluster" => (true, "cluster"),
            "redis+sentinel" => (false, "sentinel"),
            "rediss+sentinel" => (true, "sentinel"),
            _ => return Err(refuse("of another scheme")),
        };
        if rest.contains(['?', '#']) {
            return Err(refuse("with a query or fragment"));
        }
        // The password may contain a slash, a host may not contain an @.
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let (user, password) = match credentials.map(|credentials| credentials.split_once(':')) {
            None => (None, None),
            Some(None) => return Err(refuse("with a user and no password")),
            Some(Some((user, password))) => {
                let decode = |text| percent_decode_str(text).decode_utf8().map(String::from);
                let user = decode(user).map_err(|_| refuse("with a user that is not UTF-8"))?;
                let password = decode(password).map_err(|_| refuse("with a password that is not UTF-8"))?;
                (Some(user).filter(|user| !user.is_empty()), Some(password))
            }
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let addresses: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        let (servers, database) = match kind {
            "one" => (RedisServers::One(hosts.to_owned()), path),
            "cluster" => (RedisServers::Cluster(addresses), path),
            _ => {
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                let primary = primary.to_owned();
                (RedisServers::Sentinel { sentinels: addresses, primary, user: None, password: None }, database)
            }
        };
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| refuse("with a database that is not a number"))?,
        };
        let tls = tls.then(RedisTls::default);
        let options = Self { servers, user, password, database, tls, ..Self::default() };
        options.validate()?;
        Ok(options)
    }
}

impl FromStr for RedisOptions {
    type Err = InvalidOption;

    fn from_str(url: &str) -> Result<Self, InvalidOption> {
        Self::from_url(url)
    }
}

impl TryFrom<&str> for RedisOptions {
    type Error = InvalidOption;

    fn try_from(url: &str) -> Result<Self, InvalidOption> {
        Self::from_url(url)
    }
}

impl TryFrom<String> for RedisOptions {
    type Error = InvalidOption;

    fn try_from(url: String) -> Result<Self, InvalidOption> {
        Self::from_url(&url)
    }
}
