//! A host of its own: a network namespace, and a name, for as long as this test runs.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Agent, Serve, url};
use crate::scene::{PATIENCE, Running, Scene, wait_for};

/// A host: its network, its name.
pub(super) struct Host {
    /// Ends when this test does, however it does.
    pub(super) holder: Child,
    pub(super) name: &'static str,
}

impl Host {
    pub(super) fn new(name: &'static str) -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "--uts", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let host = Self { holder, name };
        let own = fs::read_link("/proc/self/ns/uts").unwrap();
        // Both are left in one call.
        wait_for("it has a namespace", PATIENCE, || match host.space("uts").read_link() {
            Ok(space) if space != own => Ok(()),
            other => Err(format!("{other:?}")),
        });
        host.inside(|| {
            rustix::system::sethostname(name.as_bytes()).unwrap();
            ip(&["link", "set", "lo", "up"]);
        });
        host
    }

    pub(super) fn space(&self, kind: &str) -> PathBuf {
        format!("/proc/{}/ns/{kind}", self.holder.id()).into()
    }

    /// Does it there: on a thread of its own, which is all that moves.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let moved = || {
            for (kind, flag) in
                [("net", LinkNameSpaceType::Network), ("uts", LinkNameSpaceType::HostNameAndNISDomainName)]
            {
                let space = fs::File::open(self.space(kind)).unwrap();
                move_into_link_name_space(space.as_fd(), Some(flag)).unwrap();
            }
            act()
        };
        std::thread::scope(|scope| scope.spawn(moved).join().unwrap())
    }

    /// Runs a command that works until it is stopped, as an agent of this host.
    pub(super) fn agent(&self, id: &'static str, flags: &[&str]) -> Agent {
        let scene = Scene::new();
        let work = scene.path("work").display().to_string();
        let script = format!("trap 'exit 7' TERM; while :; do echo step >> {work}; sleep 0.05; done");
        let url = url();
        let all = [&["-v", "--agent", id, "--registry", &url, "--beat", "500ms"], flags].concat();
        let running = self.inside(|| scene.run(&all, &["sh", "-c", &script]));
        Agent { id, running, scene }
    }

    /// `scupper serve`, under the name that the kernel has for this host.
    pub(super) fn serve(&self) -> Serve {
        let scene = Scene::new();
        let url = url();
        let api = ["--no-listen", "--no-socket", "--no-processes"];
        let args = ["serve", "--registry", &url, "--ttl", "6s", "--log-format", "json", "--verbose"];
        let mut command = scene.scupper(&[&args[..], &api].concat());
        command.stderr(fs::File::create(scene.path("stderr")).unwrap());
        let running = self.inside(|| Running { child: command.spawn().unwrap() });
        Serve { running, scene }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

pub(super) fn ip(args: &[&str]) {
    let said = Command::new("ip").args(args).output().expect("ip of iproute2 is installed");
    assert!(said.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&said.stderr));
}
