//! Whether the other end of one pipe is open, asked of the kernel itself. A snapshot knows the holders it may see; this
//! also knows of those that it may not.
//!
//! **Side effect.** Each question opens the pipe a second time, and closes it at once. For that instant the pipe has one
//! more reader (or writer): a write that would have met nobody is taken and lost instead of refused, and an end of input
//! is seen that instant later. No byte is read or written. Only pipes without a name are opened so: to open a FIFO or a
//! device could wake or block somebody.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use scupper_model::Pid;

use crate::root::of;
use crate::{ProbeError, Proc, file, parse};

/// Whether anybody can still write to the pipe that a descriptor of a process reads from. `None` where the process or the
/// descriptor is gone, or is no pipe without a name.
///
/// # Errors
/// [`ProbeError::Denied`] for the descriptors of somebody else.
pub fn pipe_has_writer(proc_: &Proc, pid: Pid, fd: u32) -> Result<Option<bool>, ProbeError> {
    other_end(proc_, pid, fd, OFlags::RDONLY, PollFlags::IN, PollFlags::HUP)
}

/// Whether anybody can still read from the pipe that a descriptor of a process writes to; the same otherwise.
///
/// # Errors
/// [`ProbeError::Denied`] for the descriptors of somebody else.
pub fn pipe_has_reader(proc_: &Proc, pid: Pid, fd: u32) -> Result<Option<bool>, ProbeError> {
    // A FIFO without a reader would refuse to be opened; a pipe without a name does not, and says so when it is polled.
    other_end(proc_, pid, fd, OFlags::WRONLY, PollFlags::OUT, PollFlags::ERR)
}

fn other_end(
    proc_: &Proc,
    pid: Pid,
    fd: u32,
    access: OFlags,
    ask: PollFlags,
    gone: PollFlags,
) -> Result<Option<bool>, ProbeError> {
    let is_pipe = |target: std::path::PathBuf| pipe_inode(target.as_os_str().as_encoded_bytes()).is_some();
    if !proc_.is_the_kernels() || !proc_.descriptor_target(pid, fd)?.is_some_and(is_pipe) {
        return Ok(None);
    }
    let path = of(pid, &format!("fd/{fd}"));
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = file::retry(|| rustix::fs::openat(proc_.fd(), &path, flags, Mode::empty()));
    let Some(pipe) = proc_.gone("open", &path, opened)? else { return Ok(None) };
    let failed = |errno| ProbeError::new("poll", proc_.path().join(&path), errno);
    // The number may have changed hands between the two.
    let stat = rustix::fs::fstat(&pipe).map_err(failed)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Fifo {
        return Ok(None);
    }
    let mut asked = [PollFd::new(&pipe, ask)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    file::retry(|| poll(&mut asked, Some(&at_once))).map_err(failed)?;
    let [asked] = asked;
    Ok(Some(!asked.revents().contains(gone)))
}

/// The inode of a pipe without a name.
pub(crate) fn pipe_inode(target: &[u8]) -> Option<u64> {
    parse::number(target.strip_prefix(b"pipe:[")?.strip_suffix(b"]")?)
}
