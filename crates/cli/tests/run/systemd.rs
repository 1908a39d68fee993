//! R119: scupper between a service manager and its service, and as the first process of a container.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, children, kill, wait_for};

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").join(name).to_str().unwrap().to_owned()
}

fn json(scene: &Scene, name: &str) -> Value {
    serde_json::from_str(&scene.text(name)).unwrap_or_default()
}

/// `manager.py` with a service below scupper.
fn managed(scene: &Scene, address: &str) -> Running {
    let mut manager = Command::new("python3");
    let told = scene.path("told").to_str().unwrap().to_owned();
    manager.args([&script("manager.py"), address, &told, SCUPPER, "run", "--name", &scene.unit]);
    manager.args(["--", "python3", &script("service.py")]).arg(scene.path("handed"));
    scene.dress(&mut manager);
    manager.stderr(std::fs::File::create(scene.path("stderr")).unwrap());
    let running = Running { child: manager.spawn().unwrap() };
    wait_for("the service runs", PATIENCE, || {
        if json(scene, "handed").is_object() { Ok(()) } else { Err(scene.text("stderr")) }
    });
    running
}

fn hex(text: &[u8]) -> Value {
    text.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

fn notifies(scene: &Scene, address: &str) {
    let running = managed(scene, address);
    let said = |count: usize| {
        wait_for("the manager heard it", PATIENCE, || {
            let told = json(scene, "told");
            let heard = told["datagrams"].as_array().map_or(0, Vec::len);
            if heard >= count { Ok(told) } else { Err(told.to_string()) }
        })
    };
    let told = said(5);
    let handed = json(scene, "handed");
    let ready = format!("READY=1\nSTATUS=warm, 3 workers\nMAINPID={}", handed["pid"]);
    let expected: Vec<Value> =
        [ready.as_bytes(), b"WATCHDOG=1", b"WATCHDOG=1", b"SIGNS=\xff\x01\x00\nX-OWN=1\n", b"STATUS=serving"]
            .map(hex)
            .to_vec();
    assert_eq!(told["datagrams"], Value::from(expected), "unchanged, and in order");
    // systemd listens to its main process alone.
    assert_eq!(told["senders"], Value::from(vec![told["started"].clone()]));
    let status = &scene.status()["units"][0]["status"];
    assert_eq!((&status["ready"], &status["status_text"]), (&true.into(), &"serving".into()));
    running.signal(15);
    assert!(running.wait().success());
    let told = said(6);
    assert_eq!(told["datagrams"][5], hex(b"STOPPING=1"));
    assert_eq!(told["code"], 9);
    assert_eq!(scene.text("stderr").matches("event=").count(), 1, "{}", scene.text("stderr"));
    scene.expect_nothing_left();
}

#[test]
fn r119_a_service_is_heard_by_its_manager() {
    let scene = Scene::new();
    let address = scene.path("notify").to_str().unwrap().to_owned();
    notifies(&scene, &address);
}

#[test]
fn r119_a_service_is_heard_at_an_abstract_address() {
    let scene = Scene::new();
    notifies(&scene, &format!("@scupper-test-{}", scene.unit));
}

#[test]
fn r119_sockets_and_watchdog_are_handed_to_the_command() {
    let scene = Scene::new();
    let running = managed(&scene, "-");
    let (handed, told) = (json(&scene, "handed"), json(&scene, "told"));
    let pid = Value::from(handed["pid"].to_string());
    assert_eq!((&handed["LISTEN_PID"], &handed["WATCHDOG_PID"]), (&pid, &pid));
    assert_ne!(handed["pid"], told["started"]);
    assert_eq!((&handed["LISTEN_FDS"], &handed["LISTEN_FDNAMES"]), (&"2".into(), &"web:admin".into()));
    assert_eq!(handed["WATCHDOG_USEC"], "30000000");
    assert_eq!(handed["NOTIFY_SOCKET"], Value::Null);
    assert_eq!(handed["sockets"]["3"], serde_json::json!([told["web"], 1]));
    assert_eq!(handed["sockets"]["4"], serde_json::json!([told["admin"], 1]));
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
}

/// Meant for somebody else, they stay as they are.
#[test]
fn r119_what_names_another_process_is_left_as_it_is() {
    let scene = Scene::new();
    let mut scupper =
        scene.scupper(&["run", "--", "sh", "-c", "echo $LISTEN_PID $WATCHDOG_PID ${NOTIFY_SOCKET-none}"]);
    let out = scupper.env("LISTEN_PID", "77").env("WATCHDOG_PID", "1").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "77 1 none\n");
}

/// A manager that has gone, or an address that is none, stops nobody.
#[test]
fn r119_an_address_where_nobody_listens_stops_nobody() {
    let long = format!("/tmp/{}", "x".repeat(200));
    for address in ["/no/such/socket", "@", "", "nonsense", long.as_str()] {
        let scene = Scene::new();
        let mut service = scene.scupper(&["run", "--name", &scene.unit, "--", "sh", "-c", "exit 4"]);
        assert_eq!(service.env("NOTIFY_SOCKET", address).status().unwrap().code(), Some(4), "{address}");
    }
}

fn orphans_are_adopted(scene: &Scene, running: &Running, adopter: i32) {
    let found = wait_for("the orphans were waited for", PATIENCE, || {
        let found = json(scene, "orphans");
        if found.is_object() { Ok(found) } else { Err(scene.text("stderr")) }
    });
    assert_eq!(found, serde_json::json!({ "orphans": 20, "adopters": [adopter], "zombies": 0 }));
    let status = scene.status();
    let counts = &status["units"][0]["status"]["counts"];
    assert_eq!(counts["zombies_reaped"], 20, "{status}");
    assert!(alive(running.pid()));
}

#[test]
fn r119_orphans_leave_no_zombies() {
    for cgroup in ["auto", "off"] {
        let scene = Scene::new();
        let orphans = scene.path("orphans").to_str().unwrap().to_owned();
        let flags = ["--cgroup", cgroup, "--grace", "1s"];
        let running = scene.run(&flags, &["python3", &script("orphans.py"), &orphans, "20", "stay"]);
        orphans_are_adopted(&scene, &running, running.engine());
        running.signal(15);
        assert_eq!(running.wait().code(), Some(143));
        scene.expect_nothing_left();
    }
}

/// Scupper as the first process of a pid namespace, as in a container.
fn as_first_process(scene: &Scene, command: &[&str]) -> (Running, i32) {
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", SCUPPER, "run", "--name", &scene.unit]);
    unshare.args(["--grace", "1s", "--log-format", "json", "--"]).args(command);
    scene.dress(&mut unshare);
    unshare.stderr(std::fs::File::create(scene.path("stderr")).unwrap());
    let running = Running { child: unshare.spawn().unwrap() };
    let first = wait_for("there is a first process", PATIENCE, || {
        children(running.pid()).first().copied().ok_or_else(|| scene.text("stderr"))
    });
    (running, first)
}

#[test]
fn r119_as_pid_1_orphans_leave_no_zombies() {
    let scene = Scene::new();
    let orphans = scene.path("orphans").to_str().unwrap().to_owned();
    let (running, first) =
        as_first_process(&scene, &["python3", &script("orphans.py"), &orphans, "20", "stay"]);
    // The guardian is process 1, the engine the next.
    orphans_are_adopted(&scene, &running, 2);

    // `docker exec`: a process that joins from outside. Its orphans come to process 1.
    let joined = scene.path("joined").to_str().unwrap().to_owned();
    let mut exec = Command::new("nsenter");
    exec.args(["--pid", "--mount", "--target", &first.to_string()]);
    exec.args(["python3", &script("orphans.py"), &joined, "5"]);
    scene.dress(&mut exec);
    assert!(exec.status().unwrap().success());
    let found = json(&scene, "joined");
    assert_eq!(found, serde_json::json!({ "orphans": 5, "adopters": [1], "zombies": 0 }));

    kill(first, 15);
    assert_eq!(running.wait().code(), Some(143), "{}", scene.text("stderr"));
    scene.expect_nothing_left();
}

#[test]
fn r119_as_pid_1_term_ends_all() {
    for then in ["wait", "deaf"] {
        let scene = Scene::new();
        let tree = scene.tree(then);
        let tree: Vec<&str> = tree.iter().map(String::as_str).collect();
        let (running, first) = as_first_process(&scene, &tree);
        scene.wait_for_kids();
        assert_eq!(scene.marked().len(), 5, "{:?}", scene.marked());
        kill(first, 15);
        assert_eq!(running.wait().code(), Some(if then == "deaf" { 137 } else { 143 }));
        wait_for("nothing is left", PATIENCE, || {
            let left = scene.marked();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
}
