//! Gives back the pages of code that only the start needed.
//!
//! A wrapper lives for days beside an idle command, and many of them run on one machine. What they weigh is mostly
//! code that ran once: linking, parsing, starting. Those pages are clean and mapped from files, so they can be let go
//! of and come back by themselves if they are ever needed: `bench/own_cost.py` says what it saves.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Lets go of the code pages of this process.
pub fn release_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(code_of_a_file) {
        // SAFETY: a private, executable, not writable mapping of a file was never written to, so that its pages are
        // read from the file again when they are next touched (madvise(2), MADV_DONTNEED). Relocated data, which
        // would be lost, lies in mappings that are not executable. The range is one whole mapping of this process,
        // and a mapping that has gone in between makes the call fail.
        #[expect(unsafe_code, reason = "the kernel offers no other way; argued above")]
        let _ =
            unsafe { madvise(std::ptr::with_exposed_provenance_mut(start), length, Advice::LinuxDontNeed) };
    }
}

/// The range of a line of `/proc/self/maps` that maps code from a file.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (permissions, _offset, _device, inode) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if permissions != "r-xp" || inode == "0" {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    (length > 0).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_that_a_file_backs_is_let_go() {
        let code = "55d0-55f0 r-xp 00001000 fe:00 1234 /usr/bin/scupper";
        assert_eq!(code_of_a_file(code), Some((0x55d0, 0x20)));
        for other in [
            "7f00-7f10 r--p 00000000 fe:00 1234 /usr/bin/scupper",
            "7f00-7f10 rwxp 00000000 fe:00 1234 /usr/bin/scupper",
            "7ffd-7fff r-xp 00000000 00:00 0 [vdso]",
            "",
            "x-y r-xp 0 0 1",
        ] {
            assert_eq!(code_of_a_file(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_runs_on() {
        let before = (0..1000_u64).map(|n| n * n).sum::<u64>();
        release_code();
        assert_eq!((0..1000_u64).map(|n| n * n).sum::<u64>(), before);
    }
}
