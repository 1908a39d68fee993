//! Text in, address or what is wrong with it out. What is wrong is a fixed text: a piece of the address might be a password.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::redis::{Password, RedisAddress, RedisHost, RedisServers, TlsFiles};
use super::{Address, COORDINATOR_PORT};

/// The longest address; longer ones are no address.
const LONGEST: usize = 4096;
/// Sentinels or nodes of one address.
const HOSTS_LIMIT: usize = 64;
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

type Refused = &'static str;

pub(super) fn address(text: &str) -> Result<Address, Refused> {
    if text.len() > LONGEST {
        return Err("it is longer than 4096 characters");
    }
    if text.is_empty() || text.contains(char::is_control) {
        return Err("it is empty, or holds control characters");
    }
    if text.contains(char::is_whitespace) && !is_path(text) {
        return Err("a blank in it is written %20");
    }
    if text == "embedded" {
        return Ok(Address::Embedded(None));
    }
    if let Some(path) = text.strip_prefix("embedded:") {
        let path = absolute(path)
            .ok_or("`embedded:` takes the whole path of a directory, as in `embedded:/var/lib/scupper`")?;
        return Ok(Address::Embedded(Some(path)));
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = absolute(path)
            .ok_or("`unix:` takes the whole path of a socket, as in `unix:/run/scupper/serve.sock`")?;
        return Ok(Address::Unix(path));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(
            "use redis://, rediss://, redis+unix:///path, redis+sentinel://, redis+cluster://, embedded, \
                    http://host:port or unix:/path",
        );
    };
    if rest.contains('#') {
        return Err("`#` has no meaning in it; in a password write %23");
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains('@') {
        return Err("a `?` or an `@` in a password or a path is written %3F or %40");
    }
    if scheme == "http" {
        return http(rest, query);
    }
    if scheme == "https" {
        return Err("a coordinator's API speaks no TLS: use http:// on loopback, or the unix: socket");
    }
    let (family, way) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match family {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => {
            return Err(
                "this kind of address is not known; use redis://, rediss://, embedded, http:// or unix:",
            );
        }
    };
    redis(tls, way, rest, &Options::parse(query)?).map(Address::Redis)
}

fn is_path(text: &str) -> bool {
    text.starts_with("embedded:") || text.starts_with("unix:")
}

/// A path from the root, with one `/` at its beginning: `unix:///path` is the same as `unix:/path`.
fn absolute(path: &str) -> Option<PathBuf> {
    let inner = path.strip_prefix('/')?.trim_start_matches('/');
    (!inner.is_empty()).then(|| PathBuf::from(format!("/{inner}")))
}

fn http(rest: &str, query: &str) -> Result<Address, Refused> {
    if rest.contains('@') {
        return Err("a token is no part of the address; give it in a file or in the environment");
    }
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains('/') || !query.is_empty() {
        return Err("a coordinator's API is only http://host:port, without a path");
    }
    let RedisHost { host, port } = one_host(host, COORDINATOR_PORT)?;
    Ok(Address::Http { host, port })
}

fn redis(tls: bool, way: &str, rest: &str, options: &Options) -> Result<RedisAddress, Refused> {
    if way == "unix" {
        return socket(tls, rest, options);
    }
    if options.user.is_some() || options.password.is_some() || options.database.is_some() {
        return Err(
            "user, password and database stand before and behind the host: redis://user:password@host/0",
        );
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') {
        return Err("a `/` in a password is written %2F, and an `@` %40");
    }
    let (user, password, hosts) = credentials(authority)?;
    let port = if way == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
    let mut hosts = some_hosts(hosts, port)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (servers, database) = match way {
        "" if hosts.len() == 1 => (RedisServers::One(hosts.swap_remove(0)), path),
        "" => return Err("it names several servers: use redis+sentinel:// or redis+cluster://"),
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = decoded(master)?;
            if master.is_empty() {
                return Err(
                    "redis+sentinel:// needs the master's name: redis+sentinel://host:26379/mymaster",
                );
            }
            (RedisServers::Sentinel { sentinels: hosts, master }, database)
        }
        "cluster" => (RedisServers::Cluster(hosts), path),
        _ => return Err("behind `redis+` only unix, sentinel and cluster are known"),
    };
    let database = number(database)?;
    if database != 0 && matches!(servers, RedisServers::Cluster(_)) {
        return Err("a cluster has no numbered databases but 0");
    }
    Ok(RedisAddress { servers, user, password, database, tls: options.tls(tls)?, seed: options.seed() })
}

fn socket(tls: bool, rest: &str, options: &Options) -> Result<RedisAddress, Refused> {
    if tls {
        return Err("there is no TLS over a Unix socket: use redis+unix://");
    }
    let path = absolute(&decoded(rest)?)
        .ok_or("redis+unix:// takes the whole path of a socket, as in redis+unix:///run/redis.sock")?;
    options.tls(false)?;
    Ok(RedisAddress {
        servers: RedisServers::Socket(path),
        user: options.user.clone(),
        password: options.password.clone(),
        database: options.database.unwrap_or(0),
        tls: None,
        seed: options.seed(),
    })
}

/// `user:password@hosts`, `:password@hosts`, `user@hosts` or only `hosts`.
fn credentials(authority: &str) -> Result<(Option<String>, Option<Password>, &str), Refused> {
    let Some((who, hosts)) = authority.rsplit_once('@') else { return Ok((None, None, authority)) };
    let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = password.map(decoded).transpose()?.filter(|password| !password.is_empty());
    Ok((user, password.map(Password::new), hosts))
}

fn some_hosts(text: &str, port: u16) -> Result<Vec<RedisHost>, Refused> {
    if text.split(',').count() > HOSTS_LIMIT {
        return Err("it names more than 64 servers; a few are enough, they tell of the others");
    }
    text.split(',').map(|host| one_host(host, port)).collect()
}

fn one_host(text: &str, port: u16) -> Result<RedisHost, Refused> {
    let (host, given) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, behind) = inner.split_once(']').ok_or("an IPv6 address wants brackets: [::1]")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is no IPv6 address")?;
            (host, behind)
        }
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if !(1..=253).contains(&host.len()) || !host.bytes().all(allowed) {
        return Err("the host is missing, or no name or address");
    }
    let port = match given.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port != 0).ok_or("the port is a number from 1 to 65535")?
        }
        None if given.is_empty() => port,
        _ => return Err("the port is a number from 1 to 65535; an IPv6 address wants brackets: [::1]:6379"),
    };
    Ok(RedisHost { host: host.to_owned(), port })
}

fn number(text: &str) -> Result<u32, Refused> {
    match text {
        "" => Ok(0),
        digits if digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| "the database is a number")
        }
        _ => Err("behind the host stands the number of a database, and nothing else"),
    }
}

fn decoded(text: &str) -> Result<String, Refused> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "what it means by %xx is no UTF-8")?;
    if text.contains(char::is_control) {
        return Err("it holds control characters");
    }
    Ok(text.into_owned())
}

fn on_or_off(text: &str) -> Result<bool, Refused> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("seed is on or off"),
    }
}

/// What stands behind the `?`.
#[derive(Default)]
struct Options {
    user: Option<String>,
    password: Option<Password>,
    database: Option<u32>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    seed: Option<bool>,
}

impl Options {
    fn parse(query: &str) -> Result<Self, Refused> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("behind `?` stands name=value")?;
            let value = decoded(value)?;
            let path = || absolute(&value).ok_or("ca, cert and key take the whole path of a file");
            let twice = match name {
                "user" => options.user.replace(value).is_some(),
                "password" => options.password.replace(Password::new(value)).is_some(),
                "database" => options.database.replace(number(&value)?).is_some(),
                "ca" => options.ca.replace(path()?).is_some(),
                "cert" => options.cert.replace(path()?).is_some(),
                "key" => options.key.replace(path()?).is_some(),
                "seed" => options.seed.replace(on_or_off(&value)?).is_some(),
                _ => {
                    return Err("behind `?` only user, password, database, ca, cert, key and seed are known");
                }
            };
            if twice {
                return Err("something behind `?` is said twice");
            }
        }
        options.user = options.user.filter(|user| !user.is_empty());
        options.password = options.password.filter(|password| !password.reveal().is_empty());
        Ok(options)
    }

    /// Whether seed 004's keys are written and read: yes, unless `seed=off`.
    fn seed(&self) -> bool {
        self.seed.unwrap_or(true)
    }

    fn tls(&self, tls: bool) -> Result<Option<TlsFiles>, Refused> {
        let client = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("cert and key go together"),
        };
        if !tls && (self.ca.is_some() || client.is_some()) {
            return Err("ca, cert and key are for TLS: use rediss://");
        }
        Ok(tls.then(|| TlsFiles { ca: self.ca.clone(), client }))
    }
}
