//! Against servers that are none of ours: what is lost, cut, endless, or nonsense. That the two sides of ours understand
//! each other is shown where the server is (`scupper serve`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::words::{HostId, Process};

/// A server that takes one connection after the other, gives each request to `reply`, and writes what that says.
struct Server {
    port: u16,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    /// For so many connections.
    fn new(connections: usize, mut reply: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().unwrap();
                while let Some(request) = request(&stream) {
                    let answer = reply(&request);
                    seen.push(request);
                    let closes = answer.is_empty();
                    if (&stream).write_all(&answer).is_err() || closes {
                        break;
                    }
                }
            }
            seen
        });
        Self { port, thread: Some(thread) }
    }

    fn remote(&self) -> Remote {
        let token = "h".repeat(64).parse().unwrap();
        Remote::tcp("127.0.0.1", self.port, Some(token)).within(Duration::from_secs(20))
    }

    fn seen(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap()
    }
}

fn request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

fn says(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn member() -> Vec<u8> {
    member_called("a")
}

fn member_called(id: &str) -> Vec<u8> {
    let token = "a".repeat(64);
    let now = r#""now":"2026-11-22T00:00:00.000Z""#;
    says(
        201,
        &format!(
            r#"{{"id":"{id}","epoch":7,"token":"{token}",{now},"ttl_ms":1,"interval_ms":1,"resumed":false,"later":[]}}"#
        ),
    )
}

fn registration() -> Registration {
    Registration {
        id: "a".parse().unwrap(),
        nonce: "0123456789abcdef".parse().unwrap(),
        ttl: Duration::from_secs(2),
        takeover: false,
        earlier: None,
        coordinator: None,
        process: Process { host: "h".parse::<HostId>().unwrap(), identity: None },
        secret: None,
    }
}

fn who() -> Incarnation {
    Incarnation { id: "a".parse().unwrap(), epoch: Epoch(7) }
}

#[test]
fn a_call_that_an_old_connection_lost_is_made_again_on_a_new_one() {
    let mut requests = 0;
    let server = Server::new(2, move |_| {
        requests += 1;
        // The first connection takes a registration, and closes at the beat.
        match requests {
            1 => member(),
            2 => Vec::new(),
            _ => says(200, r#"{"now":"2026-11-22T00:00:01.000Z","directive":"drain"}"#),
        }
    });
    let remote = server.remote();
    let accepted = remote.register(&registration()).unwrap();
    assert!(matches!(accepted, Registered::Accepted { epoch: Epoch(7), .. }));
    let beaten = remote.beat(&[Beat { who: who(), report: None }]).unwrap();
    let directive = Some(crate::Directive::Drain);
    assert_eq!(beaten.answers, [Answer::Accepted { directive }]);
    drop(remote);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    // The host's token for the registration, the agent's for what follows.
    let bearer = |letter: &str| format!("authorization: Bearer {}\r\n", letter.repeat(64));
    assert!(
        seen[0].starts_with("POST /v1/agents/a HTTP/1.1\r\n") && seen[0].contains(&bearer("h")),
        "{seen:?}"
    );
    assert!(seen[2].starts_with("POST /v1/agents/a/heartbeat?epoch=7 ") && seen[2].contains(&bearer("a")));
}

#[test]
fn only_a_clear_word_fences() {
    let replies: [(u16, &str); 8] = [
        (409, r#"{"code":"fenced","error":"e","advice":"a","epoch":9}"#),
        (409, r#"{"code":"other","error":"e","advice":"a"}"#),
        (409, "<html>conflict</html>"),
        (403, r#"{"code":"fenced","error":"e","advice":"a"}"#),
        (404, "not found"),
        (503, r#"{"code":"registry_away","error":"e","advice":"a"}"#),
        (429, ""),
        (200, "{"),
    ];
    for (at, (status, body)) in replies.into_iter().enumerate() {
        let mut first = true;
        let server =
            Server::new(1, move |_| if std::mem::take(&mut first) { member() } else { says(status, body) });
        let remote = server.remote();
        remote.register(&registration()).unwrap();
        let beaten = remote.beat(&[Beat { who: who(), report: None }]);
        match at {
            0 => assert_eq!(beaten.unwrap().answers, [Answer::Fenced { by: Some(Epoch(9)) }]),
            5 | 6 => assert!(beaten.unwrap_err().is_outage(), "{status} {body}"),
            _ => assert!(!beaten.unwrap_err().is_outage(), "{status} {body}"),
        }
        drop(remote);
        server.seen();
    }
}

#[test]
fn whoever_was_fenced_hears_it_though_a_later_heartbeat_of_the_same_call_failed() {
    let server = Server::new(1, |request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path.split('/').nth(3).unwrap_or_default() {
            id if !path.contains("heartbeat") => member_called(id),
            "a" => says(409, r#"{"code":"fenced","error":"e","advice":"a","epoch":9}"#),
            "b" => says(503, r#"{"code":"registry_away","error":"e","advice":"a"}"#),
            _ => says(200, r#"{"now":"2026-11-22T00:00:01.000Z"}"#),
        }
    });
    let remote = server.remote();
    let beat =
        |id: &str| Beat { who: Incarnation { id: id.parse().unwrap(), epoch: Epoch(7) }, report: None };
    for id in ["a", "b", "c"] {
        remote.register(&Registration { id: id.parse().unwrap(), ..registration() }).unwrap();
    }
    assert!(remote.beat(&[beat("a"), beat("b"), beat("c")]).unwrap_err().is_outage());
    let fenced = Answer::Fenced { by: Some(Epoch(9)) };
    let accepted = Answer::Accepted { directive: None };
    assert_eq!(remote.beat(&[beat("a"), beat("c")]).unwrap().answers, [fenced, accepted]);
    let item = Item { kind: ItemKind::State, name: String::new(), value: None };
    assert_eq!(remote.put(&beat("a").who, &item).unwrap(), Written::Fenced { by: Some(Epoch(9)) });
    // One that never registered here is an error, and keeps nobody from beating.
    assert!(!remote.beat(&[beat("never"), beat("c")]).unwrap_err().is_outage());
    drop(remote);
    let seen = server.seen();
    let beats = |id: &str| seen.iter().filter(|line| line.contains(&format!("/{id}/heartbeat"))).count();
    assert_eq!(["a", "b", "c", "never"].map(beats), [1, 1, 2, 0], "{seen:?}");
}

#[test]
fn more_heartbeats_than_a_store_takes_are_refused() {
    let beats = vec![Beat { who: who(), report: None }; BEATS_LIMIT + 1];
    let error = Remote::tcp("127.0.0.1", 9, None).beat(&beats).unwrap_err();
    assert!(error.to_string().contains("501 heartbeats"), "{error}");
}

#[test]
fn no_server_a_silent_one_and_an_endless_one_are_outages_with_an_end() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let endless = Server::new(1, |_| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..80 {
            answer.extend_from_slice(b"10000\r\n");
            answer.extend_from_slice(&vec![b'x'; 0x10000]);
            answer.extend_from_slice(b"\r\n");
        }
        answer
    });
    for (port, within) in [(closed, 20_000), (silent_port, 200), (endless.port, 20_000)] {
        let remote = Remote::tcp("127.0.0.1", port, None).within(Duration::from_millis(within));
        let error = remote.register(&registration()).unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
    endless.seen();
    let gone = Remote::unix("/nonexistent/scupper.sock").register(&registration()).unwrap_err();
    assert!(gone.is_outage() && gone.to_string().contains("unix:/nonexistent"), "{gone}");
}

#[test]
fn a_secret_is_in_no_error_and_in_nothing_that_is_printed() {
    let mut first = true;
    let server = Server::new(1, move |_| {
        if std::mem::take(&mut first) {
            member()
        } else {
            says(200, &format!(r#"{{"now":"{}"}}"#, "a".repeat(64)))
        }
    });
    let remote = server.remote();
    remote.register(&registration()).unwrap();
    let error = remote.beat(&[Beat { who: who(), report: None }]).unwrap_err();
    let all = format!("{remote:?} {error} {error:?}");
    assert!(!all.contains("aaaa") && !all.contains("hhhh"), "{all}");
    drop(remote);
    server.seen();
}

#[test]
fn what_has_not_registered_here_is_not_sent() {
    let remote = Remote::tcp("127.0.0.1", 9, None);
    let item = Item { kind: ItemKind::State, name: String::new(), value: None };
    let error = remote.put(&who(), &item).unwrap_err();
    assert!(!error.is_outage() && error.to_string().contains("register"), "{error}");
}

#[test]
fn paths_hold_nothing_but_what_may_stand_in_them() {
    let id: AgentId = "a:b.c_d-e".parse().unwrap();
    assert_eq!(agent(&id), "/v1/agents/a:b.c_d-e");
    assert_eq!(at_item(&id, ItemKind::State, ""), "/v1/agents/a:b.c_d-e/items/state");
    assert_eq!(at_item(&id, ItemKind::Task, "../x y?"), "/v1/agents/a:b.c_d-e/items/task/%2E%2E%2Fx%20y%3F");
}
