//! Lines in which a runtime warns of something that is not closed, as it prints them.

use super::*;

/// A death with these last lines of a log.
fn died(lines: &[&str]) -> EventKind {
    let last_lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let how = HowEnded::Exited { code: 1 };
    exited(Certificate { last_lines, ..certificate("python3", how, EndedBy::Itself) })
}

const LISTENERS: &str = "(node:9937) MaxListenersExceededWarning: Possible EventEmitter memory leak detected. 11 data listeners added to [EventEmitter]. MaxListeners is 10. Use emitter.setMaxListeners() to increase limit";
const SOCKET: &str = "<string>:3: ResourceWarning: unclosed <socket.socket fd=3, family=2, type=1, proto=0, laddr=('0.0.0.0', 0)>";
const FILE: &str = "<string>:4: ResourceWarning: unclosed file <_io.TextIOWrapper name='/etc/passwd' mode='r' encoding='UTF-8'>";
const CHILD: &str =
    "/usr/lib/python3.11/subprocess.py:1127: ResourceWarning: subprocess 9936 is still running";

/// A warning is of one object: it is told, and names no cause.
#[test]
fn what_a_runtime_warns_of_is_told_and_names_nobody_alone() {
    for (line, cause, says) in [
        (LISTENERS, Cause::RetainedHeap, "event listeners that are not removed: MaxListenersExceeded"),
        (SOCKET, Cause::Sockets, "sockets that are not closed: ResourceWarning: unclosed <socket"),
        (FILE, Cause::Descriptors, "files that are not closed: ResourceWarning: unclosed file <_io"),
        (CHILD, Cause::ChildTree, "subprocesses that nobody waited for: ResourceWarning: subprocess 9936"),
        (
            "WARN ProxyLeakTask: Connection leak detection triggered for org.postgresql.jdbc.PgConnection@1 on thread main",
            Cause::Sockets,
            "HikariCP",
        ),
        (
            "ERROR LEAK: ByteBuf.release() was not called before it's garbage-collected. See",
            Cause::RetainedHeap,
            "Netty",
        ),
    ] {
        let ranking = ranked(vec![died(&["starting", line, line])]);
        let [told, last] = ranking.suspects.as_slice() else { panic!("{line}: {ranking:#?}") };
        assert_eq!((told.cause, last.cause, last.score), (cause, Cause::Unknown, None), "{ranking:#?}");
        let [evidence] = told.evidence_for.as_slice() else { panic!("{told:#?}") };
        assert!(evidence.text.contains(says) && evidence.id.is_some(), "{evidence:?}");
    }
    for line in
        ["GET /MaxListenersExceededWarning 200", "ResourceWarning: Enable tracemalloc", "unclosed file"]
    {
        let ranking = ranked(vec![died(&[line])]);
        assert_eq!(ranking.suspects.len(), 1, "{line}: {ranking:#?}");
    }
}

#[test]
fn what_a_runtime_warns_of_supports_what_was_measured() {
    let score = |kinds: Vec<EventKind>| ranked(kinds).first().unwrap().score.unwrap();
    let alone = score(vec![memory_leaks()]);
    let ranking = ranked(vec![memory_leaks(), died(&[LISTENERS, SOCKET])]);
    let first = ranking.first().unwrap();
    assert_eq!((first.cause, first.score), (Cause::RetainedHeap, Some(alone + 10)), "{ranking:#?}");
    assert!(first.evidence_for.iter().any(|one| one.text.contains("event listeners")), "{first:#?}");
    // Of what nothing grew is only told.
    assert!(ranking.suspects.iter().any(|one| one.cause == Cause::Sockets && one.score == Some(15)));
    // Several lines of the same are counted, and worth no more.
    let sockets = verdict(Watched::Sockets, Verdict::Leaking, 3600.0);
    let other = SOCKET.replace("fd=3", "fd=4");
    let ranking = ranked(vec![sockets.clone(), died(&[SOCKET]), died(&[SOCKET, &other])]);
    let first = ranking.first().unwrap();
    assert_eq!((first.cause, first.score), (Cause::Sockets, Some(score(vec![sockets]) + 10)), "{ranking:#?}");
    assert!(first.evidence_for.iter().any(|one| one.text.contains("not closed, 2 times: ")), "{first:#?}");
}
