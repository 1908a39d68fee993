//! Where a Redis is, and as whom we come.

use std::fmt;
use std::path::PathBuf;

use super::shown;

/// A Redis or Valkey, however many servers it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    /// Its servers.
    pub servers: RedisServers,
    /// The ACL user; `None` for the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// The numbered database; 0 in a cluster.
    pub database: u32,
    /// Over TLS, and with which files.
    pub tls: Option<TlsFiles>,
    /// Whether seed 004's keys are written and read as well. A heartbeat without them is cheaper; a cluster has none.
    pub seed: bool,
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One server.
    One(RedisHost),
    /// One server of this host, over the Unix socket of this path.
    Socket(PathBuf),
    /// The master of this name, as Sentinels tell it.
    Sentinel {
        /// Some of the Sentinels; never empty.
        sentinels: Vec<RedisHost>,
        /// What they call the master.
        master: String,
    },
    /// A cluster: some of its nodes; never empty.
    Cluster(Vec<RedisHost>),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisHost {
    /// Name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Files for TLS, all PEM. Without any, the system's certificates are trusted and we show none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Whom to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A password. Neither `{:?}` nor anything else shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself, for the connection.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Display for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown::host(&self.host, self.port))
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().map(shown::encoded);
        f.write_str(if self.tls.is_some() { "rediss" } else { "redis" })?;
        f.write_str(match self.servers {
            RedisServers::One(_) => "://",
            RedisServers::Socket(_) => "+unix://",
            RedisServers::Sentinel { .. } => "+sentinel://",
            RedisServers::Cluster(_) => "+cluster://",
        })?;
        let mut query = Query::default();
        match (&self.servers, user) {
            (RedisServers::Socket(path), user) => {
                f.write_str(&shown::encoded_path(path))?;
                query.add(f, "database", (self.database != 0).then(|| self.database.to_string()))?;
                query.add(f, "user", user)?;
            }
            (_, Some(user)) => write!(f, "{user}@")?,
            (_, None) => {}
        }
        match &self.servers {
            RedisServers::One(host) => write!(f, "{host}")?,
            RedisServers::Socket(_) => {}
            RedisServers::Sentinel { sentinels: hosts, .. } | RedisServers::Cluster(hosts) => {
                let hosts: Vec<_> = hosts.iter().map(RedisHost::to_string).collect();
                f.write_str(&hosts.join(","))?;
            }
        }
        if let RedisServers::Sentinel { master, .. } = &self.servers {
            write!(f, "/{}", shown::encoded(master))?;
        }
        if self.database != 0 && !matches!(self.servers, RedisServers::Socket(_)) {
            write!(f, "/{}", self.database)?;
        }
        let files = self.tls.as_ref();
        let path = |path: &PathBuf| shown::encoded_path(path);
        query.add(f, "ca", files.and_then(|tls| tls.ca.as_ref()).map(path))?;
        let client = files.and_then(|tls| tls.client.as_ref());
        query.add(f, "cert", client.map(|(cert, _)| path(cert)))?;
        query.add(f, "key", client.map(|(_, key)| path(key)))?;
        query.add(f, "seed", (!self.seed).then(|| "off".to_owned()))
    }
}

/// Writes `?` before the first and `&` before every other.
#[derive(Default)]
struct Query {
    begun: bool,
}

impl Query {
    fn add(&mut self, f: &mut fmt::Formatter<'_>, key: &str, value: Option<String>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let mark = if std::mem::replace(&mut self.begun, true) { '&' } else { '?' };
        write!(f, "{mark}{key}={value}")
    }
}
