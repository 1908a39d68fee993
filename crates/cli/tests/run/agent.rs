//! R119: `--profile agent` around a coding agent: what it leaves is ended or kept and told, and its sessions share a name.

use std::process::Stdio;

use super::scene::{PATIENCE, Scene, alive, kill, wait_for};

/// An agent that starts what agents start, writes down every pid, and ends.
const AGENT: &str = r#"
cd "$1" || exit 99
note() { echo "$2" >"$1.new" && mv "$1.new" "$1"; }
TMUX_TMPDIR=. tmux -L t new-session -d 'sleep 1000'
note tmux "$(TMUX_TMPDIR=. tmux -L t display-message -p '#{pid}')"
redis-server --daemonize yes --port 0 --unixsocket r.sock --pidfile "$PWD/redis.pid" --save '' --dir . >/dev/null
while ! [ -s redis.pid ]; do sleep 0.01; done
note redis "$(cat redis.pid)"
python3 -m http.server --bind 127.0.0.1 0 >/dev/null 2>&1 &
note dev_server $!
setsid node -e 'setInterval(() => {}, 1000)' </dev/null >/dev/null 2>&1 &
note node $!
nohup sh -c 'sleep 1000; exit 0' </dev/null >/dev/null 2>&1 &
note nohup $!
# As what they are, and not as the shell that starts them.
for pid in $(cat node dev_server); do
  while grep -q '^sh' "/proc/$pid/comm"; do sleep 0.01; done
done
exit 4
"#;

fn pid(scene: &Scene, of: &str) -> i32 {
    scene.text(of).trim().parse().unwrap_or_else(|_| panic!("no {of}: {}", scene.text("stderr")))
}

#[test]
fn heavy_r119_what_an_agent_leaves_is_ended_or_kept_and_told() {
    for program in ["tmux", "redis-server", "node"] {
        let found = std::process::Command::new(program).arg("--help").stdin(Stdio::null()).output();
        if found.is_err() {
            eprintln!("skipped: there is no {program}");
            return;
        }
    }
    for format in ["json", "text"] {
        let scene = Scene::new();
        let flags = ["--profile", "agent", "--grace", "1s", "--log-format", format];
        let directory = scene.dir.path().to_string_lossy().into_owned();
        // The later --log-format would be refused: this is the scene's own command line.
        let mut scupper = scene.scupper(&["run", "--name", &scene.unit]);
        scupper.args(flags).args(["--", "sh", "-c", AGENT, "agent", &directory]);
        scupper.stderr(std::fs::File::create(scene.path("stderr")).unwrap());
        assert_eq!(scupper.status().unwrap().code(), Some(4), "{}", scene.text("stderr"));

        let (tmux, redis) = (pid(&scene, "tmux"), pid(&scene, "redis"));
        for of in ["dev_server", "node", "nohup"] {
            assert!(!alive(pid(&scene, of)), "{of} is left: {}", scene.text("stderr"));
        }
        assert!(alive(tmux) && alive(redis), "{}", scene.text("stderr"));
        let said = scene.text("stderr");
        if format == "json" {
            let because = |pid: i32| {
                let kept = scene.events_of("kept");
                let of = kept.iter().find(|event| event["target"]["pid"] == pid);
                of.map(|event| event["because"].as_str().unwrap().to_owned()).unwrap_or_default()
            };
            assert!(because(tmux).contains("multiplexer"), "{said}");
            assert!(because(redis).contains("daemon by choice"), "{said}");
            let stopped = scene.events_of("unit_stopped").pop().unwrap();
            assert_eq!(stopped["kept"], scene.events_of("kept").len(), "{said}");
            assert!(stopped["ended"].as_u64().unwrap() >= 3, "{said}");
        } else {
            for (pid, why) in [(tmux, "multiplexer"), (redis, "daemon by choice")] {
                let line = said.lines().find(|line| line.contains(&format!("event=kept target={pid} ")));
                assert!(line.is_some_and(|line| line.contains(why)), "{said}");
            }
        }
        // Kept, and so ours to end.
        for pid in scene.marked().into_keys().chain([tmux, redis]) {
            kill(pid, 9);
        }
        wait_for("what was kept is gone", PATIENCE, || {
            if alive(tmux) || alive(redis) { Err(String::new()) } else { Ok(()) }
        });
        scene.expect_nothing_left();
    }
}

/// Several sessions of one agent at once share their --name, with numbers behind it, and are shown and asked together.
#[test]
fn r119_the_sessions_of_an_agent_are_a_group() {
    let scene = Scene::new();
    let agent = ["--profile", "agent"];
    let (first, second) = (scene.run(&agent, &["sleep", "1000"]), scene.run(&agent, &["sleep", "1000"]));
    let pattern = format!("{}*", scene.unit);
    let names = wait_for("both answer", PATIENCE, || {
        let out = scene.scupper(&["ps", &pattern, "--json"]).output().unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let units = shown["units"].as_array().cloned().unwrap_or_default();
        let answering = units.iter().filter(|unit| unit["supervisor"] == "answers");
        let mut names: Vec<String> =
            answering.map(|unit| unit["unit"].as_str().unwrap().to_owned()).collect();
        names.sort();
        if names.len() == 2 { Ok(names) } else { Err(shown.to_string()) }
    });
    assert_eq!(names, [scene.unit.clone(), format!("{}-2", scene.unit)]);
    let stopped = scene.scupper(&["stop", &pattern]).output().unwrap();
    assert_eq!(stopped.status.code(), Some(0), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert_eq!(String::from_utf8_lossy(&stopped.stdout).lines().count(), 2);
    first.wait();
    second.wait();
    let events = scene.scupper(&["events", &pattern, "--kind", "unit_started", "--json"]).output().unwrap();
    let lines = String::from_utf8(events.stdout).unwrap();
    for name in &names {
        assert!(lines.contains(&format!("\"unit\":\"{name}\"")), "{lines}");
    }
    // Another profile's name is one unit's alone.
    let web = scene.run(&[], &["sleep", "1000"]);
    scene.live();
    assert_eq!(scene.run(&[], &["true"]).wait().code(), Some(125));
    web.signal(15);
    web.wait();
    scene.expect_nothing_left();
}
