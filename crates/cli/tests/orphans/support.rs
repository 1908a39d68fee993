//! Processes that are left behind on purpose, and what `scan` says of them.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::scene::{PATIENCE, Scene, alive, kill, parent, wait_for};

/// Whatever a test leaves behind on purpose, ended by its number when the test is over, however that ends.
#[derive(Default)]
pub struct Strays(Vec<(i32, String)>);

impl Strays {
    /// Ends this one at the end of the test, if it is then still who it is now.
    pub fn add(&mut self, pid: i32) -> i32 {
        self.0.push((pid, start_time(pid)));
        pid
    }
}

impl Drop for Strays {
    fn drop(&mut self) {
        for (pid, start) in &self.0 {
            if start_time(*pid) == *start {
                kill(*pid, 9);
            }
        }
    }
}

/// Field 22 of `/proc/PID/stat`; empty where it is gone.
pub fn start_time(pid: i32) -> String {
    super::scene::stat(pid).and_then(|fields| fields.get(19).cloned()).unwrap_or_default()
}

/// Starts `command` with its stdin, stdout and stderr on pipes that nobody else holds once its parent is gone; the
/// parent ends at once. Gives the pid.
pub fn left_behind(scene: &Scene, strays: &mut Strays, command: &[&str]) -> i32 {
    left_behind_by(scene, strays, &["python3"], command, |_| ())
}

/// The same by a parent that runs in this python, with something changed about its surroundings.
pub fn left_behind_by(
    scene: &Scene,
    strays: &mut Strays,
    python: &[&str],
    command: &[&str],
    change: impl FnOnce(&mut Command),
) -> i32 {
    const PARENT: &str = "import subprocess, sys\n\
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n\
        print(child.pid, flush=True)\n\
        import os; os._exit(0)";
    let mut parent_of = Command::new(python[0]);
    parent_of.args(&python[1..]).args(["-S", "-c", PARENT]).args(command);
    scene.dress(&mut parent_of);
    change(&mut parent_of);
    let out = parent_of.stdout(Stdio::piped()).output().unwrap();
    let pid = String::from_utf8_lossy(&out.stdout).trim().parse();
    let pid: i32 = pid.unwrap_or_else(|_| panic!("no pid: {}", String::from_utf8_lossy(&out.stderr)));
    strays.add(pid);
    settled(pid, command[0]);
    pid
}

/// Waits until a process has become the program it was started for.
pub fn settled(pid: i32, program: &str) {
    wait_for("it has become its program", PATIENCE, || {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = String::from_utf8_lossy(line.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        if first == program { Ok(()) } else { Err(format!("{first:?}, alive: {}", alive(pid))) }
    });
}

/// Keeps a process going that sleeps and does nothing else: whoever talks to it finds nobody at home.
pub const SLEEPER: [&str; 4] = ["python3", "-S", "-c", "import time; time.sleep(1000)"];

/// A python program as a child of the test; it prints a line when it is ready.
pub struct Script {
    pub child: std::process::Child,
    pub said: String,
}

impl Script {
    pub fn start(scene: &Scene, program: &str) -> Self {
        use std::io::BufRead;
        let mut python = Command::new("python3");
        python.args(["-S", "-c", program]);
        scene.dress(&mut python);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.ends_with('\n'), "the script ended before it was ready");
        Self { child, said: said.trim().to_owned() }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread of this process that is not its first one, for as long as `then` takes.
pub fn with_a_thread(then: impl FnOnce(i32)) {
    use std::sync::mpsc::channel;
    let ((tell, told), (done, until)) = (channel(), channel::<()>());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let own = fs::read_link("/proc/thread-self").unwrap();
            tell.send(own.file_name().unwrap().to_str().unwrap().parse().unwrap()).unwrap();
            // Until nobody is there who could send.
            let _ = until.recv();
        });
        let thread = told.recv().unwrap();
        let _done = done;
        then(thread);
    });
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// `scupper ARGS` in this scene, to its end.
pub fn scupper(scene: &Scene, arguments: &[&str]) -> Answer {
    answer(&mut quiet(scene.scupper(arguments), scene))
}

/// No configuration but the scene's.
pub fn quiet(mut command: Command, scene: &Scene) -> Command {
    command.env("HOME", scene.dir.path()).env("XDG_CONFIG_HOME", scene.path("config"));
    command
}

pub fn answer(command: &mut Command) -> Answer {
    let out = command.output().unwrap();
    Answer {
        code: out.status.code().expect("ended by a signal"),
        out: String::from_utf8(out.stdout).unwrap(),
        err: String::from_utf8(out.stderr).unwrap(),
    }
}

/// `scupper scan --json`.
pub fn scan(scene: &Scene) -> Value {
    scupper(scene, &["scan", "--json"]).json()
}

/// A scan that finds a process as left behind, with this evidence among others, and what it says of it. Others come and go
/// meanwhile, and what one look cannot tell is kept by it: the next one tells.
pub fn found(scene: &Scene, pid: i32, evidence: &[&str]) -> (Answer, Value) {
    wait_for("a scan finds it", PATIENCE, || {
        let answer = scupper(scene, &["scan", "--json"]);
        let found = entry(&answer.json(), "left_behind", pid);
        let seen = kinds(&found);
        if !found.is_null() && evidence.iter().all(|kind| seen.contains(*kind)) {
            return Ok((answer, found));
        }
        Err(format!("{found}, {}, exit code {}: {}", state(pid), answer.code, answer.err))
    })
}

/// A scan that has a process in one of its lists, and its entry there.
pub fn listed(scene: &Scene, list: &str, pid: i32) -> (Value, Value) {
    wait_for(&format!("a scan lists it under {list}"), PATIENCE, || {
        let scan = scan(scene);
        let entry = entry(&scan, list, pid);
        if entry.is_null() { Err(state(pid)) } else { Ok((scan, entry)) }
    })
}

/// What a command says once it says this; the same for what one look cannot tell.
pub fn until(scene: &Scene, arguments: &[&str], holds: impl Fn(&Answer) -> bool) -> Answer {
    wait_for(&format!("{arguments:?} says so"), PATIENCE, || {
        let answer = scupper(scene, arguments);
        if holds(&answer) { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
}

/// How a process is: for whoever reads why a test has failed.
fn state(pid: i32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let told = |line: &&str| ["State:", "PPid:", "NSsid:"].iter().any(|key| line.starts_with(key));
    let ends = [0, 1, 2].map(|fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok());
    format!("{pid}: {:?}, {ends:?}", status.lines().filter(told).collect::<Vec<_>>())
}

/// The pids in one list of a scan.
pub fn pids_in(scan: &Value, list: &str) -> BTreeSet<i32> {
    let each = scan[list].as_array().unwrap_or_else(|| panic!("no list {list}: {scan}"));
    each.iter().map(|entry| i32::try_from(entry["pid"].as_i64().unwrap()).unwrap()).collect()
}

/// The entry of one process in one list; null where it is not in it, and where it is instead is printed.
pub fn entry(scan: &Value, list: &str, pid: i32) -> Value {
    let of = |list: &str| {
        let each = scan[list].as_array().unwrap_or_else(|| panic!("no list {list}: {scan}"));
        each.iter().find(|entry| entry["pid"] == pid).cloned()
    };
    of(list).unwrap_or_else(|| {
        let lists = ["left_behind", "held_idle", "growing", "zombies", "not_touched", "unreadable"];
        let elsewhere: Vec<_> =
            lists.into_iter().filter_map(|list| Some((list, of(list)?.to_string()))).collect();
        eprintln!("{pid} is not in {list}, but in {elsewhere:?}; trouble: {}", scan["trouble"]);
        Value::Null
    })
}

/// The kinds of evidence of an entry.
pub fn kinds(entry: &Value) -> BTreeSet<String> {
    let each = entry["evidence"].as_array().cloned().unwrap_or_default();
    each.iter().map(|piece| piece["kind"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a process has another parent than this one.
pub fn wait_for_other_parent(pid: i32, than: i32) {
    wait_for("it has another parent", PATIENCE, || match parent(pid) {
        Some(now) if now != than => Ok(()),
        now => Err(format!("{now:?}")),
    });
}

/// Runs a command that ignores TERM as a unit, and then kills guardian and engine at once, as the kernel's OOM killer
/// may: what is left is found by the record, the cgroup and the mark. Gives its pid.
pub fn abandoned_unit(scene: &Scene, strays: &mut Strays, flags: &[&str]) -> i32 {
    let script = "import os, signal, sys, time\n\
        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
        open(sys.argv[1] + '.new', 'w').write(str(os.getpid())); os.rename(sys.argv[1] + '.new', sys.argv[1])\n\
        time.sleep(1000)";
    let file = scene.path("main");
    let mut running = scene.run(flags, &["python3", "-S", "-c", script, &file.to_string_lossy()]);
    let main = wait_for("the command runs", PATIENCE, || {
        scene.text("main").parse::<i32>().map_err(|_| scene.text("stderr"))
    });
    strays.add(main);
    let (guardian, engine) = (running.pid(), running.engine());
    // Neither of them may see the other's end.
    for pid in [guardian, engine] {
        kill(pid, 19);
    }
    for pid in [engine, guardian] {
        kill(pid, 9);
    }
    // While the guardian is there, what was the engine's is a child of it, and ends with it when `running` is dropped.
    running.child.wait().unwrap();
    wait_for("both are gone", PATIENCE, || if alive(engine) { Err(String::new()) } else { Ok(()) });
    wait_for_other_parent(main, engine);
    main
}
