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
    /// | `redis://host:6379/0` | one, or the Cluster of which it is a node |
    /// | `redis+cluster://host:7000,other:7000` | a Cluster |
    /// | `redis+sentinel://host:26379,other:26379/mymaster/0` | the primary that Sentinels call `mymaster` |
    ///
    /// `user:password@` or `:password@` may stand before the hosts, with odd characters percent-encoded: those of the
    /// servers, also where the hosts are Sentinels, whose own are in [`RedisServers::Sentinel`]. `rediss` in the place of
    /// `redis` means TLS.
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

#[cfg(test)]
mod tests {
    use crate::{RedisOptions, RedisServers};

    fn one(address: &str) -> RedisServers {
        RedisServers::One(address.to_owned())
    }

    #[test]
    fn urls_say_where_redis_is() {
        let options = RedisOptions::from_url("redis://localhost").unwrap();
        assert_eq!(options, RedisOptions { servers: one("localhost"), ..RedisOptions::default() });

        let options = RedisOptions::from_url("rediss://ann:p%40ss%3a/word@redis.example:6380/7").unwrap();
        assert_eq!(options.servers, one("redis.example:6380"));
        assert_eq!((options.user.as_deref(), options.password.as_deref()), (Some("ann"), Some("p@ss:/word")));
        assert_eq!((options.database, options.tls.is_some()), (7, true));

        let options = RedisOptions::from_url("redis://:secret@[::1]:7").unwrap();
        assert_eq!(
            (options.servers, options.user, options.password),
            (one("[::1]:7"), None, Some("secret".to_owned()))
        );

        let options = RedisOptions::from_url("redis+cluster://a:1,b:2,c").unwrap();
        assert_eq!(options.servers, RedisServers::Cluster(["a:1", "b:2", "c"].map(str::to_owned).to_vec()));

        let options = RedisOptions::from_url("rediss+sentinel://:x@a,b:2/mymaster/3").unwrap();
        let RedisServers::Sentinel { sentinels, primary, .. } = options.servers else { panic!("it is Sentinel") };
        assert_eq!((sentinels.join(" "), primary.as_str(), options.database), ("a b:2".to_owned(), "mymaster", 3));
    }

    #[test]
    fn other_urls_are_refused_without_their_password() {
        for url in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis://user@host",
            "redis://user:secret@host:port",
            "redis://:secret@host:0",
            "redis://:secret@host:70000",
            "redis://:secret@a b",
            "redis://:secret@::1",
            "redis://:secret@host/x",
            "redis://:secret@host/70000",
            "redis://:secret@host/0?protocol=3",
            "redis://:%ff@host",
            "redis+cluster://:secret@a,,b",
            "redis+cluster://:secret@a/1",
            "redis+sentinel://:secret@a",
        ] {
            let error = RedisOptions::from_url(url).expect_err(url).to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("outside of its range"), "{error}");
        }
    }

    #[test]
    fn a_prefix_is_plain() {
        for prefix in ["", "a:b", "a*", "{a}", "a b", "\u{e4}", &"x".repeat(65)] {
            let options = RedisOptions { prefix: prefix.to_owned(), ..RedisOptions::default() };
            assert_eq!(options.validate().unwrap_err().name(), "prefix", "{prefix}");
        }
        let options = RedisOptions { prefix: "chat-1.prod/eu_west".to_owned(), ..RedisOptions::default() };
        assert_eq!(options.validate(), Ok(()));
    }
}
