//! One row a case: who is left alone, in which profile, and why.

use proptest::prelude::*;

use super::*;

const ALL: [Profile; 5] = [Profile::Web, Profile::Worker, Profile::Job, Profile::Mcp, Profile::Agent];

fn words(text: &[&str]) -> Vec<Vec<u8>> {
    text.iter().map(|t| t.as_bytes().to_vec()).collect()
}

fn cgroups(path: &str) -> Vec<(String, String)> {
    vec![(String::new(), path.to_owned())]
}

/// A process of our own user, in no special cgroup, with an empty environment.
fn with<T>(
    name: &str,
    command: &[&str],
    change: impl Fn(&mut Candidate<'_>) -> T,
    profile: Profile,
    keep: &[&str],
) -> Option<Because> {
    let command = words(command);
    let keep: Vec<String> = keep.iter().map(|k| (*k).to_owned()).collect();
    let own = cgroups("/system.slice/app.service");
    let mut candidate = Candidate {
        name: name.as_bytes(),
        command: &command,
        environment: Some(&[]),
        same_user: true,
        cgroups: &own,
        own_cgroups: &own,
        unit_cgroup: Some("/system.slice/app.service/scupper-web"),
        ..Candidate::default()
    };
    change(&mut candidate);
    spared(&candidate, profile, &keep)
}

fn detached(candidate: &mut Candidate<'_>) {
    (candidate.session_leader, candidate.has_terminal) = (true, false);
}

#[test]
fn r118_the_keep_mark_counts_in_every_profile_and_only_as_it_is_written() {
    for profile in ALL {
        for (environment, expected) in [
            (&["A=1", "SCUPPER_KEEP=1"][..], Some(Because::KeepMark)),
            (&["SCUPPER_KEEP="], None),
            (&["SCUPPER_KEEP=0", "SCUPPER_KEEP=1"], None),
            (&["SCUPPER_KEEP=11"], None),
            (&["SCUPPER_KEEP=true"], None),
            (&["XSCUPPER_KEEP=1"], None),
            (&[], None),
        ] {
            let environment = words(environment);
            let command = words(&["sleep", "1"]);
            let candidate = Candidate {
                name: b"sleep",
                command: &command,
                environment: Some(&environment),
                same_user: true,
                ..Candidate::default()
            };
            assert_eq!(spared(&candidate, profile, &[]), expected, "{environment:?}");
        }
    }
}

#[test]
fn r118_an_unreadable_environment_keeps_only_what_runs_as_another_user() {
    for profile in ALL {
        let of =
            |same_user| with("x", &["x"], |c| (c.environment, c.same_user) = (None, same_user), profile, &[]);
        assert_eq!(of(true), None);
        assert_eq!(of(false), Some(Because::EnvironmentUnreadable));
    }
}

#[test]
fn r118_what_was_asked_to_be_kept_is_kept_in_every_profile() {
    for profile in ALL {
        let of = |kept| with("x", &["x"], |c| c.kept = kept, profile, &[]);
        assert_eq!(of(Some("kept until noon")), Some(Because::Asked("kept until noon".into())));
        assert_eq!(of(None), None);
    }
}

#[test]
fn r118_keep_patterns_match_the_name_and_the_program() {
    for profile in ALL {
        let by = |pattern: &str| Some(Because::KeepPattern(pattern.to_owned()));
        let of = |pattern: &str| {
            with("chrome", &["/opt/google/chrome-stable", "--x"], |_| (), profile, &["a", pattern])
        };
        assert_eq!(of("chrome"), by("chrome"));
        assert_eq!(of("chrome-s?able"), by("chrome-s?able"));
        assert_eq!(of("*"), by("*"));
        assert_eq!(of("/opt/*"), None);
        assert_eq!(of("--x"), None);
    }
    assert_eq!(
        with("kthread", &[], |_| (), Profile::Web, &["kthread"]),
        Some(Because::KeepPattern("kthread".into()))
    );
}

#[test]
fn r118_what_a_service_manager_runs_is_spared_in_every_profile() {
    let id = "3f".repeat(32);
    let docker = format!("/docker/{id}");
    let kube = format!("/kubepods.slice/kubepods-burstable.slice/cri-containerd-{id}.scope");
    for profile in ALL {
        for (path, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/nginx.service/worker", Some("nginx.service")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope", Some("run-r1.scope")),
            ("/system.slice/app.service/payload/inner.service", Some("inner.service")),
            ("/lxc.payload.web", Some("lxc.payload.web")),
            (docker.as_str(), Some(id.as_str())),
            (kube.as_str(), Some(kube.rsplit('/').next().unwrap())),
            // Scupper's own unit, and what lies below the unit's own cgroup.
            ("/system.slice/app.service", None),
            ("/system.slice/app.service/other", None),
            ("/system.slice/app.service/scupper-web", None),
            ("/system.slice/app.service/scupper-web/nested.service", None),
            ("/system.slice/app.service/scupper-web2/nested.service", Some("nested.service")),
            // No unit at all.
            ("/", None),
            ("/user.slice", None),
            ("/a/.service", None),
            ("", None),
        ] {
            let theirs = cgroups(path);
            let command = words(&["x"]);
            let own = cgroups("/system.slice/app.service");
            let candidate = Candidate {
                name: b"x",
                command: &command,
                environment: Some(&[]),
                same_user: true,
                cgroups: &theirs,
                own_cgroups: &own,
                unit_cgroup: Some("/system.slice/app.service/scupper-web"),
                ..Candidate::default()
            };
            let expected = unit.map(|unit| Because::ServiceManaged(unit.to_owned()));
            assert_eq!(spared(&candidate, profile, &[]), expected, "{path}");
        }
    }
}

#[test]
fn r118_scupper_in_the_same_container_or_in_none() {
    let id = "0a".repeat(32);
    let inside = cgroups(&format!("/docker/{id}"));
    let command = words(&["x"]);
    let candidate = Candidate {
        name: b"x",
        command: &command,
        environment: Some(&[]),
        same_user: true,
        cgroups: &inside,
        own_cgroups: &inside,
        ..Candidate::default()
    };
    assert_eq!(spared(&candidate, Profile::Web, &[]), None);
    // Where Scupper's own group cannot be read, whose unit it is cannot be told: kept.
    assert!(spared(&Candidate { own_cgroups: &[], ..candidate }, Profile::Web, &[]).is_some());
}

#[test]
fn r119_multiplexers_and_daemons_by_choice_are_spared_for_agents_only() {
    for (name, command, because) in [
        ("tmux: server", &["tmux", "new-session", "-d"][..], Because::Multiplexer),
        ("screen", &["SCREEN", "-dmS", "x"], Because::Multiplexer),
        ("zellij", &["/usr/bin/zellij", "--server", "/run/x"], Because::Multiplexer),
        ("dtach", &["dtach", "-n", "/tmp/s", "sh"], Because::Multiplexer),
        ("redis-server", &["redis-server 127.0.0.1:6379", ""], Because::DaemonByChoice),
        ("postgres", &["/usr/lib/postgresql/15/bin/postgres", "-D", "/d"], Because::DaemonByChoice),
        ("ssh-agent", &["ssh-agent", "-s"], Because::DaemonByChoice),
        ("emacs", &["emacs", "--daemon"], Because::DaemonByChoice),
        ("bazel(repo)", &["bazel(repo)", "--x"], Because::DaemonByChoice),
        ("python3", &["python3", "serve.py", "--daemonize"], Because::DaemonByChoice),
        (
            "java",
            &["/jdk/bin/java", "-cp", "x", "org.gradle.launcher.daemon.bootstrap.GradleDaemon", "8.1"],
            Because::DaemonByChoice,
        ),
    ] {
        assert_eq!(with(name, command, detached, Profile::Agent, &[]), Some(because), "{name}");
        for profile in [Profile::Web, Profile::Worker, Profile::Job, Profile::Mcp] {
            assert_eq!(with(name, command, detached, profile, &[]), None, "{name}");
        }
    }
}

#[test]
fn r119_detachment_alone_is_no_choice_and_a_known_name_alone_neither() {
    for (name, command) in [
        ("sleep", &["sleep", "1000"][..]),
        ("node", &["node", "server.js"]),
        ("python3", &["python3", "-m", "http.server"]),
        ("sh", &["sh", "-c", "while true; do run --daemon; done"]),
        ("x", &["x", "--", "--daemon"]),
        ("x", &["x", "--daemon=no"]),
        ("x", &["x", "--no-daemon"]),
        ("tmuxinator", &["tmuxinator"]),
        ("java", &["java", "-jar", "gradle-wrapper.jar"]),
    ] {
        let all_signs = |c: &mut Candidate<'_>| {
            detached(c);
            (c.stdin_null, c.cwd_root) = (Some(true), Some(true));
        };
        assert_eq!(with(name, command, all_signs, Profile::Agent, &[]), None, "{command:?}");
    }
    let redis: &[&str] = &["redis-server", "--port", "0"];
    assert_eq!(with("redis-server", redis, |_| (), Profile::Agent, &[]), None, "a test's own child");
    let on_terminal = |c: &mut Candidate<'_>| (c.session_leader, c.has_terminal) = (true, true);
    assert_eq!(with("redis-server", redis, on_terminal, Profile::Agent, &[]), None);
    let second_fork = |stdin, cwd| {
        let signs = move |c: &mut Candidate<'_>| (c.stdin_null, c.cwd_root) = (stdin, cwd);
        with("mysqld", &["mysqld"], signs, Profile::Agent, &[])
    };
    assert_eq!(second_fork(Some(true), Some(true)), Some(Because::DaemonByChoice));
    for (stdin, cwd) in [(Some(true), None), (None, Some(true)), (Some(false), Some(true)), (None, None)] {
        assert_eq!(second_fork(stdin, cwd), None);
    }
}

#[test]
fn r119_what_is_below_a_spared_one_is_spared_with_it() {
    let (tmux, shell) = (words(&["tmux", "new", "-d"]), words(&["-bash"]));
    let member = |pid, parent, name: &'static str, command, leader, terminal| Member {
        pid: Pid::new(pid).unwrap(),
        parent: Pid::new(parent),
        candidate: Candidate {
            name: name.as_bytes(),
            command,
            environment: Some(&[]),
            same_user: true,
            session_leader: leader,
            has_terminal: terminal,
            ..Candidate::default()
        },
    };
    let members = [
        member(30, 20, "vim", &shell, false, true),
        member(20, 10, "bash", &shell, true, true),
        member(10, 1, "tmux: server", &tmux, true, false),
        member(40, 1, "bash", &shell, true, false),
    ];
    let pid = |n| Pid::new(n).unwrap();
    assert_eq!(
        spared_members(&members, Profile::Agent, &[]),
        [
            (pid(10), Because::Multiplexer),
            (pid(20), Because::BelowSpared(pid(10))),
            (pid(30), Because::BelowSpared(pid(20))),
        ]
    );
    assert_eq!(spared_members(&members, Profile::Job, &[]), []);
}

#[test]
fn every_reason_says_itself() {
    let pid = Pid::new(7).unwrap();
    for (because, text) in [
        (Because::KeepMark, "SCUPPER_KEEP=1 in its environment"),
        (Because::Asked("kept by hand".into()), "kept by hand"),
        (Because::KeepPattern("chrome*".into()), "kept by the pattern chrome*"),
        (Because::ServiceManaged("nginx.service".into()), "run by a service manager as nginx.service"),
        (Because::Multiplexer, "terminal multiplexer"),
        (Because::DaemonByChoice, "daemon by choice"),
        (Because::BelowSpared(pid), "descends from pid 7, which is left alone"),
    ] {
        assert_eq!(because.to_string(), text);
    }
}

proptest! {
    #[test]
    fn any_process_is_answered(
        name in prop::collection::vec(any::<u8>(), 0..16),
        command in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
        path in "(/[a-f0-9.-]{0,70}(service|scope)?){0,4}",
        leader in any::<bool>(),
    ) {
        let cgroups = cgroups(&path);
        let candidate = Candidate {
            name: &name, command: &command, environment: Some(&command), same_user: true, cgroups: &cgroups,
            own_cgroups: &cgroups, session_leader: leader, ..Candidate::default()
        };
        // In its own unit and without marks, only an agent's profile finds a reason.
        prop_assert_eq!(spared(&candidate, Profile::Job, &[]), None);
        let _ = spared(&Candidate { own_cgroups: &[], ..candidate }, Profile::Agent, &["*a?".to_owned()]);
    }
}
