//! Stand-in with the signatures of `scupper_supervise::shell`, until that lands. Nothing here does anything.

use std::ffi::OsString;

use scupper_model::{Event, UnitSpec};
use scupper_supervise::record::Records;

pub(crate) trait Sink {
    fn record(&mut self, event: &Event);
    fn close(&mut self);
}

pub(crate) enum ParentExit {
    Auto,
    Stop,
    Ignore,
}

pub(crate) struct Options {
    pub records: Records,
    pub parent_exit: ParentExit,
    pub watch_terminal: bool,
}

pub(crate) type Reload = Box<dyn FnMut() -> Result<Vec<UnitSpec>, String>>;

#[derive(Debug, thiserror::Error)]
#[error("the shell has not landed")]
pub(crate) struct SuperviseError;

impl SuperviseError {
    pub(crate) fn exit_code(&self) -> u8 {
        125
    }
}

pub(crate) fn guarded() -> bool {
    true
}

pub(crate) fn guard(_argv: Vec<OsString>) -> i32 {
    125
}

pub(crate) fn is_launch(_argv: &[OsString]) -> bool {
    false
}

pub(crate) fn launch(_argv: Vec<OsString>) -> i32 {
    125
}

pub(crate) fn supervise(
    _units: Vec<UnitSpec>,
    _options: Options,
    mut sink: Box<dyn Sink>,
    _reload: Option<Reload>,
) -> Result<u8, SuperviseError> {
    sink.close();
    Err(SuperviseError)
}

pub(crate) mod foreign {
    use std::io;
    use std::process::{Child, Command};

    pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
        command.spawn()
    }
}

pub(crate) mod clock {
    use scupper_model::Timestamp;

    #[expect(clippy::disallowed_methods, reason = "stand-in for the edge")]
    pub(crate) fn wall() -> Timestamp {
        Timestamp::from_system(std::time::SystemTime::now())
    }
}
