//! More than one server, or one that wants TLS: each kind of address on the real thing.

use std::path::Path;
use std::process::{Command, Stdio};

use scupper_fleet::{Phase, RedisStore, Store};

use crate::fixture::{Cluster, Redis, store, until};
use crate::redis_server::{Port, RedisServer};
use crate::suite::Promise;
use crate::suite::scene::Scene;

fn openssl(dir: &Path, arguments: &[&str]) {
    let done = Command::new("openssl")
        .current_dir(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(done.success(), "{arguments:?}");
}

/// An authority, and a certificate of `localhost` that serves as the client's too.
fn certificates(dir: &Path) {
    let config = "[req]\ndistinguished_name=n\n[n]\n[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\nbasicConstraints=CA:FALSE\n\
                  subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    std::fs::write(dir.join("c.cnf"), config).unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "c.cnf"];
    for (authority, file) in [("ca", "ca"), ("ca", "other")] {
        let out = [format!("{file}.key"), format!("{file}.pem")];
        let mut new =
            vec!["req", "-x509", "-subj", "/CN=test authority", "-extensions", authority, "-days", "2"];
        new.extend(key);
        new.extend(["-keyout", &out[0], "-out", &out[1]]);
        openssl(dir, &new);
    }
    let mut request = vec!["req", "-subj", "/CN=localhost"];
    request.extend(key);
    request.extend(["-keyout", "leaf.key", "-out", "leaf.csr"]);
    openssl(dir, &request);
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "c.cnf",
            "-extensions",
            "leaf",
            "-out",
            "leaf.pem",
        ],
    );
}

#[test]
fn tls_shows_who_is_who_to_both() {
    let port = Port::take();
    let server = RedisServer::start_in(|dir| {
        certificates(dir);
        let at = |name: &str| dir.join(name).display().to_string();
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", at("leaf.pem")),
            ("--tls-key-file", at("leaf.key")),
            ("--tls-ca-cert-file", at("ca.pem")),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    });
    let at = |name: &str| server.dir().join(name).display().to_string();
    let ours = format!("cert={}&key={}", at("leaf.pem"), at("leaf.key"));
    let whole = format!("rediss://localhost:{port}?ca={}&{ours}", at("ca.pem"));
    let good = store(&whole);
    good.check().unwrap();
    assert_eq!(good.status().unwrap().members, 0);
    for (what, url) in [
        (
            "an authority that we do not know",
            format!("rediss://localhost:{port}?ca={}&{ours}", at("other.pem")),
        ),
        ("no certificate of ours", format!("rediss://localhost:{port}?ca={}", at("ca.pem"))),
        ("no TLS", format!("redis://localhost:{port}")),
    ] {
        let error = store(&url).check().expect_err(what);
        assert!(error.to_string().contains(&port.to_string()), "{what}: {error}");
    }
    let error = scupper_fleet::RedisStore::open(&crate::fixture::address("rediss://h?ca=/nowhere/ca.pem"));
    let said = error.err().expect("no such file").to_string();
    assert!(said.contains("/nowhere/ca.pem cannot be read"), "{said}");
}

/// The primary dies, the Sentinel names the replica, and everybody goes on there: after a grace, since the replica may not have
/// heard the last beats.
#[test]
fn heavy_sentinels_name_the_new_primary() {
    let ports = [Port::take(), Port::take(), Port::take()];
    let [first, second, third] = ports.each_ref().map(Port::to_string);
    let local = ["--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"];
    let mut primary = RedisServer::start_with(&[&local[..], &["--port", &first]].concat());
    let replica = RedisServer::start_with(
        &[&local[..], &["--port", &second, "--replicaof", "127.0.0.1", &first]].concat(),
    );
    let in_step = || primary.ask(&["INFO", "replication"]).contains("state=online").then_some(());
    until("the replica", in_step);
    let sentinel = RedisServer::start_in(|dir| {
        let file = dir.join("sentinel.conf");
        let watch = format!(
            "port {third}\nbind 127.0.0.1\nsentinel monitor fleet 127.0.0.1 {first} 1\n\
             sentinel down-after-milliseconds fleet 400\nsentinel failover-timeout fleet 2000\n"
        );
        std::fs::write(&file, watch).unwrap();
        vec![file.display().to_string(), "--sentinel".to_owned(), "--port".to_owned(), third.clone()]
    });
    let knows = || sentinel.ask(&["SENTINEL", "replicas", "fleet"]).contains(&second).then_some(());
    until("the Sentinel's knowledge of the replica", knows);
    let url = format!("redis+sentinel://127.0.0.1:{third}/fleet");
    let error = store(&format!("redis+sentinel://127.0.0.1:{third}/another")).check();
    assert!(error.is_err_and(|error| error.is_outage()), "a master that nobody knows");
    let fleet = store(&url);
    fleet.check().unwrap();
    let who = register(&fleet, "coder-1");
    let sweep = scupper_fleet::Sweep {
        coordinator: "a".parse().unwrap(),
        host: "host-1".parse().unwrap(),
        timing: scupper_fleet::Timing::DEFAULT,
        dry: false,
        asked: false,
        only: Vec::new(),
    };
    let swept = fleet.sweep(&sweep).unwrap();
    assert!(matches!(swept.phase, Phase::Grace { .. }));
    // Replication is asynchronous: the replica is to know of the registration and of the sweep after it.
    let knows = || (replica.ask(&["HEXISTS", "scupper:{0}:meta", "last"]) == ":1").then_some(());
    until("what was replicated", knows);
    primary.kill();
    let beat = [scupper_fleet::Beat { who, report: None }];
    let answers =
        until("an answer of the new primary", || scupper_fleet::Members::beat(&fleet, &beat).ok()).answers;
    assert_eq!(answers, [scupper_fleet::Answer::Accepted { directive: None }]);
    assert!(replica.ask(&["ROLE"]).starts_with("master"));
    let events = fleet.events(None, 100).unwrap();
    fleet.sweep(&sweep).unwrap();
    let said = fleet.events(events.last().map(|(id, _)| id), 100).unwrap();
    let is_grace = |what: &scupper_fleet::Happened| matches!(what, scupper_fleet::Happened::GraceStarted { why, .. } if why.contains("restarted"));
    assert!(said.iter().any(|(_, event)| is_grace(&event.what)), "{said:?}");
}

fn register(store: &dyn Store, name: &str) -> scupper_fleet::Incarnation {
    let registration = scupper_fleet::Registration {
        id: name.parse().unwrap(),
        nonce: "n-1".parse().unwrap(),
        ttl: scupper_fleet::Timing::DEFAULT.ttl,
        takeover: false,
        earlier: None,
        coordinator: None,
        process: scupper_fleet::Process { host: "host-1".parse().unwrap(), identity: None },
        secret: None,
    };
    match store.register(&registration).unwrap() {
        scupper_fleet::Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
        other => panic!("{other:?}"),
    }
}

/// One promise of each script, on a cluster of three, one after the other: a cluster takes too long to come up for each.
const OF_EACH_SCRIPT: [&str; 14] = [
    "a_member_beats_and_is_seen",
    "a_takeover_fences_and_inherits",
    "a_zombie_writes_nothing",
    "who_leaves_leaves_nothing",
    "an_agent_is_asked_to_do_something",
    "many_beats_are_answered_in_their_order",
    "events_follow_each_other",
    "a_claim_says_what_is_known",
    "a_dry_sweep_changes_nothing",
    "a_lost_coordinator_is_told_once",
    "agents_are_adopted",
    "one_coordinator_has_the_turn",
    "r114_an_objection_gives_everything_back",
    "r115_a_process_elsewhere_is_delegated_once",
];

fn of_each_script() -> Vec<&'static (&'static str, Promise)> {
    let promises: &[(&str, Promise)] = promises!(list_promises);
    let of_each: Vec<_> = promises.iter().filter(|(name, _)| OF_EACH_SCRIPT.contains(name)).collect();
    assert_eq!(of_each.len(), OF_EACH_SCRIPT.len(), "one of them has another name by now");
    of_each
}

/// The form of the scripts that a server before Redis 7 is sent, on the one that is here.
#[test]
fn scripts_without_flags_keep_the_same() {
    for (name, promise) in of_each_script() {
        println!("{name}");
        promise(&Redis::of("", RedisStore::as_before_redis_7));
    }
}

#[test]
fn heavy_a_cluster_keeps_what_one_server_does() {
    let cluster = Cluster::start();
    for (name, promise) in of_each_script() {
        println!("{name}");
        promise(&cluster.fresh());
    }
    // Everything is at the node of one slot, and nothing at the keys of the seed.
    let scene = Scene::unswept(&cluster);
    scene.store.check().unwrap();
    let keys: Vec<String> = cluster.servers().iter().map(|server| server.ask(&["KEYS", "agent*"])).collect();
    assert!(keys.iter().all(String::is_empty), "{keys:?}");
    // A node by itself is none of a registry's.
    let said = store(&cluster.servers()[0].url()).check().expect_err("a node").to_string();
    assert!(said.contains("redis+cluster://"), "{said}");
}
