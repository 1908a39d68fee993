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
