//! Where a registry is, as people write it: a URL. Read once, here; whoever opens it gets parts that are already checked.
//!
//! | address | registry |
//! |---|---|
//! | `redis://[user:password@]host[:6379][/database]` | Redis or Valkey (`valkey://`); `rediss://`, `valkeys://`: over TLS |
//! | `redis+unix:///path/socket[?database=0&user=…&password=…]` | the same, over a Unix socket |
//! | `redis+sentinel://[user:password@]host[:26379][,host…]/master[/database]` | the master that the Sentinels name |
//! | `redis+cluster://[user:password@]host[:6379][,host…]` | a Redis Cluster, by some of its nodes |
//! | `embedded`, `embedded:/path/directory` | two files of this host, in the state directory or in one that is named |
//! | `http://host[:9465]`, `unix:/path/socket` | not the registry itself but a coordinator that has it: for agents only |
//!
//! `?seed=off` leaves the keys of seed 004 alone, which makes a heartbeat cheaper. TLS takes `?ca=/path` (trust only these certificates), `cert=/path` and `key=/path` (who we are). Characters that mean
//! something in a URL are written `%40` and the like. Nothing that is shown here ever holds a password; that includes the
//! errors, so an address must not go through an argument parser that repeats what it refuses.

mod parse;
mod redis;
mod shown;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use redis::{Password, RedisAddress, RedisHost, RedisServers, TlsFiles};

use crate::StoreError;

/// The port of a coordinator that is asked over HTTP, where none is given.
pub const COORDINATOR_PORT: u16 = 9465;

/// Where a registry is. Its text shows no password, and is an address again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Redis or Valkey.
    Redis(RedisAddress),
    /// Files on this host. `None`: in the state directory.
    Embedded(Option<PathBuf>),
    /// A coordinator's API over TCP.
    Http {
        /// Name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A coordinator's API over the Unix socket of this path.
    Unix(PathBuf),
}

impl Address {
    /// Whether it is the registry itself. A coordinator's API is none: an agent can be a member through it, and nobody
    /// can sweep.
    pub const fn is_store(&self) -> bool {
        matches!(self, Self::Redis(_) | Self::Embedded(_))
    }
}

impl FromStr for Address {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        parse::address(text)
            .map_err(|why| StoreError::Address { url: shown::without_secrets(text), why: why.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(redis) => redis.fmt(f),
            Self::Embedded(None) => f.write_str("embedded"),
            Self::Embedded(Some(directory)) => write!(f, "embedded:{}", directory.display()),
            Self::Http { host, port } => write!(f, "http://{}", shown::host(host, *port)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
