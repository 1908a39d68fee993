//! Agents that know nothing but curl, and a tool that knows nothing but the description.

use super::*;
use crate::scene::alive;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/curl-agent/agent.sh");
const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/install-schemathesis.sh");

/// `agent.sh ID COMMAND`, ended with the value.
struct Curl {
    child: Child,
}

impl Curl {
    fn start(scene: &Scene, served: &Served, id: &str, tcp: bool, command: &[&str]) -> Self {
        Self::begin(scene, Self::script(scene, served, id, tcp, command))
    }

    fn script(scene: &Scene, served: &Served, id: &str, tcp: bool, command: &[&str]) -> Command {
        let mut script = Command::new("sh");
        script.arg(SCRIPT).arg(id).args(command);
        scene.dress(&mut script);
        script.env_remove("SCUPPER_TOKEN_FILE");
        if tcp {
            script.env("SCUPPER_URL", format!("http://127.0.0.1:{}", served.port));
            script.env("SCUPPER_TOKEN_FILE", scene.path("state/scupper/token"));
        } else {
            script.env("SCUPPER_SOCKET", &served.socket);
        }
        script
    }

    fn begin(scene: &Scene, mut script: Command) -> Self {
        script.stderr(fs::File::create(scene.path("agent.log")).unwrap());
        Self { child: script.spawn().unwrap() }
    }

    fn code(&mut self) -> Option<i32> {
        wait_for("the agent ends", PATIENCE, || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .code()
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(served: &Served, id: &str) -> Got {
    served.unix("GET", &format!("/v1/agents/{id}"), None, b"")
}

fn events(served: &Served) -> String {
    String::from_utf8(served.unix("GET", "/v1/events?limit=500", None, b"").body).unwrap()
}

#[test]
fn a_shell_with_curl_registers_beats_and_leaves() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &[]);
    for (id, tcp) in [("unix-1", false), ("tcp-1", true)] {
        // It ends when the test says so.
        let gate = scene.path(&format!("{id}.gate"));
        let wait = format!("until [ -e {} ]; do sleep 0.1; done; exit 7", gate.display());
        let mut curl = Curl::start(&scene, &served, id, tcp, &["sh", "-c", &wait]);
        wait_for("it beats", PATIENCE, || {
            let seen = agent(&served, id);
            let beats = seen.status == 200 && seen.json()["report"]["state"] == "running";
            if beats { Ok(()) } else { Err(format!("{seen:?} {}", scene.text("agent.log"))) }
        });
        let state = served.unix("GET", &format!("/v1/agents/{id}/items/state"), None, b"");
        assert_eq!((state.status, state.body.as_slice()), (200, &b"runs sh"[..]));
        fs::write(&gate, "").unwrap();
        assert_eq!(curl.code(), Some(7), "{}", scene.text("agent.log"));
        assert_eq!(agent(&served, id).status, 404);
        let said = events(&served);
        assert!(said.contains(r#""type":"agent_shutdown""#) && said.contains("finished"), "{said}");
    }
    served.end();
}

#[test]
fn a_shell_with_curl_ends_on_term_and_when_its_name_is_taken_over() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &["--ttl", "20s"]);
    let pid_file = scene.path("pid");
    let stays = format!("echo $$ > {}; exec sleep 600", pid_file.display());
    let runs = |curl: &Curl| {
        wait_for("it runs", PATIENCE, || {
            let pid = scene.text("pid").trim().parse::<i32>().map_err(|error| error.to_string())?;
            if alive(pid) { Ok(pid) } else { Err(format!("{} of {}", pid, curl.child.id())) }
        })
    };
    let gone = |pid: i32| {
        wait_for("its command is gone", PATIENCE, || if alive(pid) { Err(String::new()) } else { Ok(()) });
    };
    let mut curl = Curl::start(&scene, &served, "a", false, &["sh", "-c", &stays]);
    let pid = runs(&curl);
    kill(curl.child.id().try_into().unwrap(), 15);
    assert_eq!(curl.code(), Some(143), "{}", scene.text("agent.log"));
    gone(pid);
    assert_eq!(agent(&served, "a").status, 404);

    fs::remove_file(&pid_file).unwrap();
    let mut curl = Curl::start(&scene, &served, "a", false, &["sh", "-c", &stays]);
    let pid = runs(&curl);
    let second = Curl::start(&scene, &served, "a", false, &["sh", "-c", "exit 0"]).code();
    assert_eq!(second, Some(2), "one that lives has the name");
    let taken = served.unix("POST", "/v1/agents/a", None, br#"{"takeover":true}"#);
    assert_eq!(taken.status, 201, "{taken:?}");
    let epoch = taken.json()["epoch"].as_u64();
    assert_eq!(curl.code(), Some(75), "{}", scene.text("agent.log"));
    gone(pid);
    assert_eq!(agent(&served, "a").json()["epoch"].as_u64(), epoch, "its successor is intact");
    served.end();
}

/// A command that ends when the file is there, whatever it is sent, and after two minutes.
fn stubborn(gate: &std::path::Path) -> String {
    let gate = gate.display();
    format!(
        "trap '' TERM; n=0; until [ -e {gate} ] || [ $n -gt 1200 ]; do sleep 0.1; n=$((n + 1)); done; exit 7"
    )
}

/// R108: it beats while its command finishes, and waits for it only so long.
#[test]
fn r108_a_shell_with_curl_that_is_drained_beats_until_its_command_has_ended() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &["--ttl", "8s"]);
    let runs = |id: &str, expected: &str| {
        wait_for("it beats", PATIENCE, || {
            let seen = agent(&served, id);
            let beats = seen.status == 200 && seen.json()["report"]["state"] == expected;
            if beats { Ok(()) } else { Err(format!("{seen:?} {}", scene.text("agent.log"))) }
        });
    };
    let drain = |id: &str| {
        let out = scene.scupper(&["fleet", "drain", id]).output().unwrap();
        assert!(out.status.success(), "{out:?}");
    };
    let gate = scene.path("gate");
    let mut curl = Curl::start(&scene, &served, "waits", false, &["sh", "-c", &stubborn(&gate)]);
    runs("waits", "running");
    drain("waits");
    runs("waits", "leaving");
    fs::write(&gate, "").unwrap();
    assert_eq!(curl.code(), Some(7), "{}", scene.text("agent.log"));
    assert_eq!(agent(&served, "waits").status, 404);

    let never = stubborn(&scene.path("never"));
    let mut script = Curl::script(&scene, &served, "killed", false, &["sh", "-c", &never]);
    script.env("SCUPPER_GRACE", "1");
    let mut curl = Curl::begin(&scene, script);
    runs("killed", "running");
    drain("killed");
    assert_eq!(curl.code(), Some(137), "{}", scene.text("agent.log"));
    assert_eq!(agent(&served, "killed").status, 404);
    assert!(!events(&served).contains("stale_heartbeat"), "both have left by themselves");
    served.end();
}

/// The command works on through an outage, as long as the lease allows, however short that is.
#[test]
fn a_shell_with_curl_ends_its_command_when_its_lease_may_be_over_and_not_before() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &["--ttl", "10s"]);
    // curl itself, whose answers are written down.
    let (tools, answers) = (scene.path("tools"), scene.path("answers"));
    fs::create_dir(&tools).unwrap();
    let tool = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\ncode=$(curl \"$@\")\necho \"$code\" >> {}\nprintf %s \"$code\"\n",
        answers.display()
    );
    fs::write(tools.join("curl"), tool).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tools.join("curl"), executable).unwrap();
    let mut script =
        Curl::script(&scene, &served, "a", false, &["sh", "-c", "echo $$ > pid; exec sleep 600"]);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    script.env("PATH", path).current_dir(scene.dir.path());
    let mut curl = Curl::begin(&scene, script);
    let answered = |code: &str| scene.text("answers").lines().filter(|line| *line == code).count();
    wait_for("it beats", PATIENCE, || match answered("200") {
        0 => Err(scene.text("agent.log")),
        _ => Ok(()),
    });
    let pid: i32 = scene.text("pid").trim().parse().unwrap();
    served.end();
    assert_eq!(curl.code(), Some(75), "{}", scene.text("agent.log"));
    wait_for("its command is gone", PATIENCE, || if alive(pid) { Err(String::new()) } else { Ok(()) });
    assert!(answered("000") > 1, "the first heartbeat that fails ends nothing: {}", scene.text("answers"));
}

/// Requests that are made from the description, sound ones and broken ones: each answer is one that is described, and none
/// is a 5xx.
#[test]
fn heavy_a_tool_that_reads_the_description_finds_no_answer_that_is_not_in_it() {
    let install = Command::new("sh").arg(SCHEMATHESIS).output().unwrap();
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    let program = String::from_utf8(install.stdout).unwrap();
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &[]);
    let token = fs::read_to_string(scene.path("state/scupper/token")).unwrap();
    let out = Command::new(program.trim())
        .current_dir(scene.dir.path())
        .args(["run", &format!("http://127.0.0.1:{}/v1/openapi.json", served.port)])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--generation-deterministic"])
        // A stream has no end, and 1.0 is an integer for JSON Schema alone.
        .args(["--exclude-operation-id", "events", "--exclude-checks", "positive_data_acceptance"])
        .args(["--request-timeout", "30", "--continue-on-failure", "--no-color", "--warnings", "off"])
        // A busy machine makes them slowly: that is no finding.
        .args(["--suppress-health-check", "all"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).replace(token.trim(), "TOKEN");
    assert!(out.status.success(), "{said}\n{}", served.log());
    let made = said.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse::<u32>().ok());
    assert!(made > Some(200), "{said}");
    assert_eq!(served.tcp("GET", "/healthz", None, b"").status, 200);
    served.end();
}
