//! What an agent is told: by a file, the environment, its flags; and what its command is not given.

use super::*;

#[test]
fn the_settings_of_a_file_and_the_variable_are_obeyed() {
    let registry = Registry::redis();
    let file = registry.scene.path("scupper.toml");
    let toml = "[[unit]]\nname = \"web\"\ncommand = [\"sh\", \"-c\", \"exit 0\"]\nagent = \"a-1\"\n";
    write(&file, &format!("{toml}ttl = \"1m\"\nbeat = \"1s\"\non_lease_lost = \"finish\"\n"));
    let path = file.display().to_string();
    let out = registry
        .scene
        .scupper(&["run", "--unit", "web", "--config", &path])
        .env("SCUPPER_REGISTRY", &registry.url)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(registry.store.epitaph(&id("a-1")).unwrap().is_some(), "it was a member of that registry");

    let said = |toml: &str, command: &[&str]| {
        write(&file, toml);
        let out = registry.scene.scupper(command).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (exit, text) = said(&format!("{toml}beat = \"90s\"\n"), &["config", "check", &path]);
    assert!(exit == Some(1) && text.contains("cannot keep a lease of 120s"), "{exit:?} {text}");
    let (exit, text) = said(&toml.replace("agent =", "registry ="), &["config", "check", &path]);
    assert!(exit == Some(1) && text.contains("registry is for an agent"), "{exit:?} {text}");
}

/// A file of several units: each agent is a member by its own name, and each leaves when it ends; one that is asked to go
/// leaves the others alone. Where one may not start none does, and nobody is left in the registry.
#[test]
fn the_units_of_a_file_are_agents_each_by_itself() {
    let registry = Registry::redis();
    let file = registry.scene.path("scupper.toml");
    let unit = |name: &str, agent: &str| {
        let agent = if agent.is_empty() {
            String::new()
        } else {
            format!("agent = \"{agent}\"\nregistry = \"{}\"\nttl = \"5m\"\nbeat = \"200ms\"\n", registry.url)
        };
        format!("[[unit]]\nname = \"{name}\"\ncommand = [\"sleep\", \"1000\"]\n{agent}")
    };
    let path = file.display().to_string();
    let up = || {
        let mut scupper = registry.scene.scupper(&["up", "-v", "-f", &path]);
        let stderr = fs::File::options().create(true).append(true).open(registry.scene.path("stderr"));
        scupper.stdout(fs::File::create(registry.scene.path("stdout")).unwrap()).stderr(stderr.unwrap());
        Running { child: scupper.spawn().unwrap() }
    };
    let view = |name: &str| registry.store.agent(&id(name)).unwrap();
    let working = |name: &str| {
        wait_for(&format!("{name} works"), PATIENCE, || match view(name) {
            Some(view) if view.process.as_ref().is_some_and(|process| process.identity.is_some()) => {
                Ok(view.process.unwrap().identity.unwrap().pid)
            }
            other => Err(format!("{other:?} {}", registry.scene.text("stderr"))),
        })
    };
    let gone = |name: &str| {
        wait_for(&format!("{name} has left"), PATIENCE, || match view(name) {
            None => Ok(()),
            other => Err(format!("{other:?} {}", registry.scene.text("stderr"))),
        });
    };

    write(&file, &[unit("one", "u-1"), unit("two", "u-1"), unit("three", "u-3")].concat());
    let refused = up();
    assert_eq!(code(refused), 125);
    assert!(registry.scene.text("stderr").contains("a living process is the agent u-1"));
    assert_eq!((view("u-1"), view("u-3")), (None, None));

    write(&file, &[unit("one", "u-1"), unit("two", "u-2"), unit("three", "")].concat());
    let running = up();
    assert_ne!(working("u-1"), working("u-2"));
    assert!(registry.store.direct(&id("u-1"), Some(Directive::Drain)).unwrap());
    gone("u-1");
    working("u-2");
    // Added and left out while the others run.
    write(&file, &[unit("two", "u-2"), unit("three", ""), unit("four", "u-4")].concat());
    kill(running.engine(), HUP);
    working("u-4");
    write(&file, &[unit("three", ""), unit("four", "u-4")].concat());
    kill(running.engine(), HUP);
    gone("u-2");
    working("u-4");
    running.signal(TERM);
    running.wait();
    gone("u-4");
    registry.scene.expect_nothing_left();
}

/// With a coordinator's token one agent could take the name of another over.
#[test]
fn an_agents_command_is_not_given_the_coordinators_token() {
    for (agent, expected) in [(true, "none"), (false, "secret")] {
        let registry = Registry::embedded();
        let mut args = vec!["run", "--name", &registry.scene.unit];
        if agent {
            args.extend(["--agent", "a-1", "--registry", &registry.url]);
        }
        args.extend(["--", "sh", "-c", "echo ${SCUPPER_TOKEN:-none}"]);
        let out = registry.scene.scupper(&args).env("SCUPPER_TOKEN", "secret").output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), expected);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

/// With the registry's password an agent could do anything to any other.
#[test]
fn an_agents_command_is_not_given_a_registrys_password() {
    for (agent, url, given) in [
        (true, "redis://:s3cret@127.0.0.1:1", false),
        (true, "redis+unix:///run/redis.sock?password=s3cret", false),
        (true, "redis://somebody@127.0.0.1:1", true),
        (false, "redis://:s3cret@127.0.0.1:1", true),
    ] {
        let registry = Registry::embedded();
        let mut args = vec!["run", "--name", &registry.scene.unit];
        if agent {
            args.extend(["--agent", "a-1", "--registry", &registry.url]);
        }
        args.extend(["--", "sh", "-c", "echo ${SCUPPER_REGISTRY:-none}"]);
        let out = registry.scene.scupper(&args).env("SCUPPER_REGISTRY", url).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), if given { url } else { "none" });
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn what_cannot_be_is_said_in_one_line_without_the_password() {
    let scene = Scene::new();
    for (flags, exit, said) in [
        (&["--agent", "a*b"][..], 2, "is no agent id"),
        (&["--registry", "redis://h"], 2, "--registry is for an agent"),
        (&["--agent", "a", "--registry", "redis://:s3cret@h:none"], 2, "is no registry"),
        (&["--agent", "a", "--ttl", "10ms"], 2, "cannot be kept"),
        (&["--agent", "a", "--beat", "2m"], 2, "cannot keep a lease"),
        (&["--agent", "a", "--on-lease-lost", "explode"], 2, "invalid value"),
    ] {
        fs::remove_file(scene.path("stderr")).ok();
        assert_eq!(scene.code(flags, &["true"]), exit, "{flags:?}");
        let text = scene.text("stderr");
        assert!(text.contains(said) && !text.contains("s3cret"), "{flags:?}: {text}");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
