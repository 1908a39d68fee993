//! A real redis-server of one test: in a temporary directory of its own, on a Unix socket, ended with the value; and with
//! the test where that is killed.
//! Needs `tempfile` and `rustix` (process) of whoever includes it, and no client: what a test asks by [`RedisServer::ask`]
//! is asked in the protocol itself.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its part of it")]
#![allow(clippy::disallowed_methods, clippy::expect_used, reason = "a real server takes real time")]

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take for anything before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of a test that is killed it hears the end of its input, ends the server, if it is still that, and removes its directory. In
/// a process group of its own: who ends a test ends that of the test.
const WATCHDOG: &str = r#"
read -r _ && exit 0
[ "$(readlink "/proc/$1/cwd")" = "$2" ] && kill -9 "$1"
rm -rf -- "$2""#;

/// A server, and all that it has written.
pub struct RedisServer {
    dir: TempDir,
    args: Vec<String>,
    child: Option<Child>,
    watchdog: Option<Child>,
}

impl RedisServer {
    /// One that keeps nothing unless it is told to ([`RedisServer::save`]).
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with more arguments (`["--maxmemory", "10mb"]`); later ones win over those that are always there.
    pub fn start_with(args: &[&str]) -> Self {
        Self::start_in(|_| args.iter().map(|arg| (*arg).to_owned()).collect())
    }

    /// One whose arguments depend on its directory: certificates, a configuration file that stands before all of them.
    pub fn start_in(args: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::Builder::new().prefix("scupper-redis-").tempdir().expect("a directory");
        let mut server = Self { args: args(dir.path()), dir, child: None, watchdog: None };
        server.restart();
        server
    }

    /// Its address for a registry.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Where it lives: its socket, its log, its data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Which process it is.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Starts it again, with whatever it saved, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let at = |name: &str| self.dir.path().join(name);
        let _ = std::fs::remove_file(self.socket());
        let log = std::fs::File::create(at("redis.log")).expect("a log");
        // A configuration file comes first.
        let (file, args) = match self.args.split_first() {
            Some((first, rest)) if Path::new(first).extension().is_some_and(|end| end == "conf") => {
                (Some(first), rest)
            }
            _ => (None, self.args.as_slice()),
        };
        let child = Command::new("redis-server")
            .args(file)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.dir.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("redis-server is installed");
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .arg(self.dir.path().canonicalize().expect("its directory"))
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child);
        self.watchdog = Some(watchdog.expect("a shell"));
        let until = Instant::now() + PATIENCE;
        loop {
            // With a password, or as a replica, it answers with a refusal: it answers. While it loads it does not.
            match self.try_ask(&["PING"]) {
                Ok(said) if !said.starts_with("-LOADING") => return,
                _ => {}
            }
            let child = self.child.as_mut().expect("just started");
            let ended = child.try_wait().expect("its state");
            assert!(
                ended.is_none() && Instant::now() < until,
                "redis-server does not answer ({ended:?}): {}",
                std::fs::read_to_string(at("redis.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a power cut does: what it has not saved is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            if let Some(input) = &mut watchdog.stdin {
                let _ = input.write_all(b"ended\n");
            }
            let _ = watchdog.wait();
        }
    }

    /// Writes all of its data to its file, for the next start.
    pub fn save(&self) {
        let said = self.ask(&["SAVE"]);
        assert_eq!(said, "+OK", "saving");
    }

    /// Lets it hang: it accepts connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("it runs");
    }

    /// One command; its answer as the server wrote it, lines without their ends (`+OK`, `:1`, `$-1`, `-ERR ...`); of a text
    /// (`$5`) the text alone; the parts of a list one a line.
    pub fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).unwrap_or_else(|e| panic!("asking redis-server {command:?}: {e}"))
    }

    fn try_ask(&self, command: &[&str]) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            write!(request, "${}\r\n{word}\r\n", word.len())?;
        }
        stream.write_all(&request)?;
        answer(&mut std::io::BufReader::new(stream))
    }
}

/// A port of this host that is nobody's, and nobody else's of those who ask here, until this value is dropped. Below those
/// that the kernel gives to whoever asks for any (from 32768): between a test's choice and its server's start nobody takes it.
pub struct Port {
    number: u16,
    _held: UnixListener,
}

impl Port {
    /// The next that is free.
    pub fn take() -> Self {
        const PORTS: std::ops::Range<u16> = 20_000..30_000;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let all = u32::from(PORTS.end - PORTS.start);
        let first = std::process::id().wrapping_mul(31);
        for _ in 0..all {
            let place = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % all;
            let number = PORTS.start + u16::try_from(place).expect("below the end");
            // An abstract name is in the same network namespace as the port, and gone with the process.
            let name = SocketAddr::from_abstract_name(format!("scupper-test-port-{number}")).expect("a name");
            let Ok(held) = UnixListener::bind_addr(&name) else { continue };
            if TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok() {
                return Self { number, _held: held };
            }
        }
        panic!("all ports from {} to {} are in use", PORTS.start, PORTS.end);
    }

    /// Which.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number.fmt(f)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads one answer of the protocol.
fn answer(from: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let length = || line[1..].parse::<i64>().map_err(std::io::Error::other);
    match line.as_bytes().first() {
        Some(b'$') if line != "$-1" => {
            let mut text = vec![0; usize::try_from(length()?).map_err(std::io::Error::other)? + 2];
            from.read_exact(&mut text)?;
            text.truncate(text.len() - 2);
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Some(b'*') => {
            let parts: std::io::Result<Vec<_>> = (0..length()?).map(|_| answer(from)).collect();
            Ok(parts?.join("\n"))
        }
        _ => Ok(line.to_owned()),
    }
}
