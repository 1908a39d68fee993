//! What this machine lets Scupper do, each ability found out by itself and without changing anything.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use scupper_model::Pid;

use crate::cgroup::{self, CgroupPath, Mounts};
use crate::{Proc, pidfd};

/// One ability, as `scupper doctor` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// A short name that stays the same.
    pub name: &'static str,
    /// Whether it is there.
    pub available: bool,
    /// What was found, or what was in the way.
    pub detail: String,
    /// What Scupper cannot do without it.
    pub lost_without: &'static str,
}

/// Finds out all of them, of the calling process.
pub fn all(proc_: &Proc) -> Vec<Ability> {
    let own = u32::try_from(getpid().as_raw_nonzero().get()).ok();
    let me = own.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::new).unwrap_or(Pid::INIT);
    let mounts = Mounts::read(proc_).unwrap_or_default();
    let paths = proc_.cgroup_paths(me).ok().flatten().unwrap_or_default();
    let mut abilities = of_cgroups(&mounts, &paths);
    abilities.extend(of_pidfds());
    abilities.extend(of_proc(proc_, me));
    abilities
}

fn of_cgroups(mounts: &Mounts, paths: &[CgroupPath]) -> Vec<Ability> {
    let own = cgroup::own_v2(mounts, paths);
    let own_v1 = cgroup::own_v1_memory(mounts, paths);
    let writable = own.as_deref().map(can_make_groups);
    let controllers =
        own.as_deref().and_then(|own| cgroup::controllers(own).ok().flatten()).unwrap_or_default();
    let counter = cgroup::oom_counter(mounts, paths);
    vec![
        Ability {
            name: "cgroup2",
            available: own.is_some(),
            detail: describe(own.as_deref(), "no cgroup v2 hierarchy shows this process"),
            lost_without: "membership that no double fork escapes; the subreaper and the environment mark remain",
        },
        Ability {
            name: "cgroup2_writable",
            available: writable == Some(Ok(())),
            detail: match writable {
                Some(Ok(())) => describe(own.as_deref(), ""),
                Some(Err(why)) => why,
                None => "no cgroup v2 hierarchy".to_owned(),
            },
            lost_without: "a cgroup of its own for each unit",
        },
        of_file(
            own.as_deref(),
            "cgroup.kill",
            (5, 14),
            "ending a whole unit at once, forks in flight included",
        ),
        of_file(own.as_deref(), "cgroup.freeze", (5, 2), "holding a unit still while its members are listed"),
        Ability {
            name: "cgroup2_memory",
            available: controllers.iter().any(|name| name == "memory"),
            detail: format!("controllers: {}", join_or(&controllers, "none")),
            lost_without: "limits and counters of cgroup v2; Scupper's own limits do not need them",
        },
        Ability {
            name: "cgroup1_memory",
            available: own_v1.is_some(),
            detail: describe(own_v1.as_deref(), "no cgroup v1 memory hierarchy shows this process"),
            lost_without: "limits and counters of cgroup v1, which few machines still use",
        },
        Ability {
            name: "oom_kill_counter",
            available: counter.is_some(),
            detail: counter.map_or_else(
                || "no memory cgroup with a counter".to_owned(),
                |counter| format!("{} in {}", counter.count, counter.cgroup.display()),
            ),
            lost_without: "proof that a SIGKILL came from the kernel's OOM killer",
        },
    ]
}

/// A file that every cgroup but the root has: looked for in the own one and in one below it, else told by the kernel's
/// version.
fn of_file(own: Option<&Path>, name: &'static str, since: (u32, u32), lost_without: &'static str) -> Ability {
    let (available, detail) = match own {
        None => (false, "no cgroup v2 hierarchy".to_owned()),
        Some(own) => {
            let below = std::fs::read_dir(own).into_iter().flatten().flatten().map(|entry| entry.path());
            let found =
                std::iter::once(own.to_owned()).chain(below).map(|d| d.join(name)).find(|f| f.exists());
            found.map_or_else(
                || {
                    let (version, text) = kernel();
                    (version >= since, format!("not looked at in the root cgroup; kernel {text}"))
                },
                |file| (true, file.display().to_string()),
            )
        }
    };
    Ability { name, available, detail, lost_without }
}

fn of_pidfds() -> Vec<Ability> {
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty());
    let (version, text) = kernel();
    let has_info = pidfd.as_ref().is_ok_and(|pidfd| pidfd::has_info(pidfd.as_fd()));
    let subreaper = rustix::process::child_subreaper();
    vec![
        Ability {
            name: "pidfd",
            available: pidfd.is_ok(),
            detail: pidfd.err().map_or_else(|| format!("kernel {text}"), |errno| errno.to_string()),
            lost_without: "signals that cannot reach a stranger with the same number: nothing is ended without it",
        },
        Ability {
            name: "pidfd_exit_info",
            available: has_info && version >= (6, 15),
            detail: format!("kernel {text}, needs 6.15"),
            lost_without: "how a process ended that is no child of Scupper; its certificate says unknown",
        },
        Ability {
            name: "child_subreaper",
            available: subreaper.is_ok(),
            detail: subreaper.err().map_or_else(String::new, |errno| errno.to_string()),
            lost_without: "processes that fork away from a unit where it has no cgroup",
        },
    ]
}

fn of_proc(proc_: &Proc, me: Pid) -> Vec<Ability> {
    let children = proc_.children(me);
    let pss = crate::pss(proc_, me);
    let pressure = proc_.read_global("pressure/memory", 4096);
    let strangers = proc_.environment_value(Pid::INIT, "");
    vec![
        Ability {
            name: "children_files",
            available: matches!(children, Ok(Some(_))),
            detail: explain(&children),
            lost_without: "cheap walks of a tree; each walk then passes over all of /proc",
        },
        Ability {
            name: "fd_count_by_stat",
            available: proc_.counts_descriptors_by_stat(),
            detail: if proc_.counts_descriptors_by_stat() {
                String::new()
            } else {
                "needs kernel 6.2".to_owned()
            },
            lost_without: "cheap counts of descriptors; they are listed instead",
        },
        Ability {
            name: "smaps_rollup",
            available: matches!(pss, Ok(Some(_))),
            detail: explain(&pss),
            lost_without: "proportional set size; near a limit the sum of resident sizes decides",
        },
        Ability {
            name: "pressure",
            available: pressure.is_ok(),
            detail: explain(&pressure),
            lost_without: "pressure of the host as context in reports",
        },
        Ability {
            name: "other_processes",
            available: strangers.is_ok(),
            detail: explain(&strangers),
            lost_without: "marks and descriptors of processes that belong to others; the own tree needs no ptrace",
        },
    ]
}

fn can_make_groups(directory: &Path) -> Result<(), String> {
    for (path, access) in [
        (directory.to_owned(), Access::WRITE_OK | Access::EXEC_OK),
        (directory.join("cgroup.procs"), Access::WRITE_OK),
    ] {
        rustix::fs::accessat(rustix::fs::CWD, &path, access, AtFlags::EACCESS)
            .map_err(|errno| format!("{}: {errno}", path.display()))?;
    }
    Ok(())
}

/// The first two numbers of the kernel's version, and all of it as text.
fn kernel() -> ((u32, u32), String) {
    let text = rustix::system::uname().release().to_string_lossy().into_owned();
    (parse_version(&text), text)
}

fn parse_version(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn describe(path: Option<&Path>, absent: &str) -> String {
    path.map_or_else(|| absent.to_owned(), |path| path.display().to_string())
}

fn join_or(words: &[String], absent: &str) -> String {
    if words.is_empty() { absent.to_owned() } else { words.join(" ") }
}

/// An error with what caused it, for people.
fn explain<T>(answer: &Result<T, crate::ProbeError>) -> String {
    use std::error::Error as _;
    match answer {
        Ok(_) => String::new(),
        Err(error) => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse_version("6.18.44-fc-v595"), (6, 18));
        assert_eq!(parse_version("5.4"), (5, 4));
        assert_eq!(parse_version(""), (0, 0));
        assert!(parse_version("6.2.0") < (6, 15));
    }
}
