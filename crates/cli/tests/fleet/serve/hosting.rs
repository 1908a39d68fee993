//! The program around it: how it begins, what it refuses, how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Output;

use super::{Fleet, LONG, SHORT};
use crate::scene::{PATIENCE, Scene, wait_for};

fn refused(scene: &Scene, args: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        scene.scupper(&[&["serve", "--no-listen", "--no-socket"], args].concat()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{args:?}: {said}");
    assert!(said.starts_with("error: "), "{said}");
    said
}

#[test]
fn a_registry_that_is_none_or_cannot_be_reached_is_refused_without_its_password() {
    let scene = Scene::new();
    for bad in ["redis://u:geheim@", "nonsense", "redis://u:geheim@h:port/", "http://127.0.0.1:9465"] {
        let said = refused(&scene, &["--registry", bad]);
        assert!(!said.contains("geheim") && said.lines().count() <= 2, "{bad}: {said}");
    }
    let nobody = scene.path("nobody.sock");
    let url = format!("redis+unix://{}?user=u&password=geheim", nobody.display());
    let said = refused(&scene, &["--registry", &url]);
    assert!(said.contains("does not answer") && !said.contains("geheim"), "{said}");
    for bad in [["--ttl", "10ms"], ["--tick", "1h"], ["--on-coordinator-lost", "kill"], ["--id", "a b"]] {
        refused(&scene, &bad);
    }
}

/// No server, no address: files in the state directory.
#[test]
fn where_no_registry_is_named_it_is_the_one_of_this_user() {
    let scene = Scene::new();
    let out = scene.scupper(&["serve", "--once", "--ttl", "2s"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&said["phase"], &said["healthyAgents"]), (&"open".into(), &0.into()));
    assert!(scene.path("state/scupper").read_dir().unwrap().count() > 0);

    // As a script says it that has none.
    let mut unset = scene.scupper(&["serve", "--once", "--ttl", "2s"]);
    let out = unset.env("SCUPPER_REGISTRY", "").output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));

    // Another state directory is another registry: both have a coordinator on this host.
    let other = scene.path("other");
    let log = scene.path("serve.log");
    let mut command = scene.scupper(&["serve", "--no-listen", "--no-socket", "--log-format", "json"]);
    command.args(["--state".as_ref(), other.as_os_str()]).stderr(std::fs::File::create(&log).unwrap());
    let serve = super::Serve { child: command.spawn().unwrap(), log: log.display().to_string() };
    serve.wait_for("coordinator_started");
    let out = scene.scupper(&["serve", "--once", "--ttl", "2s"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let scene = Scene::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let out = scene.scupper(&["serve", "--no-socket", "--listen", &listen]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&listen) && said.contains("--listen 127.0.0.1:0") && said.contains("--no-listen"),
        "{said}"
    );
}

/// With a policy that evicts, Redis forgets members by itself.
#[test]
fn a_redis_that_forgets_by_itself_is_refused_with_the_reason() {
    let mut fleet = Fleet::new();
    for (name, value) in [("maxmemory", "100mb"), ("maxmemory-policy", "volatile-ttl")] {
        assert_eq!(fleet.redis().ask(&["CONFIG", "SET", name, value]), "+OK");
    }
    let said = refused(&fleet.scene, &["--registry", &fleet.url]);
    assert!(said.contains("noeviction"), "{said}");
}

#[test]
fn r094_once_sweeps_once_and_prints_what_came_of_it() {
    let fleet = Fleet::new();
    fleet.register("living", LONG);
    fleet.register("dead", SHORT);
    let out =
        fleet.scene.scupper(&["serve", "--once", "--registry", &fleet.url, "--ttl", "2s"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(said["schema"], "scupper.sweep/1");
    let counts = ["orphansDetected", "orphansCleaned", "healthyAgents"].map(|name| said[name].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(1)], "{said}");
    assert_eq!(said["orphans"][0]["agentId"], "dead");
    assert_eq!(said["orphans"][0]["reason"], "stale_heartbeat");
    assert!(fleet.store.status().unwrap().coordinators.is_empty(), "it is no coordinator that was lost");
}

#[test]
fn it_is_ready_when_it_sweeps_and_gives_its_lease_back_at_the_end() {
    let fleet = Fleet::new();
    let path = fleet.scene.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let args = [
        "serve",
        "--registry",
        &fleet.url,
        "--listen",
        "127.0.0.1:0",
        "--host",
        "here",
        "--log-format",
        "json",
    ];
    let mut command = fleet.scene.scupper(&args);
    command.env("NOTIFY_SOCKET", &path);
    let log = fleet.scene.path("here.log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let serve = super::Serve { child: command.spawn().unwrap(), log: log.display().to_string() };
    let heard = || {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    assert_eq!(heard(), "READY=1");

    let api = serve.wait_for("api_served")["message"].as_str().unwrap().to_owned();
    let address = api.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // R114: one manager for a host.
    let second = refused(&fleet.scene, &["--registry", &fleet.url, "--host", "here"]);
    assert!(second.contains("coordinates the host here"), "{second}");

    wait_for("it has a lease", PATIENCE, || {
        let coordinators = fleet.store.status().unwrap().coordinators;
        if coordinators.len() == 1 { Ok(()) } else { Err(format!("{coordinators:?}")) }
    });
    assert!(serve.end().success());
    assert_eq!(heard(), "STOPPING=1");
    assert!(fleet.store.status().unwrap().coordinators.is_empty());
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("coordinator_stopped"), "{told}");
    let kept = fleet.scene.scupper(&["events", "serve", "--json"]).output().unwrap();
    let kept = String::from_utf8(kept.stdout).unwrap();
    assert!(kept.contains("coordinator_started") && kept.contains("coordinator_stopped"), "{kept}");
}
