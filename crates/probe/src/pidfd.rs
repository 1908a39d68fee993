//! Pidfds: a hold on one process and no other, and how it ended even where it is no child of ours.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, opcode};
use rustix::process::{PidfdFlags, pidfd_open};
use scupper_model::Identity;

use crate::error::is_gone;
use crate::{ProbeError, Proc};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitInfo {
    /// The exit code, 0 to 255, where it exited.
    pub code: Option<i32>,
    /// The signal, where one ended it.
    pub signal: Option<i32>,
    /// Whether a core file was written.
    pub core_dumped: bool,
}

impl ExitInfo {
    /// Reads a wait status as wait(2) gives it.
    pub const fn from_wait_status(status: i32) -> Self {
        let signal = status & 0x7f;
        if signal == 0 {
            Self { code: Some((status >> 8) & 0xff), signal: None, core_dumped: false }
        } else {
            Self { code: None, signal: Some(signal), core_dumped: status & 0x80 != 0 }
        }
    }
}

/// Opens a pidfd and then makes sure of whom it holds. `None` where the process is gone, or its number is somebody
/// else's by now.
///
/// Opened first and checked second: the identity existed before the descriptor did, so if the number still is its
/// number afterwards, it was in between.
pub fn open(proc_: &Proc, identity: &Identity) -> Result<Option<OwnedFd>, ProbeError> {
    if identity.boot_id != proc_.boot_id() {
        return Ok(None);
    }
    let Some(pid) = rustix::process::Pid::from_raw(identity.pid.get()) else { return Ok(None) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(errno) if is_gone(errno) => return Ok(None),
        Err(errno) => {
            let path = proc_.path().join(identity.pid.to_string());
            return Err(ProbeError::new("open a pidfd of", path, errno));
        }
    };
    Ok(proc_.is_same(identity)?.then_some(pidfd))
}

/// Whether the process has ended; it may still be a zombie. `false` also where that could not be found out.
pub fn has_exited(pidfd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        match poll(&mut fds, Some(&at_once)) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP),
        }
    }
}

/// How a process ended, whoever's child it was. The kernel keeps it (6.15 and later) from the moment its parent has
/// waited for it, for as long as a pidfd that was opened before is held. `None` before that, and on older kernels.
pub fn exit_status(pidfd: BorrowedFd<'_>) -> Option<ExitInfo> {
    let info = info(pidfd, INFO_EXIT).ok()?;
    (info.mask & INFO_EXIT != 0).then(|| ExitInfo::from_wait_status(info.exit_code))
}

/// Whether the kernel answers `PIDFD_GET_INFO` at all (6.13 and later).
pub(crate) fn has_info(pidfd: BorrowedFd<'_>) -> bool {
    info(pidfd, 0).is_ok()
}

const INFO_EXIT: u64 = 1 << 3;
const GET_INFO: Opcode = opcode::read_write::<Info>(0xff, 11);

/// `struct pidfd_info` of linux/pidfd.h in its first published size, which later kernels take too.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Info {
    mask: u64,
    cgroup_id: u64,
    /// pid, tgid, ppid and eight user and group ids.
    ids: [u32; 11],
    /// A spare field until 6.15.
    exit_code: i32,
}

const _: () = assert!(size_of::<Info>() == 64, "PIDFD_INFO_SIZE_VER0");

#[expect(
    unsafe_code,
    reason = "rustix has no safe call for this ioctl. The kernel writes at most the 64 bytes whose size is part of the \
              request number, every bit pattern is a valid `Info`, and other descriptors answer ENOTTY or EINVAL"
)]
fn info(pidfd: BorrowedFd<'_>, mask: u64) -> Result<Info, Errno> {
    let mut info = Info { mask, ..Info::default() };
    // SAFETY: see the reason above; `info` outlives the call.
    unsafe {
        let request = Updater::<GET_INFO, Info>::new(&mut info);
        rustix::ioctl::ioctl(pidfd, request)?;
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_wait_status_is_a_code_or_a_signal() {
        let code = ExitInfo { code: Some(7), signal: None, core_dumped: false };
        assert_eq!(ExitInfo::from_wait_status(7 << 8), code);
        let killed = ExitInfo { code: None, signal: Some(9), core_dumped: false };
        assert_eq!(ExitInfo::from_wait_status(9), killed);
        let dumped = ExitInfo { code: None, signal: Some(11), core_dumped: true };
        assert_eq!(ExitInfo::from_wait_status(0x8b), dumped);
    }

    #[test]
    fn the_request_number_is_the_one_of_the_header() {
        // _IOWR(0xFF, 11, 64 bytes) where the direction has two bits: x86-64, arm64, riscv.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
        assert_eq!(u64::from(GET_INFO), 0xc040_ff0b);
    }

    #[test]
    fn a_file_is_no_pidfd() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(exit_status(file.as_fd()), None);
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(exit_status(reader.as_fd()), None);
    }
}
