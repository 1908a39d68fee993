//! A real redis-server of one test: in a temporary directory of its own, on a Unix socket, ended with the value.
//! Needs `tempfile` and `rustix` (process) of whoever includes it, and no client: what a test asks by [`RedisServer::ask`]
//! is asked in the protocol itself.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its part of it")]
#![allow(clippy::disallowed_methods, clippy::expect_used, reason = "a real server takes real time")]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take for anything before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and all that it has written.
pub struct RedisServer {
    dir: TempDir,
    args: Vec<String>,
    child: Option<Child>,
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
        let mut server = Self { args: args(dir.path()), dir, child: None };
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
        self.child = Some(child);
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

/// A port of this host's loopback that nobody uses now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
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
