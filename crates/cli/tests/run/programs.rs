//! Six real programs under steady load for a minute and a half, three that leak and three that grow and come to rest: each
//! verdict is right. They are those the detector's benchmark records, with bounds that are reached in this time; a server that
//! warms up takes minutes there, so here it is one that compiles for twenty seconds and then rests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::scene::{PATIENCE, Scene};

struct Program {
    what: &'static str,
    environment: &'static str,
    command: &'static str,
    leaks: bool,
}

/// So long each of them runs, in seconds.
const TIME: u64 = 90;

const PROGRAMS: [Program; 6] = [
    Program {
        what: "a list that grows by 10 MB a minute",
        environment: "LEAK_BYTES=6700",
        command: "python3 service.py",
        leaks: true,
    },
    Program {
        what: "a map behind an HTTP server that grows by 40 MB a minute",
        environment: "LEAK_BYTES=34000",
        command: "node --max-semi-space-size=2 server.js",
        leaks: true,
    },
    Program {
        what: "a file that is not closed every other second",
        environment: "FORGET_EVERY=2",
        command: "python3 files.py",
        leaks: true,
    },
    Program {
        what: "a service whose code is compiled as it warms up",
        environment: "WARM=20",
        command: "node ../../../../crates/cli/tests/run/warm_up.js",
        leaks: false,
    },
    Program {
        what: "a cache that reaches its bound",
        environment: "CAPACITY=500",
        command: "python3 cache.py",
        leaks: false,
    },
    Program {
        what: "the sawtooth of a collector",
        environment: "",
        command: "python3 cycles.py",
        leaks: false,
    },
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/detect/corpus")
}

fn judge(program: &Program) -> (i32, String) {
    let scene = Scene::new();
    let common = corpus().join("common");
    let common = common.to_str().unwrap();
    let line = format!(
        "cd '{}' && export {} PYTHONPATH='{common}' NODE_PATH='{common}' && timeout {} {}; test $? = 124",
        corpus().join("tuning").display(),
        program.environment,
        TIME,
        program.command
    );
    let running = scene.run(&["--fail-on-leak"], &["sh", "-c", &line]);
    let status = running.wait_at_most(PATIENCE + Duration::from_secs(TIME));
    (status.code().unwrap(), scene.text("stderr"))
}

/// R048: within minutes, and without a rule that anybody wrote. The machine is theirs alone: where others come and go beside
/// a server, its load and its rise do too, and that is what a warm-up looks like.
#[test]
fn timing_heavy_r048_six_programs_are_told_apart() {
    std::thread::scope(|scope| {
        let judged: Vec<_> =
            PROGRAMS.iter().map(|program| (program, scope.spawn(|| judge(program)))).collect();
        for (program, judging) in judged {
            let (code, said) = judging.join().unwrap();
            assert_eq!(code, i32::from(program.leaks), "{}: {said}", program.what);
        }
    });
}
