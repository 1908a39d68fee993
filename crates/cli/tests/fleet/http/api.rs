//! Sockets, tokens, and what happens when a coordinator or its registry ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::redis_server::RedisServer;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn refused(scene: &Scene, flags: &[&str]) -> String {
    let Output { status, stdout, stderr } = serve(scene, "embedded", flags).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{flags:?}: {said}");
    assert!(said.starts_with("error: "), "{said}");
    said
}

/// Every file below a directory, as bytes.
fn everything(directory: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            everything(&entry.path(), into);
        } else if kind.is_file() {
            into.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}

#[test]
fn the_socket_and_the_token_are_their_owners_alone_and_no_secret_is_written_anywhere_else() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &[]);
    let file = scene.path("state/scupper/token");
    assert_eq!((mode(&served.socket), mode(&file)), (0o600, 0o600));
    assert_eq!(mode(served.socket.parent().unwrap()), 0o700);
    let host = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(host.len(), 64);
    assert!(served.log().contains(&file.display().to_string()), "where it is, is said: {}", served.log());

    // Both kinds of token, in everything that is asked and refused.
    let (epoch, own) = served.join("a");
    let beat = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    let state = format!("/v1/agents/a/items/state?epoch={epoch}");
    for (method, path) in
        [("POST", beat.as_str()), ("PUT", state.as_str()), ("GET", "/v1/status"), ("GET", "/x")]
    {
        for token in [&host, &own] {
            let got = served.tcp(method, path, Some(token), b"{}");
            assert!(!holds(&got.body, token) && !got.head.contains(token.as_str()), "{method} {path}");
        }
    }
    assert_eq!(served.tcp("POST", &beat, Some(&host), b"").code(), (403, "forbidden".to_owned()));
    assert_eq!(served.tcp("POST", &format!("/v1/agents/{own}"), Some(&host), own.as_bytes()).status, 400);
    assert_eq!(served.unix("GET", "/v1/agents/a", None, b"").status, 200);
    served.end();
    let mut files = Vec::new();
    everything(scene.dir.path(), &mut files);
    assert!(files.iter().any(|(path, _)| path.ends_with("serve.log")));
    for (path, bytes) in files {
        assert!(!holds(&bytes, &own), "{} holds an agent's token", path.display());
        assert!(path == file || !holds(&bytes, &host), "{} holds the host's token", path.display());
    }
}

#[test]
fn what_can_be_reached_from_elsewhere_and_what_others_can_read_is_refused_in_one_line() {
    let scene = Scene::new();
    for elsewhere in ["0.0.0.0:0", "[::]:0"] {
        let said = refused(&scene, &["--listen", elsewhere]);
        assert!(said.contains("--listen-anywhere"), "{said}");
    }
    let file = scene.path("token");
    let secret = "s".repeat(64);
    fs::write(&file, &secret).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let given = file.display().to_string();
    let said = refused(&scene, &["--token-file", &given]);
    assert!(said.contains("chmod 600") && !said.contains(&secret), "{said}");
    fs::write(&file, "too short").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let said = refused(&scene, &["--token-file", &given]);
    assert!(said.contains("holds no token") && !said.contains("too short"), "{said}");
    // A file that is no socket is left alone.
    let said = refused(&scene, &["--socket", &given]);
    assert!(said.contains("no socket"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "too short");
    // One that answers is not replaced.
    let served = Served::start(&scene, "embedded", &[]);
    let socket = served.socket.display().to_string();
    let other = format!("embedded:{}", scene.path("other").display());
    let Output { status, stderr, .. } = serve(&scene, &other, &["--socket", &socket]).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("another program answers"), "{said}");
    assert_eq!(served.unix("GET", "/healthz", None, b"").status, 200);
    served.end();
}

#[test]
fn a_coordinator_that_was_killed_starts_again_on_its_socket_and_its_agents_go_on() {
    let redis = RedisServer::start();
    for registry in ["embedded".to_owned(), redis.url()] {
        let scene = Scene::new();
        let served = Served::start(&scene, &registry, &[]);
        let (epoch, own) = served.join("agent-1");
        let (_, others) = served.join("agent-10");
        served.kill();
        let served = Served::start(&scene, &registry, &[]);
        let beat = format!("/v1/agents/agent-1/heartbeat?epoch={epoch}");
        let task = format!("/v1/agents/agent-1/items/task/t?epoch={epoch}");
        let agent = format!("/v1/agents/agent-1?epoch={epoch}");
        let host = fs::read_to_string(scene.path("state/scupper/token")).unwrap();
        for token in [others.as_str(), host.trim(), &"x".repeat(64)] {
            for (method, path) in [("POST", &beat), ("PUT", &task), ("DELETE", &agent)] {
                let got = served.tcp(method, path, Some(token), b"{}");
                assert_eq!(got.code(), (403, "forbidden".to_owned()), "{registry} {method} {path}");
            }
        }
        assert_eq!(served.tcp("POST", &beat, Some(&own), br#"{"state":"busy"}"#).status, 200, "{registry}");
        assert_eq!(served.unix("PUT", &task, Some(&own), b"\xff\0binary").status, 200);
        assert_eq!(
            served.tcp("GET", "/v1/agents/agent-1/items/task/t", Some(&own), b"").body,
            b"\xff\0binary"
        );
        let seen = served.unix("GET", "/v1/agents/agent-1", None, b"").json();
        assert_eq!(
            (&seen["standing"], &seen["report"]["state"]),
            (&"active".into(), &"busy".into()),
            "{seen}"
        );
        assert!(!seen.to_string().contains("secret"));
        let left = served.tcp("DELETE", &agent, Some(&own), b"");
        assert!(left.status == 200 && left.json()["deleted"].as_u64() > Some(0), "{left:?}");
        assert_eq!(served.tcp("POST", &beat, Some(&own), b"").code(), (409, "fenced".to_owned()));
        assert_eq!(served.unix("GET", "/v1/agents/agent-1", None, b"").status, 404);
        assert_eq!(served.unix("GET", "/v1/agents/agent-10", None, b"").status, 200, "no prefix of it");
        served.end();
    }
}

#[test]
fn a_registry_that_is_away_fences_nobody() {
    let mut redis = RedisServer::start();
    let scene = Scene::new();
    let served = Served::start(&scene, &redis.url(), &[]);
    let (epoch, own) = served.join("a");
    let beat = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    assert_eq!(served.tcp("POST", &beat, Some(&own), b"").status, 200);
    redis.save();
    redis.kill();
    for (method, path, token) in [
        ("POST", beat.as_str(), Some(own.as_str())),
        ("POST", "/v1/agents/b", None),
        ("GET", "/v1/agents", None),
        ("GET", "/v1/status", None),
    ] {
        let got = served.unix(method, path, token, b"");
        assert_eq!(got.code(), (503, "registry_away".to_owned()), "{method} {path}: {got:?}");
        assert!(got.head.contains("\nretry-after: "), "{}", got.head);
    }
    // This process is well, and says so: nobody should start it again.
    assert_eq!(served.tcp("GET", "/healthz", None, b"").status, 200);
    redis.restart();
    wait_for("its heartbeats are taken again", PATIENCE, || {
        let got = served.tcp("POST", &beat, Some(&own), b"");
        assert!(matches!(got.status, 200 | 503), "{got:?}");
        if got.status == 200 { Ok(()) } else { Err(format!("{got:?}")) }
    });
    served.end();
}

/// So many connections that say nothing that no other gets a place: those of the socket have their own, the registry its
/// descriptors, and the silent ones are let go of.
#[test]
fn waits_connections_that_say_nothing_take_no_descriptor_from_anybody_else() {
    let scene = Scene::new();
    let served = serve(&scene, "embedded", &[]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 160; exec \"$@\"", "sh"])
        .arg(served.get_program())
        .args(served.get_args());
    scene.dress(&mut limited);
    limited.env_remove("SCUPPER_TOKEN");
    let served = Served::begin(&scene, limited);
    let silent: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(("127.0.0.1", served.port)).unwrap()).collect();
    let (epoch, own) = served.join("a");
    let state = format!("/v1/agents/a/items/state?epoch={epoch}");
    assert_eq!(served.unix("PUT", &state, Some(&own), b"written").status, 200);
    assert_eq!(served.unix("GET", "/v1/status", None, b"").json()["members"], 1);
    let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).unwrap().count();
    assert!(open < 80, "{open}");
    assert_eq!(served.tcp("GET", "/healthz", None, b"").status, 200);
    drop(silent);
    served.end();
}

/// A coordinator that says no is no outage: it is told at once, and nothing is started.
#[test]
fn an_agent_whose_token_is_refused_or_none_is_told_so_and_does_not_start() {
    let scene = Scene::new();
    let served = Served::start(&scene, "embedded", &[]);
    let url = format!("http://127.0.0.1:{}", served.port);
    let other = scene.path("other").display().to_string();
    let run = |token: Option<&str>| {
        let args = ["run", "--agent", "a", "--registry", &url, "--state", &other];
        let mut command = scene.scupper(&[&args[..], &["--", "sh", "-c", "echo it runs"]].concat());
        command.env_remove("SCUPPER_TOKEN");
        command.envs(token.map(|token| ("SCUPPER_TOKEN", token)));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert!(!token.is_some_and(|token| said.contains(token)), "{said}");
        (status.code(), String::from_utf8(stdout).unwrap(), said)
    };
    let strange = "x".repeat(64);
    for token in [None, Some(strange.as_str())] {
        let (code, out, said) = run(token);
        assert_eq!((code, out.as_str()), (Some(125), ""), "{said}");
        assert!(said.contains("the agent a is not let in") && said.contains("SCUPPER_TOKEN"), "{said}");
        assert!(!said.contains("registry_lost"), "{said}");
    }
    let (code, out, said) = run(Some("s3cret"));
    assert_eq!((code, out.as_str()), (Some(2), ""), "{said}");
    assert!(said.starts_with("error: SCUPPER_TOKEN holds no token"), "{said}");
    let token = fs::read_to_string(scene.path("state/scupper/token")).unwrap();
    let (code, out, said) = run(Some(token.trim()));
    assert_eq!((code, out.as_str()), (Some(0), "it runs\n"), "{said}");
    served.end();
}
