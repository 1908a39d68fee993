//! What is refused, and how; what does not end; what is no HTTP at all.

use std::io::{Read, Write};
use std::time::Duration;

use scupper_fleet::wire::{BODY_LIMIT, ITEM_LIMIT};
use scupper_fleet::{AgentId, Happened, Store};
use serde_json::Value;

use super::world::{Got, HOST, World};

/// Method, path, token, body; status and code.
type Case<'c> = (&'c str, &'c str, Option<&'c str>, &'c [u8], u16, &'c str);

#[test]
fn every_refusal_has_its_status_a_code_an_error_and_advice() {
    let world = World::new();
    let (epoch, token) = world.join("a");
    let host = Some(HOST);
    let own = Some(token.as_str());
    let beat = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    let state = format!("/v1/agents/a/items/state?epoch={epoch}");
    let large = vec![b' '; BODY_LIMIT + 1];
    let cases: Vec<Case<'_>> = vec![
        ("POST", "/v1/agents/a", host, b"", 409, "taken"),
        ("POST", "/v1/agents/a", host, b"{", 400, "bad_request"),
        ("POST", "/v1/agents/a", host, b"[]", 400, "bad_request"),
        ("POST", "/v1/agents/a", host, br#"{"take_over":true}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"ttl_ms":99}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"ttl_ms":86400001}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"nonce":"a b"}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"nonce":"0123456789abcde"}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"host":"*"}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", host, br#"{"identity":{"pid":0}}"#, 400, "bad_request"),
        ("POST", "/v1/agents/b", None, b"", 401, "unauthorized"),
        ("POST", "/v1/agents/b", host, &large, 413, "too_large"),
        ("POST", "/v1/agents/a/heartbeat", own, b"", 400, "bad_request"),
        ("POST", "/v1/agents/a/heartbeat?epoch=x", own, b"", 400, "bad_request"),
        ("POST", "/v1/agents/a/heartbeat?epoch=1&epoch=2", own, b"", 400, "bad_request"),
        ("POST", "/v1/agents/a/heartbeat?epoch=1&why=x", own, b"", 400, "bad_request"),
        ("POST", &beat, own, br#"{"state":"a\nb"}"#, 400, "bad_request"),
        ("POST", &beat, own, br#"{"memory":{"rss":-1}}"#, 400, "bad_request"),
        ("POST", &beat, own, br#"{"memory":{"RSS":1}}"#, 400, "bad_request"),
        ("POST", &beat, own, &large, 413, "too_large"),
        ("POST", "/v1/agents/a/heartbeat?epoch=1", own, b"", 409, "fenced"),
        ("POST", "/v1/agents/nobody/heartbeat?epoch=1", own, b"", 409, "fenced"),
        ("GET", "/v1/agents/nobody", host, b"", 404, "not_found"),
        ("GET", "/v1/agents/a/items/state", own, b"", 404, "not_found"),
        ("GET", "/v1/agents/a/items/state/x", own, b"", 400, "bad_request"),
        ("GET", "/v1/agents/a/items/task", own, b"", 400, "bad_request"),
        ("GET", "/v1/agents/a/items/lock/x", own, b"", 400, "bad_request"),
        ("GET", "/v1/agents/a/items/task/%2E%2E%2Fx", own, b"", 400, "bad_request"),
        ("GET", "/v1/agents/a/items/task/%ff", own, b"", 400, "bad_request"),
        ("GET", "/v1/agents?limit=0", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?limit=501", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?from=", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?from=%00", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?form=x", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?from=zzz", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?from=a", host, b"", 400, "bad_request"),
        ("GET", "/v1/agents?from=a.0123456789ab", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=zzz", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=-1", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=1-2-3", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=99999999999999999999999", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?after=zzz&follow=true", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?limit=x", host, b"", 400, "bad_request"),
        ("GET", "/v1/events?follow=yes", host, b"", 400, "bad_request"),
        ("GET", "/", host, b"", 404, "not_found"),
        ("GET", "/v1", host, b"", 404, "not_found"),
        ("GET", "/v2/agents", host, b"", 404, "not_found"),
        ("GET", "/v1/agents/", host, b"", 404, "not_found"),
        ("PUT", "/v1/agents/a", host, b"", 405, "method_not_allowed"),
        ("TRACE", "/v1/status", host, b"", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/status", host, b"", 405, "method_not_allowed"),
        ("DELETE", "/healthz", None, b"", 405, "method_not_allowed"),
    ];
    for (method, path, token, body, status, code) in cases {
        let got = world.tcp().ask(method, path, token, body);
        let shown = String::from_utf8_lossy(&got.body).into_owned();
        assert_eq!((got.status, got.code().as_str()), (status, code), "{method} {path}: {shown}");
        assert!(
            got.head.contains("content-type: application/json")
                && got.head.contains("cache-control: no-store")
        );
        assert_eq!(got.head.contains("www-authenticate: bearer"), status == 401, "{}", got.head);
        assert_eq!(got.head.contains("\nallow: "), status == 405, "{}", got.head);
        assert!(!got.head.contains("access-control"), "no CORS: {}", got.head);
        assert!(!shown.contains(HOST) && !shown.contains(&*"x".repeat(64)) && shown.len() < 2_000, "{shown}");
        assert!(!token.is_some_and(|token| shown.contains(token)), "{shown}");
    }
    let (fits, not) = (vec![0; ITEM_LIMIT], vec![0; ITEM_LIMIT + 1]);
    assert_eq!(world.tcp().ask("PUT", &state, own, &fits).status, 200);
    assert_eq!(world.tcp().ask("PUT", &state, own, &not).status, 413);
    assert_eq!(world.tcp().ask("GET", "/v1/agents/a/items/state", own, b"").body.len(), ITEM_LIMIT);
    // Also where nobody has said how long it is.
    let mut chunked = format!(
        "PUT {state} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..5 {
        chunked.extend_from_slice(b"4000\r\n");
        chunked.extend_from_slice(&vec![b'x'; 0x4000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(world.tcp().send(&chunked).unwrap().status, 413);
}

#[test]
fn safety_12_ids_that_are_patterns_paths_or_too_long_are_refused() {
    let world = World::new();
    let long = "x".repeat(129);
    let bad = [
        "%2A",
        "a%2Ab",
        "%5Bx%5D",
        "a%2Fb",
        "..%2Fa",
        "a%20b",
        "a%0Ab",
        "%C3%A9",
        "a%00",
        "%ff",
        "a%3F",
        "%F0%9F%92%A9",
        long.as_str(),
    ];
    for id in bad {
        for (method, path) in [
            ("POST", format!("/v1/agents/{id}")),
            ("GET", format!("/v1/agents/{id}")),
            ("POST", format!("/v1/agents/{id}/heartbeat?epoch=1")),
            ("PUT", format!("/v1/agents/{id}/items/state?epoch=1")),
            ("DELETE", format!("/v1/agents/{id}?epoch=1")),
        ] {
            let got = world.tcp().ask(method, &path, Some(HOST), b"");
            assert_eq!((got.status, got.code().as_str()), (400, "bad_request"), "{method} {path}");
        }
    }
    assert!(world.store.agents(None, 10).unwrap().entries.is_empty());
    let longest = "y".repeat(128);
    world.join(&longest);
    assert!(world.store.agent(&longest.parse::<AgentId>().unwrap()).unwrap().is_some());
}

#[test]
fn a_web_page_gets_nothing_though_its_browser_reaches_this_host() {
    let world = World::new();
    let bearer = format!("Authorization: Bearer {HOST}\r\n");
    let ask = |headers: &str| world.tcp().ask_with("GET", "/v1/status", &format!("{headers}{bearer}"), b"");
    for host in ["localhost", "127.0.0.1:9465", "[::1]:9465", "scupper.example"] {
        assert_eq!(ask(&format!("Host: {host}\r\n")).status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:9465", "", "localhost\r\nHost: evil.example"] {
        let got = ask(&format!("Host: {host}\r\n"));
        assert!(matches!(got.status, 400 | 421), "{host}: {got:?}");
    }
    assert_eq!(ask("").code(), "misdirected");
    let got = ask("Host: localhost\r\nOrigin: http://localhost:9465\r\n");
    assert_eq!((got.status, got.code().as_str()), (403, "forbidden"));
    // Not even what anybody may see, and not over the socket.
    let origin = "Host: localhost\r\nOrigin: null\r\n";
    assert_eq!(world.tcp().ask_with("GET", "/healthz", origin, b"").status, 403);
    assert_eq!(world.unix().ask_with("GET", "/v1/status", origin, b"").status, 403);
    // Two tokens are none: another reader could take the other one.
    let twice = format!("Host: localhost\r\n{bearer}{bearer}");
    assert_eq!(world.tcp().ask_with("GET", "/v1/status", &twice, b"").status, 401);
}

#[test]
fn what_anybody_may_see_says_nothing_of_the_fleet() {
    let world = World::new();
    world.join("agent-7");
    let health = world.tcp().ask("GET", "/healthz", None, b"");
    assert_eq!((health.status, health.body.as_slice()), (200, &b"ok\n"[..]));
    let contract = world.tcp().ask("GET", "/v1/openapi.json", None, b"");
    assert_eq!(contract.status, 200);
    assert!(!String::from_utf8_lossy(&contract.body).contains("agent-7"));
    let metrics = world.tcp().ask_with(
        "GET",
        "/metrics",
        &format!("Host: localhost\r\nAccept: text/plain\r\nAuthorization: Bearer {HOST}\r\n"),
        b"",
    );
    assert_eq!(metrics.body, b"up 1 # text/plain\n");
}

#[test]
fn lists_come_in_parts_and_each_agent_once() {
    let world = World::new();
    for n in 0..7 {
        world.join(&format!("agent-{n}"));
    }
    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let page = world.tcp().ask("GET", &format!("/v1/agents?limit=3{from}"), Some(HOST), b"").json();
        let agents = page["agents"].as_array().unwrap();
        assert!(agents.len() <= 3);
        seen.extend(agents.iter().map(|agent| agent["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|n| format!("agent-{n}")).collect::<Vec<_>>());
    let one = world.unix().ask("GET", "/v1/agents/agent-3", None, b"");
    assert_eq!(one.json()["standing"], "active");
    assert!(!String::from_utf8_lossy(&one.body).contains("secret"));
    let status = world.unix().ask("GET", "/v1/status", None, b"").json();
    assert_eq!((&status["members"], &status["registry"]), (&Value::from(7), &Value::from("memory")));
    assert!(status["phase"].is_string(), "{status}");

    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.tcp().ask("GET", &format!("/v1/events?limit=3{after}"), Some(HOST), b"").json();
        let part = page["events"].as_array().unwrap().clone();
        if part.is_empty() {
            break;
        }
        after = format!("&after={}", page["next"].as_str().unwrap());
        events.extend(part);
    }
    let registered = events.iter().filter(|event| event["type"] == "agent_registered");
    assert_eq!(registered.count(), 7, "{events:?}");
    assert!(events.iter().all(|event| event["timestamp"].is_u64() && event["id"].is_string()));
}

#[test]
fn whoever_follows_gets_what_was_and_what_comes_and_ends_with_the_server() {
    let mut world = World::new();
    world.join("before");
    let mut stream = world.unix().connect();
    stream.write_all(b"GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut until = |stream: &mut Box<dyn super::world::Stream>, word: &str| {
        let mut chunk = [0; 4096];
        while !seen.contains(word) {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "it ended before {word}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
    };
    until(&mut stream, "\"agentId\":\"before\"");
    world.store.announce(&Happened::ZombieDetected { agent_id: "later".parse().unwrap() }).unwrap();
    until(&mut stream, "event: zombie_detected\ndata: {");
    world.stop();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(!world.socket.exists(), "its socket goes with it");
}

#[test]
fn so_many_may_follow_and_the_next_one_is_told_to_wait() {
    let world = World::new();
    let mut streams = Vec::new();
    for _ in 0..super::super::FOLLOWERS {
        let mut stream = world.unix().connect();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        streams.push(stream);
    }
    assert_eq!(world.unix().ask("GET", "/v1/events?follow=true", None, b"").status, 429);
}

#[test]
fn connections_that_say_nothing_or_a_little_at_a_time_hold_nobody_up() {
    let world = World::new();
    let (epoch, token) = world.join("a");
    let mut slow: Vec<_> = (0..200).map(|_| world.tcp().connect()).collect();
    for (at, stream) in slow.iter_mut().enumerate() {
        let said: &[u8] = match at % 4 {
            0 => b"",
            1 => b"POST /v1/agents/a/heartbeat?epoch=1 HTTP/1.1\r\nHost: loc",
            2 => b"POST /v1/agents/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n{",
            _ => b"\r\n",
        };
        stream.write_all(said).unwrap();
    }
    let beat = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    assert_eq!(world.tcp().ask("POST", &beat, Some(&token), b"").status, 200);
    // And each of them is let go, told why where it was half a request.
    let last = slow.remove(2);
    drop(slow);
    let mut last = last;
    let mut answer = Vec::new();
    let _ = last.read_to_end(&mut answer);
    assert!(matches!(Got::parse(&answer).unwrap().status, 401 | 408), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn bytes_that_are_no_http_get_an_error_or_nothing_and_the_next_one_is_answered() {
    let world = World::new();
    let long = vec![b'a'; 200_000];
    let mut headers = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    for n in 0..500 {
        headers.extend_from_slice(format!("x-{n}: y\r\n").as_bytes());
    }
    headers.extend_from_slice(b"\r\n");
    let hostile: Vec<&[u8]> = vec![
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /v1/agents/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/agents/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}}",
        b"POST /v1/agents/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/agents/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xff\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        &long,
        &headers,
    ];
    for bytes in hostile {
        let mut stream = world.tcp().connect();
        let _ = stream.write_all(bytes);
        // Nothing more comes: it is judged as it is. A connection that was closed already is as good.
        let mut answer = Vec::new();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        stream.hang_up();
        let _ = stream.read_to_end(&mut answer);
        if let Some(got) = Got::parse(&answer) {
            assert!((400..500).contains(&got.status), "{shown}: {got:?}");
        }
        assert_eq!(world.tcp().ask("GET", "/healthz", None, b"").status, 200, "after {shown}");
    }
    assert!(world.store.agents(None, 10).unwrap().entries.is_empty());
}

#[test]
fn a_server_ends_though_connections_are_open_and_a_second_one_may_have_its_place() {
    let mut world = World::new();
    let mut idle = world.unix().connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).unwrap();
    let started = crate::wait::now();
    world.stop();
    assert!(crate::wait::now() - started < Duration::from_secs(30));
    let again = super::super::Listener::unix(&world.socket).unwrap();
    drop(again);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
}
