//! One play: a real client, what stands between, scupper, what stands between, a real server.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::scene::{PATIENCE, SCUPPER, Scene, alive, comm, has_environment, kill, pids, wait_for};

/// Where the servers are; installed by the first test that asks.
pub fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let script = here("install-servers.sh");
        let out = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
        assert!(out.status.success(), "the servers cannot be installed");
        PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
    })
}

/// A file beside this one.
pub fn here(name: &str) -> String {
    format!("{}/tests/mcp/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn cached(name: &str) -> String {
    cache().join(name).to_string_lossy().into_owned()
}

/// Which SDK drives.
#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    TypeScript,
    Python,
}

/// A server, the tool that is called, and what it answers.
#[derive(Debug)]
pub struct Server {
    pub command: Vec<String>,
    pub tool: &'static str,
    pub arguments: String,
    pub answer: String,
}

/// The reference filesystem server, on a directory of the scene.
pub fn filesystem(scene: &Scene, program: &[&str]) -> Server {
    let directory = scene.path("files");
    let _ = fs::create_dir(&directory);
    fs::write(directory.join("one.txt"), "1").unwrap();
    let mut command: Vec<String> = program.iter().map(ToString::to_string).collect();
    command.push(directory.to_string_lossy().into_owned());
    Server {
        command,
        tool: "list_directory",
        arguments: serde_json::json!({ "path": directory }).to_string(),
        answer: "[FILE] one.txt".to_owned(),
    }
}

/// The program of the filesystem server.
pub fn filesystem_program() -> String {
    cached("node_modules/.bin/mcp-server-filesystem")
}

/// The reference server that can do everything.
pub fn everything() -> Server {
    Server {
        command: vec![cached("node_modules/.bin/mcp-server-everything")],
        tool: "echo",
        arguments: r#"{"message":"hi"}"#.to_owned(),
        answer: "Echo: hi".to_owned(),
    }
}

/// A server of Python's SDK, started by `uv run`.
pub fn python_by_uv() -> Server {
    let uv =
        [&cached("venv/bin/uv"), "run", "--offline", "--no-project", "--python", &cached("venv/bin/python")];
    let mut command: Vec<String> = uv.iter().map(ToString::to_string).collect();
    command.push(here("server.py"));
    Server { command, tool: "add", arguments: r#"{"first":1,"second":2}"#.to_owned(), answer: "3".to_owned() }
}

/// What stands between the client and scupper.
#[derive(Clone, Copy, Debug)]
pub enum Between {
    Nothing,
    Shell,
    Timeout,
    Npx,
    Uv,
}

impl Between {
    fn around(self, inner: Vec<String>) -> Vec<String> {
        let mut outer: Vec<String> = match self {
            Self::Nothing => Vec::new(),
            // Not the last command, so that the shell stays.
            Self::Shell => {
                return ["sh", "-c", &format!("{}; exit $?", quoted(&inner))].map(str::to_owned).to_vec();
            }
            Self::Npx => {
                return ["npx", "--offline", "-c", &quoted(&inner)].map(str::to_owned).to_vec();
            }
            Self::Timeout => ["timeout", "1000"].map(str::to_owned).to_vec(),
            Self::Uv => [&cached("venv/bin/uv"), "run", "--offline", "--no-project", "--"]
                .map(ToString::to_string)
                .to_vec(),
        };
        outer.extend(inner);
        outer
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

/// The command line of a client that starts scupper, which starts the server.
fn client(scene: &Scene, sdk: Sdk, how: &str, between: Between, server: &Server) -> Vec<String> {
    let mut scupper = [SCUPPER, "mcp", "--name", &scene.unit, "--log-format", "json", "-v", "--"]
        .map(str::to_owned)
        .to_vec();
    scupper.extend(server.command.iter().cloned());
    let (program, script) = match sdk {
        Sdk::TypeScript => ("node".to_owned(), "client.mjs"),
        Sdk::Python => (cached("venv/bin/python"), "client.py"),
    };
    let cache = cache().to_string_lossy().into_owned();
    let mut words = [program, here(script), cache, how.to_owned(), server.tool.to_owned()].to_vec();
    words.extend([server.arguments.clone(), "--".to_owned()]);
    words.extend(between.around(scupper));
    words
}

/// A client in its session, and everybody below it.
pub struct Play {
    pub scene: Scene,
    pub client: Child,
    /// Everybody who carried the mark while all was well, the client among them.
    everybody: BTreeSet<i32>,
    pub guardian: i32,
    pub engine: i32,
}

impl Play {
    /// Starts a session and waits until the tool has answered. `how` is what the client does then.
    pub fn begin(sdk: Sdk, how: &str, between: Between, server: impl FnOnce(&Scene) -> Server) -> Self {
        let scene = Scene::new();
        let server = server(&scene);
        let words = client(&scene, sdk, how, between, &server);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.stdout(File::create(scene.path("said")).unwrap());
        command.stderr(File::create(scene.path("stderr")).unwrap());
        Self::start(scene, command, how, &server)
    }

    /// The same with a client in a shell on a terminal, which waits. What is started is the terminal.
    pub fn in_a_terminal(server: impl FnOnce(&Scene) -> Server) -> Self {
        let scene = Scene::new();
        let server = server(&scene);
        let words = client(&scene, Sdk::TypeScript, "wait", Between::Nothing, &server);
        let line = format!(
            "{} >'{}' 2>'{}'; exit $?",
            quoted(&words),
            scene.path("said").display(),
            scene.path("stderr").display()
        );
        let mut command = Command::new("python3");
        command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", "sh", "-c", &line]);
        Self::start(scene, command, "wait", &server)
    }

    fn start(scene: Scene, mut command: Command, how: &str, server: &Server) -> Self {
        scene.dress(&mut command);
        // npx looks for the server below here.
        command.current_dir(cache()).env("SCUPPER_TEST_PLAY", &scene.unit);
        let client = command.spawn().unwrap();
        let mut play = Self { client, scene, everybody: BTreeSet::new(), guardian: 0, engine: 0 };
        let said = play.expect_answer(server);
        assert!(said["tools"].as_array().unwrap().iter().any(|name| name == server.tool), "{said}");
        if how == "wait" {
            play.remember();
        }
        play
    }

    pub fn pid(&self) -> i32 {
        self.client.id().try_into().unwrap()
    }

    fn said(&self) -> Vec<Value> {
        self.scene.text("said").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn expect_answer(&mut self, server: &Server) -> Value {
        let said = wait_for("the tool has answered", PATIENCE, || {
            let ended = self.client.try_wait().unwrap();
            match (self.said().first(), ended) {
                (Some(said), _) => Ok(said.clone()),
                (None, Some(status)) => panic!("the client ended ({status}): {}", self.scene.text("stderr")),
                (None, None) => Err(self.scene.text("stderr")),
            }
        });
        assert_eq!(said["answer"], Value::from(server.answer.clone()));
        said
    }

    fn marked(&self) -> BTreeSet<i32> {
        let mark = format!("SCUPPER_TEST_PLAY={}", self.scene.unit);
        pids().filter(|pid| has_environment(*pid, &mark) && alive(*pid)).collect()
    }

    fn remember(&mut self) {
        self.everybody = self.marked();
        self.everybody.extend(self.scene.marked().keys());
        assert!(self.everybody.contains(&self.pid()));
        let engine = wait_for("the unit is written down", PATIENCE, || {
            let path = self.scene.path(&format!("run/scupper/{}.json", self.scene.unit));
            let record: Value = fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok())
                .ok_or_else(|| format!("{}", path.display()))?;
            record["supervisor"]["pid"].as_i64().ok_or_else(|| record.to_string())
        });
        self.engine = i32::try_from(engine).unwrap();
        self.guardian = super::scene::parent(self.engine).unwrap();
        assert!(self.everybody.contains(&self.guardian) && self.everybody.contains(&self.engine));
    }

    /// Waits until nobody of the play is left, by their marks and by their pids, and neither record nor socket nor cgroup.
    pub fn expect_nobody(&mut self) {
        wait_for("the client ends", PATIENCE, || match self.client.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err(self.scene.text("stderr")),
        });
        wait_for("nobody is left", PATIENCE, || {
            let mut left = self.marked();
            left.extend(self.scene.marked().keys());
            left.extend(self.everybody.iter().filter(|pid| alive(**pid) && self.is_ours(**pid)));
            let left: Vec<(i32, String)> = left.into_iter().map(|pid| (pid, comm(pid))).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}\n{}", self.scene.text("stderr"))) }
        });
        let runtime = fs::read_dir(self.scene.path("run/scupper")).unwrap().flatten();
        let files: Vec<_> = runtime
            .map(|e| e.file_name())
            .filter(|name| !name.to_string_lossy().ends_with(".lock"))
            .collect();
        assert!(files.is_empty(), "{files:?}");
        let groups = fs::read_dir("/sys/fs/cgroup/unified").into_iter().flatten().flatten();
        let groups: Vec<_> = groups
            .map(|e| e.file_name())
            .filter(|n| n.to_string_lossy().contains(&self.scene.unit))
            .collect();
        assert!(groups.is_empty(), "{groups:?}");
    }

    /// A pid may have been given to somebody else.
    fn is_ours(&self, pid: i32) -> bool {
        has_environment(pid, &format!("SCUPPER_TEST_PLAY={}", self.scene.unit))
    }

    /// How the client's end was seen, by the event of it.
    pub fn seen(&self) -> Vec<String> {
        let events = self.scene.events_of("client_gone");
        events.iter().map(|event| event["how"].as_str().unwrap().to_owned()).collect()
    }

    /// The server's exit code as scupper recorded it.
    pub fn exit_code(&self) -> i64 {
        let stopped = self.scene.events_of("unit_stopped");
        assert_eq!(stopped.len(), 1, "{}", self.scene.text("stderr"));
        stopped[0]["exit_code"].as_i64().unwrap()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if self.client.try_wait().unwrap().is_none() {
            let _ = self.client.kill();
            let _ = self.client.wait();
        }
        for pid in self.marked() {
            kill(pid, 9);
        }
    }
}
