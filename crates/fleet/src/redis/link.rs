//! Connections. Each has a time limit for everything; one that failed is thrown away, and after a failure the next attempt
//! waits (0.1 to 5 s, full jitter), so that a registry that comes back is not overrun by everybody at once.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};

use super::check::Version;
use super::keys::PREFIX;
use crate::address::{RedisAddress, RedisHost, RedisServers, TlsFiles};
use crate::store::said;
use crate::{Clock, StoreError, SystemClock};

/// Connections that are kept open while nobody uses them.
const IDLE: usize = 8;
/// The first wait after a failure is at most this.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisLimits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer.
    pub answer: Duration,
    /// The longest wait between two attempts to connect. In between every call fails at once.
    pub between: Duration,
}

impl Default for RedisLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(5),
            between: Duration::from_secs(5),
        }
    }
}

type Wire = Box<dyn ConnectionLike + Send>;

/// An open connection, and what is at its other end.
struct Line {
    wire: Wire,
    version: Option<Version>,
}

/// The way to a server.
pub(super) struct Link {
    shown: String,
    servers: RedisServers,
    login: RedisConnectionInfo,
    tls: Option<TlsCertificates>,
    limits: RedisLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Line>,
    failures: u32,
    /// On the clock since boot.
    not_before: Option<Duration>,
    last: Option<RedisError>,
}

impl Link {
    /// Reads the files that the address names; nothing is connected yet.
    pub(super) fn new(address: &RedisAddress, limits: RedisLimits) -> Result<Self, StoreError> {
        static PROVIDER: Once = Once::new();
        // Only one can be installed in a process, and which one is the program's choice: another one does as well.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let shown = address.to_string();
        let tls = match &address.tls {
            Some(files) => Some(certificates(files).map_err(|(path, source)| StoreError::Unfit {
                url: shown.clone(),
                why: format!("{path} cannot be read ({source}); it is to hold certificates or a key as PEM"),
            })?),
            None => None,
        };
        let mut login = RedisConnectionInfo::default()
            .set_db(i64::from(address.database))
            .set_lib_name("scupper", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &address.user {
            login = login.set_username(user);
        }
        if let Some(password) = &address.password {
            login = login.set_password(password.reveal());
        }
        let state = Mutex::default();
        Ok(Self { shown, servers: address.servers.clone(), login, tls, limits, state })
    }

    /// The address, without its password.
    pub(super) fn url(&self) -> &str {
        &self.shown
    }

    /// Whether the keys are spread over a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.servers, RedisServers::Cluster(_))
    }

    /// Asks something. Where a connection that was kept open turns out to be broken, it is asked once more on a new one: every
    /// call is safe to repeat.
    pub(super) fn ask<T>(
        &self,
        doing: &'static str,
        question: impl Fn(&mut dyn ConnectionLike, Option<Version>) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let kept = self.state().idle.pop();
        let was_kept = kept.is_some();
        let mut line = match kept {
            Some(line) => line,
            None => self.open(doing)?,
        };
        let mut said = question(&mut *line.wire, line.version);
        if let Err(error) = &said
            && was_kept
            && error.is_connection_dropped()
        {
            self.state().idle.clear();
            line = self.open(doing)?;
            said = question(&mut *line.wire, line.version);
        }
        match said {
            Ok(answer) => {
                self.keep(line);
                Ok(answer)
            }
            Err(error) => {
                if is_about_the_question(&error) {
                    self.keep(line);
                }
                Err(self.fault(doing, &error))
            }
        }
    }

    fn keep(&self, line: Line) {
        let mut state = self.state();
        if state.idle.len() < IDLE {
            state.idle.push(line);
        }
    }

    fn open(&self, doing: &'static str) -> Result<Line, StoreError> {
        {
            let state = self.state();
            let now = SystemClock.since_boot();
            if let (Some(not_before), Some(last)) = (state.not_before, &state.last)
                && now < not_before
            {
                return Err(self.fault(doing, last));
            }
        }
        let opened = self.connect().and_then(|mut wire| {
            let version = Version::read(&info(&mut *wire, "server", self.is_cluster())?);
            Ok(Line { wire, version })
        });
        let mut state = self.state();
        match opened {
            Ok(line) => {
                (state.failures, state.not_before, state.last) = (0, None, None);
                Ok(line)
            }
            Err(error) => {
                let most = FIRST_WAIT.saturating_mul(1 << state.failures.min(16)).min(self.limits.between);
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(SystemClock.since_boot() + most.mul_f64(jitter()));
                state.last = Some(error.clone());
                drop(state);
                Err(self.fault(doing, &error))
            }
        }
    }

    fn connect(&self) -> RedisResult<Wire> {
        match &self.servers {
            RedisServers::One(host) => self.one(self.address_of(host)),
            RedisServers::Socket(path) => self.one(ConnectionAddr::Unix(path.clone())),
            RedisServers::Sentinel { sentinels, master } => self.one(self.master(sentinels, master)?),
            RedisServers::Cluster(nodes) => self.cluster(nodes),
        }
    }

    fn one(&self, address: ConnectionAddr) -> RedisResult<Wire> {
        self.to(address, self.login.clone())
    }

    fn to(&self, address: ConnectionAddr, login: RedisConnectionInfo) -> RedisResult<Wire> {
        Ok(Box::new(self.plain(address, login)?))
    }

    fn plain(&self, address: ConnectionAddr, login: RedisConnectionInfo) -> RedisResult<redis::Connection> {
        let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(login);
        let client = match &self.tls {
            Some(tls) => Client::build_with_tls(info, tls.clone())?,
            None => Client::open(info)?,
        };
        let connection = client.get_connection_with_timeout(self.limits.connect)?;
        connection.set_read_timeout(Some(self.limits.answer))?;
        connection.set_write_timeout(Some(self.limits.answer))?;
        Ok(connection)
    }

    /// Hears what is published on a channel, on a connection of its own, until `over`: `None` when it begins, since what came
    /// before was missed. A server that says nothing for as long as an answer may take is asked whether it is there.
    pub(super) fn listen(
        &self,
        doing: &'static str,
        channel: &str,
        over: &dyn Fn() -> bool,
        heard: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), StoreError> {
        let fault = |error: RedisError| self.fault(doing, &error);
        let mut connection = self.any().map_err(fault)?;
        let mut channel_of = connection.as_pubsub();
        channel_of.subscribe(channel).map_err(fault)?;
        heard(None);
        while !over() {
            match channel_of.get_message() {
                Ok(message) => heard(Some(message.get_payload_bytes())),
                Err(error) if error.is_timeout() => drop(channel_of.ping::<redis::Value>().map_err(fault)?),
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(())
    }

    /// A connection to any server that has the channels: of a cluster, each node has all.
    fn any(&self) -> RedisResult<redis::Connection> {
        let to = |address| self.plain(address, self.login.clone());
        match &self.servers {
            RedisServers::One(host) => to(self.address_of(host)),
            RedisServers::Socket(path) => to(ConnectionAddr::Unix(path.clone())),
            RedisServers::Sentinel { sentinels, master } => to(self.master(sentinels, master)?),
            RedisServers::Cluster(nodes) => {
                let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no node is named"));
                for node in nodes {
                    match to(self.address_of(node)) {
                        Ok(connection) => return Ok(connection),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    fn address_of(&self, RedisHost { host, port }: &RedisHost) -> ConnectionAddr {
        let host = host.clone();
        if self.tls.is_some() {
            ConnectionAddr::TcpTls { host, port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, *port)
        }
    }

    /// Asks the Sentinels, one after the other, until one knows the master.
    fn master(&self, sentinels: &[RedisHost], name: &str) -> RedisResult<ConnectionAddr> {
        let mut last =
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows this master"));
        for sentinel in sentinels {
            // Sentinels mostly want no password; one that does wants the same as the server.
            let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
            for login in [bare, self.login.clone().set_db(0)] {
                let asked = self.to(self.address_of(sentinel), login).and_then(|mut wire| {
                    redis::cmd("SENTINEL")
                        .arg("get-master-addr-by-name")
                        .arg(name)
                        .query::<Option<(String, u16)>>(&mut *wire)
                });
                match asked {
                    Ok(Some((host, port))) => return Ok(self.address_of(&RedisHost { host, port })),
                    Ok(None) => break,
                    Err(error) => {
                        let is_refused = matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
                        last = error;
                        if !is_refused {
                            break;
                        }
                    }
                }
            }
        }
        Err(last)
    }

    fn cluster(&self, nodes: &[RedisHost]) -> RedisResult<Wire> {
        let nodes = nodes.iter().map(|node| self.address_of(node));
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(self.limits.connect)
            .response_timeout(self.limits.answer)
            .retries(3);
        if let Some(user) = self.login.username() {
            builder = builder.username(user);
        }
        if let Some(password) = self.login.password() {
            builder = builder.password(password);
        }
        if let Some(tls) = &self.tls {
            builder = builder.tls(redis::TlsMode::Secure).certs(tls.clone());
        }
        Ok(Box::new(builder.build()?.get_connection()?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error in the house's words.
    pub(super) fn fault(&self, doing: &'static str, error: &RedisError) -> StoreError {
        let url = self.shown.clone();
        let advice = match (error.kind(), code(error)) {
            (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS" | "NOAUTH") => {
                "the user or the password is missing or wrong"
            }
            (_, "NOPERM") => {
                "this user may not do that: it needs EVALSHA, INFO, SCAN, SUBSCRIBE, and our keys and channels and seed 004's"
            }
            (_, "READONLY") => "this is a replica, which takes no writes: name its primary, or the Sentinels",
            (_, "OOM") => "its memory is full: raise maxmemory, or free some",
            (_, "MISCONF") => {
                "it cannot save its data and therefore takes no writes: look into its log and at its disk"
            }
            (_, "NOREPLICAS") => "too few replicas are connected for it to take writes",
            (_, "CROSSSLOT" | "MOVED" | "ASK") => "it is a node of a cluster: use redis+cluster://",
            (_, "WRONGTYPE") => {
                return StoreError::Damaged {
                    url,
                    at: format!("one of its keys while {doing}"),
                    what: "a key of another type than was written there".to_owned(),
                };
            }
            (_, "BUSY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => {
                return StoreError::Unreachable { url, doing, source: said(error) };
            }
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
                return StoreError::Damaged {
                    url,
                    at: format!("its answer while {doing}"),
                    what: error.to_string(),
                };
            }
            (ErrorKind::InvalidClientConfig, _) => "the address or its certificates cannot be used",
            (ErrorKind::Server(_) | ErrorKind::Extension, _) => "it does not know this, or does not allow it",
            _ => return StoreError::Unreachable { url, doing, source: said(error) },
        };
        StoreError::Refused { url, doing, advice, source: said(error) }
    }
}

/// The server's word for what is wrong. Before Redis 7 the error of a script has that of its command somewhere inside.
fn code(error: &RedisError) -> &str {
    match error.code() {
        Some("ERR") => {
            let detail = error.detail().unwrap_or_default();
            ["WRONGTYPE", "OOM", "READONLY", "NOPERM", "MISCONF", "NOREPLICAS"]
                .into_iter()
                .find(|word| detail.split([' ', '-', ':']).any(|part| part == *word))
                .unwrap_or("ERR")
        }
        Some(code) => code,
        None => "",
    }
}

/// Whether the server answered, and the connection is still good. A server that has become a replica is left: Sentinels know
/// the new master.
fn is_about_the_question(error: &RedisError) -> bool {
    let is_said = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    is_said && !matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH"))
}

fn certificates(files: &TlsFiles) -> Result<TlsCertificates, (String, std::io::Error)> {
    let read = |path: &std::path::Path| {
        std::fs::read(path)
            .map_err(|error| (scupper_model::printable(path.display().to_string().as_bytes(), 200), error))
    };
    let client_tls = match &files.client {
        Some((cert, key)) => Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
        None => None,
    };
    let root_cert = files.ca.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

/// From 0 to 1.
fn jitter() -> f64 {
    let random = uuid::Uuid::now_v7().as_u64_pair().1 & 0xffff_ffff;
    f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX)
}

/// The text of an `INFO`; of a cluster, that of the node which has our keys.
pub(super) fn info(
    connection: &mut dyn ConnectionLike,
    section: &str,
    is_cluster: bool,
) -> RedisResult<String> {
    let mut ask = redis::cmd(if is_cluster { "EVAL" } else { "INFO" });
    if is_cluster {
        ask.arg("return redis.call('INFO', ARGV[1])").arg(1).arg(PREFIX);
    }
    let said: Vec<u8> = ask.arg(section).query(connection)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &str) -> StoreError {
        let Ok(crate::Address::Redis(address)) = "redis://h".parse() else { panic!("an address") };
        let link = Link::new(&address, RedisLimits::default()).unwrap();
        let error = redis::parse_redis_value(format!("-{error}\r\n").as_bytes())
            .unwrap()
            .extract_error()
            .unwrap_err();
        link.fault("sending heartbeats", &error)
    }

    #[test]
    fn an_error_is_what_its_command_said_also_inside_of_an_older_servers_script() {
        let inside = "ERR Error running script (call to f_0123): @user_script:7: -";
        for prefix in ["", inside] {
            let full = told(&format!("{prefix}OOM command not allowed when used memory > 'maxmemory'."));
            assert!(full.to_string().contains("its memory is full"), "{full}");
            let replica = told(&format!("{prefix}READONLY You can't write against a read only replica."));
            assert!(replica.to_string().contains("this is a replica"), "{replica}");
            let odd =
                told(&format!("{prefix}WRONGTYPE Operation against a key holding the wrong kind of value"));
            assert!(matches!(odd, StoreError::Damaged { .. }), "{odd}");
        }
        for away in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script",
            "MASTERDOWN x",
        ] {
            assert!(told(away).is_outage(), "{away}");
        }
        assert!(!told("ERR unknown command 'EVALSHA'").is_outage());
    }
}
