//! Whether a server can be a registry: its version, that it forgets nobody by itself, and what we may do.

use crate::StoreError;

/// Which server, and how new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    is_valkey: bool,
}

/// The oldest that has all we use (several members with `ZADD` and `SRANDMEMBER`, effects of scripts) and is looked after.
const OLDEST: (u32, u32) = (6, 2);
/// From here on a script may say that it runs while the memory is full.
const MODERN: u32 = 7;

impl Version {
    /// Reads `INFO server`; `None` where it says nothing that is understood. Valkey says which Redis it is like.
    pub(super) fn read(info: &str) -> Option<Self> {
        let (major, rest) = field(info, "redis_version")?.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            is_valkey: field(info, "valkey_version").is_some(),
        })
    }

    /// Whether it knows flags of scripts.
    pub(super) fn is_modern(self) -> bool {
        self.major >= MODERN
    }

    fn is_enough(self) -> bool {
        (self.major, self.minor) >= OLDEST
    }
}

/// What a server says of itself, as a person reads it: `redis 7.0.15`.
pub(super) fn name(info: &str) -> String {
    let (name, version) = match field(info, "valkey_version") {
        Some(version) => ("valkey", version),
        None => ("redis", field(info, "redis_version").unwrap_or("of an unknown version")),
    };
    format!("{name} {}", scupper_model::printable(version.as_bytes(), 40))
}

/// One field of an `INFO`.
pub(super) fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

/// What speaks against it, from its `INFO`s; the first thing.
pub(super) fn verdict(url: &str, info: &str, is_cluster: bool) -> Result<(), StoreError> {
    let unfit = |why: String| Err(StoreError::Unfit { url: url.to_owned(), why });
    match Version::read(info) {
        None => {
            return unfit(format!(
                "its version is not understood (`{}`); Redis 6.2 or newer or Valkey is needed",
                scupper_model::printable(field(info, "redis_version").unwrap_or_default().as_bytes(), 40)
            ));
        }
        Some(version) if !version.is_enough() => {
            return unfit(format!("it is {}; Redis 6.2 or newer or Valkey is needed", name(info)));
        }
        Some(_) => {}
    }
    if field(info, "role") == Some("slave") {
        return unfit(
            "it is a replica, which takes no writes: name its primary, or the Sentinels".to_owned(),
        );
    }
    match field(info, "maxmemory_policy") {
        Some("noeviction") => {}
        None => return unfit("it does not say its maxmemory-policy, which has to be noeviction".to_owned()),
        Some(policy) => {
            return unfit(format!(
                "its maxmemory-policy is {}: when its memory is full it forgets agents, and they would look dead; set \
                 `maxmemory-policy noeviction`, or use another server",
                scupper_model::printable(policy.as_bytes(), 40)
            ));
        }
    }
    if !is_cluster && field(info, "cluster_enabled") == Some("1") {
        return unfit("it is a node of a cluster: use redis+cluster://".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn said(info: &str) -> String {
        match verdict("redis://h", info, false) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_version_is_read_or_unknown() {
        let read = |version: &str| Version::read(&format!("redis_version:{version}\r\n"));
        assert!(read("6.2.0").unwrap().is_enough() && !read("6.2.0").unwrap().is_modern());
        assert!(read("7.0.15").unwrap().is_modern() && read("8.4-rc1").unwrap().is_modern());
        assert!(!read("6.0.16").unwrap().is_enough() && read("10.0.0").unwrap().is_enough());
        for odd in ["", "7", "seven.0", "7.x", "-1.2", "99999999999.1"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(Version::read(""), None);
        assert_eq!(name("redis_version:7.2.4\nvalkey_version:8.1.0\n"), "valkey 8.1.0");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        assert_eq!(said(GOOD), "");
        for (from, to, says) in [
            ("7.0.15", "6.0.16", "6.2 or newer"),
            ("7.0.15", "next", "not understood"),
            ("role:master", "role:slave", "replica"),
            ("noeviction", "volatile-ttl", "maxmemory-policy noeviction"),
            ("maxmemory_policy:", "policy:", "does not say its maxmemory-policy"),
            ("cluster_enabled:0", "cluster_enabled:1", "redis+cluster://"),
        ] {
            let error = said(&GOOD.replace(from, to));
            assert!(error.contains(says) && error.contains("cannot serve as a registry"), "{error}");
        }
    }
}
