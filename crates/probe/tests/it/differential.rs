//! The crate procfs and this one read the same processes and have to agree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use procfs::process::Process as Other;
use rustix::process::{Signal, kill_process};
use scupper_model::{Bytes, Pid};
use scupper_probe::{Detail, Proc, pss};

use crate::support::{Guarded, live, pid, wait_until};

/// Compares what does not change while a process lives. `None` where it ended, or became another, in between.
fn compare(proc_: &Proc, pid: Pid) -> Option<()> {
    let before = proc_.stat(pid).unwrap()?;
    let other = Other::new(pid.get()).ok()?;
    let theirs = other.stat().ok()?;
    let cmdline = other.cmdline();
    let our_cmdline = proc_.command_line(pid).unwrap()?;
    let cgroups = other.cgroups();
    let our_cgroups = proc_.cgroup_paths(pid).unwrap()?;
    let uid = proc_.uid(pid).unwrap()?;
    let status = other.status().ok()?;
    let after = proc_.stat(pid).unwrap()?;
    if (&before.name, before.parent, before.group) != (&after.name, after.parent, after.group)
        || before.start_time != after.start_time
        || before.is_zombie() != after.is_zombie()
    {
        return None;
    }
    assert_eq!(String::from_utf8_lossy(&before.name), theirs.comm);
    assert_eq!(before.parent.map_or(0, Pid::get), theirs.ppid);
    assert_eq!((before.group, before.session), (theirs.pgrp, theirs.session));
    assert_eq!((before.tty, before.start_time.0), (theirs.tty_nr, theirs.starttime));
    assert!((before.user_ticks..=after.user_ticks).contains(&theirs.utime));
    assert!((before.system_ticks..=after.system_ticks).contains(&theirs.stime));
    assert_eq!(uid, status.ruid);
    if let (Ok(cmdline), Some(again)) = (cmdline, proc_.command_line(pid).unwrap())
        && again == our_cmdline
    {
        let ours: Vec<_> = our_cmdline.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        assert_eq!(ours, cmdline);
    }
    if let (Ok(cgroups), Some(again)) = (cgroups, proc_.cgroup_paths(pid).unwrap())
        && again == our_cgroups
    {
        let ours: Vec<_> =
            our_cgroups.iter().map(|c| (c.hierarchy, c.path.to_string_lossy().into_owned())).collect();
        let theirs: Vec<_> = cgroups.0.into_iter().map(|c| (c.hierarchy, c.pathname)).collect();
        assert_eq!(ours, theirs);
    }
    Some(())
}

#[test]
fn every_process_of_this_machine_reads_alike() {
    let proc_ = live();
    let compared = proc_.pids().unwrap().into_iter().filter_map(|pid| compare(&proc_, pid)).count();
    assert!(compared > 0);
}

#[test]
fn a_stopped_process_reads_alike_in_every_number() {
    let proc_ = live();
    let child = Guarded::spawn(Command::new("sleep").arg("60").env("A", "1").env("B", "x=y"));
    let raw = rustix::process::Pid::from_raw(child.pid().get()).unwrap();
    wait_until("asleep", || proc_.stat(child.pid()).unwrap().unwrap().state == b'S');
    kill_process(raw, Signal::STOP).unwrap();
    wait_until("stopped", || proc_.stat(child.pid()).unwrap().unwrap().state == b'T');
    compare(&proc_, child.pid()).unwrap();
    let other = Other::new(child.pid().get()).unwrap();
    let (ours, theirs) = (proc_.stat(child.pid()).unwrap().unwrap(), other.stat().unwrap());
    assert_eq!(char::from(ours.state), theirs.state);
    assert_eq!((ours.rss_pages, i64::try_from(ours.threads).unwrap()), (theirs.rss, theirs.num_threads));
    assert_eq!(ours.exit_code, theirs.exit_code);

    let all = Detail { memory_split: true, fds: true, sockets: true, pss: true };
    let sample = proc_.process(child.pid()).unwrap().unwrap().sample(&proc_, all).unwrap().unwrap();
    let status = other.status().unwrap();
    let kb = |value: Option<u64>| value.map(|kb| Bytes(kb * 1024));
    assert_eq!(sample.rss_bytes, Some(Bytes(other.statm().unwrap().resident * proc_.page_size())));
    assert_eq!((sample.rss_anon_bytes, sample.swap_bytes), (kb(status.rssanon), kb(status.vmswap)));
    assert_eq!(sample.fds, u64::try_from(other.fd_count().unwrap()).ok());
    assert_eq!(proc_.ignored_signals(child.pid()).unwrap(), Some(status.sigign));
    // Sent to who is stopped, it waits.
    assert_eq!(proc_.pending_signals(child.pid()).unwrap(), Some(0));
    kill_process(raw, Signal::STOP).unwrap();
    assert_eq!(proc_.pending_signals(child.pid()).unwrap(), Some(1 << 18));
    assert_eq!(other.status().unwrap().shdpnd, 1 << 18);
    assert_eq!(proc_.executable(child.pid()).unwrap(), other.exe().ok());
    assert_eq!(proc_.working_directory(child.pid()).unwrap(), other.cwd().ok());
    let environment = other.environ().unwrap();
    for entry in proc_.environment(child.pid()).unwrap().unwrap() {
        let equals = entry.iter().position(|&b| b == b'=').unwrap();
        let (name, value) = (OsStr::from_bytes(&entry[..equals]), OsStr::from_bytes(&entry[equals + 1..]));
        assert_eq!(environment.get(name).map(AsRef::as_ref), Some(value));
    }
    // Its part of a shared page changes with who else has it, and other programs start and end meanwhile: the same is read
    // once nobody did between the two.
    wait_until("both read the same", || {
        let (one, rollup) = (pss(&proc_, child.pid()).unwrap().unwrap(), other.smaps_rollup().unwrap());
        one.0 == rollup.memory_map_rollup.0[0].extension.map["Pss"]
    });
    assert!(proc_.children(pid(std::process::id().try_into().unwrap())).unwrap().is_some());
}
