//! A machine of its own for a test: a pid namespace, in which `scupper reap --yes` sees nobody but what the test started.
//! When the test ends, however, the kernel ends everything in it.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::scene::{PATIENCE, SCUPPER, Scene, children, wait_for};

pub struct Machine {
    pub scene: Scene,
    unshare: Child,
    talk: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    /// Its first process, as it is called outside.
    first: i32,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Machine {
    /// `None` where none can be made: not root, and no user namespaces.
    pub fn start() -> Option<Self> {
        let scene = Scene::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/orphans/machine.py");
        let mut unshare = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "python3", "-S"]).arg(script);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A mark of whoever runs the tests is nobody's here.
        for name in ["SCUPPER_RUN", "SCUPPER_UNIT", "SCUPPER_KEEP", "NOTIFY_SOCKET"] {
            unshare.env_remove(name);
        }
        let mut unshare = unshare.spawn().unwrap();
        let input = unshare.stdin.take().unwrap();
        let mut output = BufReader::new(unshare.stdout.take().unwrap());
        let mut up = String::new();
        output.read_line(&mut up).unwrap();
        if up.is_empty() {
            let _ = unshare.wait();
            eprintln!("skipped: no pid namespace can be made");
            return None;
        }
        let first = *children(unshare.id().try_into().unwrap()).first().unwrap();
        Some(Self { scene, unshare, talk: RefCell::new((input, output)), first })
    }

    fn ask(&self, question: &Value) -> Value {
        let (input, output) = &mut *self.talk.borrow_mut();
        writeln!(input, "{question}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Starts a command, in a session of its own. Its pid, as everybody in this machine calls it.
    pub fn spawn(&self, argv: &[&str], env: &[(&str, &str)], out: &str, err: &str) -> i32 {
        let path = |name: &str| self.scene.path(name).to_string_lossy().into_owned();
        let mut environment = json!({
            "XDG_RUNTIME_DIR": path("run"), "XDG_STATE_HOME": path("state"), "XDG_CONFIG_HOME": path("config"),
            "HOME": path(""), "TERM": "dumb",
        });
        for (name, value) in env {
            environment[*name] = (*value).into();
        }
        let asked = json!({ "start": argv, "env": environment, "out": path(out), "err": path(err) });
        self.ask(&asked)["pid"].as_i64().unwrap().try_into().unwrap()
    }

    /// Starts a command whose output nobody wants.
    pub fn start_command(&self, argv: &[&str]) -> i32 {
        self.spawn(argv, &[], "others", "others")
    }

    /// How a command that was started here ended, when it has.
    pub fn wait(&self, pid: i32) -> i32 {
        wait_for(&format!("{pid} ends"), PATIENCE * 2, || {
            let code = self.ask(&json!({ "code": pid }));
            code["code"]
                .as_i64()
                .map(|code| code.try_into().unwrap())
                .ok_or_else(|| self.scene.text("stderr"))
        })
    }

    /// Runs a command to its end.
    pub fn run(&self, argv: &[&str]) -> Answer {
        for name in ["out", "err"] {
            let _ = fs::remove_file(self.scene.path(name));
        }
        let pid = self.spawn(argv, &[], "out", "err");
        Answer { code: self.wait(pid), out: self.scene.text("out"), err: self.scene.text("err") }
    }

    /// Runs `scupper` to its end.
    pub fn scupper(&self, arguments: &[&str]) -> Answer {
        self.run(&[&[SCUPPER], arguments].concat())
    }

    pub fn kill(&self, pid: i32, signal: i32) {
        self.ask(&json!({ "kill": [pid, signal] }));
    }

    /// Whether a process of this machine is there and no zombie.
    pub fn alive(&self, pid: i32) -> bool {
        self.stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
    }

    /// The fields of its `/proc/PID/stat` from the state on.
    pub fn stat(&self, pid: i32) -> Option<Vec<String>> {
        let text = self.read(pid, "stat")?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let rest = text.rsplit_once(')')?.1;
        Some(rest.split_whitespace().map(str::to_owned).collect())
    }

    /// A file of its `/proc/PID`.
    pub fn read(&self, pid: i32, name: &str) -> Option<Vec<u8>> {
        fs::read(format!("/proc/{}/root/proc/{pid}/{name}", self.first)).ok()
    }

    /// Everybody in it but its first process, who lives.
    pub fn living(&self) -> Vec<i32> {
        let entries = fs::read_dir(format!("/proc/{}/root/proc", self.first)).unwrap();
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != 1 && self.alive(*pid)).collect()
    }

    /// Events that the evidence of this machine has of a unit.
    pub fn events(&self, unit: &str) -> Vec<Value> {
        let answer = self.scupper(&["events", unit, "--json", "-n", "100000"]);
        answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
