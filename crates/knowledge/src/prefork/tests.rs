//! Trees written down from real ones, and look-alikes.

use proptest::prelude::*;

use super::*;

type Row = (i32, i32, &'static str, &'static [&'static str]);

fn found(rows: &[Row]) -> Vec<(&'static str, i32, Vec<i32>)> {
    let commands: Vec<Vec<Vec<u8>>> =
        rows.iter().map(|row| row.3.iter().map(|a| a.as_bytes().to_vec()).collect()).collect();
    let views: Vec<View<'_>> = rows
        .iter()
        .zip(&commands)
        .map(|(row, command)| View {
            pid: Pid::new(row.0).unwrap(),
            parent: Pid::new(row.1),
            name: row.2.as_bytes(),
            command,
        })
        .collect();
    recognise(&views)
        .into_iter()
        .map(|p| (p.recipe.name, p.master.get(), p.workers.into_iter().map(Pid::get).collect()))
        .collect()
}

const GUNICORN: &[&str] = &["/venv/bin/python3.11", "/venv/bin/gunicorn", "-w", "2", "app:app"];
const SPAWNED: &[&str] = &[
    "/venv/bin/python3.11",
    "-B",
    "-c",
    "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=7, pipe_handle=9)",
    "--multiprocessing-fork",
];
const TRACKER: &[&str] =
    &["/venv/bin/python3.11", "-B", "-c", "from multiprocessing.resource_tracker import main;main(6)"];

#[test]
fn r025_a_gunicorn_is_found_below_its_wrappers_and_its_workers_children_are_none() {
    let rows: &[Row] = &[
        (10, 1, "sh", &["sh", "-c", "gunicorn -w 2 app:app"]),
        (11, 10, "gunicorn", GUNICORN),
        (13, 11, "gunicorn", GUNICORN),
        (12, 11, "gunicorn", GUNICORN),
        // Forked by a worker and not (yet) another program.
        (14, 12, "gunicorn", GUNICORN),
        (15, 14, "gunicorn", GUNICORN),
        (16, 12, "chrome", &["chrome", "--headless"]),
        // Started by the master and another program.
        (17, 11, "git", &["git", "rev-parse"]),
    ];
    assert_eq!(found(rows), [("gunicorn", 11, vec![12, 13])]);
}

/// Between its fork and its first `setproctitle` a worker is called as its master.
#[test]
fn a_fresh_fork_with_its_masters_title_is_no_master() {
    let rows: &[Row] = &[
        (11, 1, "gunicorn: maste", &["gunicorn: master [app:app]", ""]),
        (12, 11, "gunicorn: maste", &["gunicorn: master [app:app]", ""]),
        (13, 11, "gunicorn: worke", &["gunicorn: worker [app:app]", ""]),
    ];
    assert_eq!(found(rows), [("gunicorn", 11, vec![13])]);
}

#[test]
fn titles_tell_roles_apart() {
    let rows: &[Row] = &[
        (11, 1, "gunicorn: maste", &["gunicorn: master [app:app]", "", ""]),
        (12, 11, "gunicorn: worke", &["gunicorn: worker [app:app]", ""]),
        (13, 11, "gunicorn: dirty", &["gunicorn: dirty-arbiter", ""]),
        // The new master after USR2: a child of the old one until that one goes.
        (14, 11, "gunicorn: maste", &["gunicorn: master [app:app]", ""]),
        (15, 14, "gunicorn: worke", &["gunicorn: worker [app:app]", ""]),
    ];
    assert_eq!(found(rows), [("gunicorn", 11, vec![12]), ("gunicorn", 14, vec![15])]);
    let rows: &[Row] = &[
        (21, 1, "puma", &["puma 5.6.5 (tcp://127.0.0.1:58261) [exp]", "", ""]),
        (22, 21, "puma", &["puma: cluster worker 0: 21 [exp]", ""]),
        (31, 1, "unicorn", &["/usr/bin/unicorn master -c u.rb", ""]),
        (32, 31, "unicorn", &["/usr/bin/unicorn worker[0] -c u.rb", ""]),
        (41, 1, "php-fpm8.2", &["php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)", ""]),
        (42, 41, "php-fpm8.2", &["php-fpm: pool www", ""]),
    ];
    assert_eq!(found(rows), [("puma", 21, vec![22]), ("unicorn", 31, vec![32]), ("php-fpm", 41, vec![42])]);
}

#[test]
fn r025_uvicorn_has_workers_only_where_it_was_told_to_have_some() {
    let workers: &[&str] = &["/venv/bin/python3.11", "/venv/bin/uvicorn", "--workers", "2", "app:app"];
    let rows: &[Row] = &[
        (20, 1, "uvicorn", workers),
        (21, 20, "python3.11", TRACKER),
        (22, 20, "python3.11", SPAWNED),
        (23, 20, "python3.11", SPAWNED),
        (24, 22, "python3.11", SPAWNED),
    ];
    assert_eq!(found(rows), [("uvicorn", 20, vec![22, 23])]);
    for command in [
        // A process pool of the application itself: its children would lose work.
        &["python", "-m", "uvicorn", "app:app"][..],
        &["python", "-m", "uvicorn", "--workers=1", "app:app"],
        &["python", "-m", "uvicorn", "--workers", "4", "--reload", "app:app"],
        &["python", "main.py", "--workers", "4"],
    ] {
        assert_eq!(found(&[(20, 1, "python", command), (22, 20, "python", SPAWNED)]), [], "{command:?}");
    }
    let module: &[&str] = &["python", "-X", "dev", "-Im", "-m", "uvicorn", "--workers=3", "app:app"];
    assert_eq!(found(&[(20, 1, "python", module), (22, 20, "python", SPAWNED)]).len(), 1);
}

#[test]
fn look_alikes_are_not_recognised() {
    for command in [
        &["python", "gunicorn_test.py"][..],
        &["python", "/srv/gunicorn.py"],
        &["python", "-c", "import gunicorn", "gunicorn"],
        &["python", "run.py", "gunicorn"],
        &["vim", "gunicorn.conf.py"],
        &["vim", "/venv/bin/gunicorn"],
        &["tail", "-f", "/var/log/gunicorn"],
        &["grep", "gunicorn: master [app:app]"],
        &["pytest", "-k", "celery worker"],
        &["python", "-m", "pytest", "celery", "worker"],
        &["uv", "run", "gunicorn", "app:app"],
        &["bash", "-c", "puma 5.6.5 (tcp) [x]"],
        &["less", "unicorn master"],
        &["/venv/bin/python", "/venv/bin/celery", "-A", "x", "beat"],
        &["node", "server.js"],
        &["python"],
        &[],
        &[""],
    ] {
        // Alone, with a child that looks the same, and with children that look like workers.
        let rows: &[Row] = &[
            (10, 1, "gunicorn", command),
            (12, 10, "python3", SPAWNED),
            (13, 10, "node", &["/usr/bin/node", "/srv/other.js"]),
            (14, 10, "sleep", &["sleep", "1"]),
        ];
        assert_eq!(found(rows), [], "{command:?}");
    }
}

#[test]
fn celery_and_node_are_drained_through_their_main_process() {
    let celery: &[&str] = &["/venv/bin/python3.11", "/venv/bin/celery", "-A", "tasks", "worker", "-c", "2"];
    let node: &[&str] = &["node", "--max-old-space-size=64", "dist/server.js", "--port", "1"];
    let forked: &[&str] = &["/usr/bin/node", "--max-old-space-size=64", "/srv/dist/server.js", "--port", "1"];
    let other: &[&str] = &["/usr/bin/node", "/srv/dist/job.js", "--port", "1"];
    let rows: &[Row] = &[
        (10, 1, "celery", celery),
        (11, 10, "celery", celery),
        (20, 1, "node", node),
        (21, 20, "node", forked),
        (22, 20, "node", other),
        (23, 21, "node", forked),
    ];
    assert_eq!(found(rows), [("celery", 10, vec![11]), ("node cluster", 20, vec![21])]);
    for name in ["celery", "node cluster", "hypercorn", "granian"] {
        let recipe = RECIPES.iter().find(|r| r.name == name).unwrap();
        assert_eq!(recipe.drain, Drain::Main { signal: 15 }, "{name}");
    }
}

#[test]
fn r042_no_recipe_hangs_up_on_anybody() {
    for recipe in RECIPES {
        let (Drain::Worker { signal } | Drain::Main { signal }) = recipe.drain;
        assert!([15, 3].contains(&signal), "{}", recipe.name);
        for text in [recipe.why, recipe.source, recipe.tried] {
            assert!(text.len() > 5, "{}", recipe.name);
        }
    }
}

proptest! {
    #[test]
    fn any_tree_is_answered_and_no_worker_serves_two_masters(
        rows in prop::collection::vec((1_i32..12, 0_i32..12, 0_usize..6), 0..12)
    ) {
        const COMMANDS: [&[&str]; 6] = [
            GUNICORN, SPAWNED, TRACKER, &["gunicorn: worker [x]"], &["gunicorn: master [x]"],
            &["python", "-m", "uvicorn", "--workers", "2"],
        ];
        let rows: Vec<Row> = rows.into_iter().map(|(pid, parent, c)| (pid, parent, "x", COMMANDS[c])).collect();
        let mut pids: Vec<i32> = rows.iter().map(|r| r.0).collect();
        pids.sort_unstable();
        pids.dedup();
        prop_assume!(pids.len() == rows.len());
        let found = found(&rows);
        let mut workers: Vec<i32> = found.iter().flat_map(|f| f.2.clone()).collect();
        let count = workers.len();
        workers.sort_unstable();
        workers.dedup();
        prop_assert_eq!(workers.len(), count);
    }
}
