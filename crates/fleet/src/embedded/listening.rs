//! Whether a cleanup may have begun: something was written to the durable file, which happens at transitions alone. The
//! kernel tells of it (inotify), so nothing is asked while nothing happens.

use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::error;
use super::files::Place;
use crate::StoreError;

/// How often it is asked whether it is over.
const ROUND: Duration = Duration::from_secs(5);
/// What is written is seen by others only when it is on disk: looked for so many times, so far apart.
const LOOKS: u32 = 8;
const BETWEEN: Duration = Duration::from_millis(20);

/// Until `over`, or until the file is another one: whoever listens begins again with that.
pub(super) fn listen(
    place: &Place,
    over: &dyn Fn() -> bool,
    begun: &mut dyn FnMut(),
) -> Result<(), StoreError> {
    let fault = |errno: Errno| error::io(&place.url, "listening for cleanups", errno.into());
    let mut wal = place.durable.clone().into_os_string();
    wal.push("-wal");
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(fault)?;
    let gone = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    inotify::add_watch(&watch, PathBuf::from(wal), WatchFlags::MODIFY | gone).map_err(fault)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
    let mut looks = 1;
    while !over() {
        if looks > 0 {
            looks -= 1;
            begun();
        }
        let wait = if looks > 0 { BETWEEN } else { ROUND };
        let wait = Timespec::try_from(wait).map_err(|_| fault(Errno::INVAL))?;
        match rustix::event::poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(fault(errno)),
        }
        let mut events = Reader::new(&watch, &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::MODIFY) => looks = LOOKS,
                // It was taken away, or its rights were changed.
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => return Err(fault(errno)),
            }
        }
    }
    Ok(())
}
