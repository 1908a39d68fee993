//! Gives back the pages of programs that only the last piece of work needed.
//!
//! A wrapper lives for days beside an idle command, and many of them run on one machine. What they weigh is mostly code
//! and constants that ran once: linking, parsing, starting, and the last look. Those pages are clean and mapped from
//! files, so they can be let go of whenever there is nothing to do for a while, and come back by themselves when they
//! are needed. `bench/mcp.py memory` says what it saves.

use std::fs;

use rustix::mm::{Advice, madvise};

/// The clean pages of this process's program and libraries, found when they are first let go of.
#[derive(Debug, Default)]
pub struct Program {
    /// Start and length of each stretch of whole mappings.
    clean: Option<Vec<(usize, usize)>>,
}

impl Program {
    /// Lets go of them.
    pub fn release(&mut self) {
        let clean = self.clean.get_or_insert_with(|| {
            fs::read_to_string("/proc/self/smaps").map(|maps| clean_ranges(&maps)).unwrap_or_default()
        });
        for &(start, length) in clean.iter() {
            // SAFETY: private mappings of files, not writable, of which no page was ever written (`Anonymous` and `Swap`
            // were 0, and nobody can write there since): their pages are read from the file again when they are next
            // touched (madvise(2), MADV_DONTNEED). Relocated data, which would be lost, lies in mappings that have
            // written pages. They are of this program and its libraries, which stay mapped until it ends: nothing here
            // calls dlclose(3), nor munmap(2) on a program's mapping.
            #[expect(unsafe_code, reason = "the kernel offers no other way; argued above")]
            let _ = unsafe {
                madvise(std::ptr::with_exposed_provenance_mut(start), length, Advice::LinuxDontNeed)
            };
        }
    }
}

/// One mapping of `/proc/self/smaps`.
#[derive(Debug, Default)]
struct Mapping<'a> {
    start: usize,
    length: usize,
    permissions: &'a str,
    /// Device and inode.
    file: (&'a str, &'a str),
    written: Option<bool>,
}

/// The mappings of programs and libraries of which nothing was written; those side by side are one.
fn clean_ranges(smaps: &str) -> Vec<(usize, usize)> {
    let mut mappings: Vec<Mapping<'_>> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = header(line) {
            mappings.push(mapping);
        } else if let (Some(mapping), Some(kilobytes)) = (mappings.last_mut(), written_kilobytes(line)) {
            mapping.written = Some(mapping.written == Some(true) || kilobytes != "0");
        }
    }
    let is_program = |mapping: &Mapping<'_>| mapping.permissions == "r-xp" && mapping.file.1 != "0";
    let programs: Vec<_> = mappings.iter().filter(|m| is_program(m)).map(|m| m.file).collect();
    let clean = |m: &&Mapping<'_>| {
        matches!(m.permissions, "r-xp" | "r--p") && programs.contains(&m.file) && m.written == Some(false)
    };
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for mapping in mappings.iter().filter(clean) {
        match ranges.last_mut() {
            Some((start, length)) if *start + *length == mapping.start => *length += mapping.length,
            _ => ranges.push((mapping.start, mapping.length)),
        }
    }
    ranges
}

/// The line that begins a mapping: `START-END PERMISSIONS OFFSET DEVICE INODE PATH`.
fn header(line: &str) -> Option<Mapping<'_>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (permissions, _offset, device, inode) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start).filter(|length| *length > 0)?;
    Some(Mapping { start, length, permissions, file: (device, inode), written: None })
}

/// What a line says of pages that are the process's own, in memory or swapped out.
fn written_kilobytes(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Anonymous:").or_else(|| line.strip_prefix("Swap:"))?;
    rest.trim().strip_suffix("kB").map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(range: &str, permissions: &str, inode: &str, anonymous: &str, swap: &str) -> String {
        format!(
            "{range} {permissions} 00001000 fe:00 {inode} /usr/bin/scupper\nSize: 64 kB\n\
             Anonymous:             {anonymous} kB\nSwap:                  {swap} kB\nVmFlags: rd mr\n"
        )
    }

    #[test]
    fn what_was_never_written_of_a_program_is_let_go() {
        let smaps = [
            mapping("1000-2000", "r--p", "12", "0", "0"),
            mapping("2000-4000", "r-xp", "12", "0", "0"),
            // Relocated, in memory or in swap.
            mapping("4000-5000", "r--p", "12", "8", "0"),
            mapping("5000-6000", "r--p", "12", "0", "4"),
            mapping("6000-7000", "rw-p", "12", "0", "0"),
            // A file that is no program of ours, and no file.
            mapping("7000-8000", "r--p", "99", "0", "0"),
            mapping("8000-9000", "r-xp", "0", "0", "0"),
        ];
        assert_eq!(clean_ranges(&smaps.concat()), [(0x1000, 0x3000)]);
        let apart =
            [mapping("1000-2000", "r-xp", "12", "0", "0"), mapping("3000-4000", "r--p", "12", "0", "0")];
        assert_eq!(clean_ranges(&apart.concat()), [(0x1000, 0x1000), (0x3000, 0x1000)]);
    }

    #[test]
    fn what_is_not_said_is_not_let_go() {
        let silent = "1000-2000 r-xp 00001000 fe:00 12 /usr/bin/scupper\nSize: 64 kB\n";
        for text in
            [silent, "", "x-y r-xp 0 0 1\nAnonymous: 0 kB\n", "2000-1000 r-xp 0 0 1\nAnonymous: 0 kB\n"]
        {
            assert_eq!(clean_ranges(text), [], "{text}");
        }
    }

    #[test]
    fn the_program_runs_on() {
        let before = (0..1000_u64).map(|n| n * n).sum::<u64>();
        let text = format!("{:?}", std::env::vars().next());
        let mut program = Program::default();
        program.release();
        program.release();
        assert!(program.clean.is_some_and(|clean| !clean.is_empty()));
        assert_eq!((0..1000_u64).map(|n| n * n).sum::<u64>(), before);
        assert_eq!(format!("{:?}", std::env::vars().next()), text);
    }
}
