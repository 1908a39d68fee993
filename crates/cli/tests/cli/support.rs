//! A scupper in directories of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scupper_model::{
    Bytes, Identity, Limits, Pid, Policy, Profile, RECORD_SCHEMA, RunId, Size, StartTime, Timestamp,
    UnitPhase, UnitRecord,
};
use scupper_supervise::record::Records;
use tempfile::TempDir;

/// Directories that no other test and no real scupper uses.
pub(crate) struct Sandbox {
    pub(crate) root: TempDir,
}

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scupper"));
        command.args(arguments).current_dir(self.root.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root.path()).env("XDG_RUNTIME_DIR", self.root.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        Answer {
            code: status.code().expect("ended by a signal"),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    pub(crate) fn records(&self) -> Records {
        let uid = rustix::process::geteuid().as_raw();
        Records::open(&self.path("scupper"), uid).unwrap()
    }

    pub(crate) fn evidence(&self) -> PathBuf {
        self.path(".local/state/scupper/evidence.sqlite")
    }
}

/// A record of a unit whose supervisor is this process, as far as `start_time` is right.
pub(crate) fn record(unit: &str, supervisor: Identity) -> UnitRecord {
    UnitRecord {
        schema: RECORD_SCHEMA.to_owned(),
        unit: unit.parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(7)),
        supervisor,
        guardian: None,
        main: None,
        command: "gunicorn app:app".to_owned(),
        cgroup: None,
        profile: Profile::Web,
        policy: Policy::Kill,
        limits: Limits { mem_soft: Some(Size::Absolute(Bytes::mib(450))), ..Limits::default() },
        agent: None,
        keep: Vec::new(),
        grace: std::time::Duration::from_secs(1),
        phase: UnitPhase::Running,
        starts: 1,
        written_at: Timestamp(0),
    }
}

/// This test's own identity.
pub(crate) fn myself() -> Identity {
    let proc_ = scupper_probe::Proc::open(Path::new("/proc")).unwrap();
    let pid = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
    proc_.identify(pid).unwrap().unwrap()
}

/// Somebody who had this test's number before it.
pub(crate) fn predecessor() -> Identity {
    Identity { start_time: StartTime(1), ..myself() }
}
