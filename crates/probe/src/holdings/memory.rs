//! Memory by kind, from `smaps`: what grows is most often a heap, and sometimes a stack, an arena or shared memory.
//!
//! The kernel names `[heap]` and `[stack]` and no other anonymous mapping. What is a thread's stack or an arena of the C
//! library is told by how they are laid out. A stack lies behind a guard that nobody may touch. An arena consists of heaps
//! (`new_heap()` of glibc's malloc/arena.c): each begins at a multiple of 64 MiB, is reserved to the next one without a
//! claim to swap (`MAP_NORESERVE`, `nr` among its flags), and is opened as it fills. Full ones look like one mapping with
//! the next. That flag tells them from the heap of a Go program, which is laid out alike.
//!
//! Where none of it can be told (a fixture without flags, another C library, a host that reserves strictly), arenas are
//! among the anonymous mappings, and that word is true of them.

use std::collections::BTreeMap;

use scupper_model::{MemoryKind, Pid};

use super::{Bounds, Holdings, Part, why};
use crate::root::{STATUS_LIMIT, of};
use crate::{Proc, file, parse};

/// Bytes by kind.
pub type MemoryByKind = BTreeMap<MemoryKind, u64>;

/// Arenas of the C library begin at a multiple of this, and reserve so much.
const ARENA: u64 = 64 << 20;
/// A guard is no larger, and a stack no smaller.
const GUARD: u64 = 64 << 10;

/// Reads it. Where the mappings cannot be read, or are too many, what `status` says remains.
pub(super) fn read(
    proc_: &Proc,
    pid: Pid,
    threads: Option<usize>,
    bounds: Bounds<'_>,
    holdings: &mut Holdings,
) {
    let mut mappings = Mappings::new(threads);
    let (mut left, mut whole, mut any) = (bounds.memory_text, true, false);
    let answer = file::each_line(proc_.fd(), &of(pid, "smaps"), |line| {
        whole = left > line.len() && (bounds.goes_on)();
        left = left.saturating_sub(line.len());
        if whole {
            any = true;
            mappings.line(line);
        }
        whole
    });
    let unread = match answer {
        // A process has mappings; who has none has ended, or is a thread of the kernel.
        Ok(()) if whole && !any => "the kernel shows no memory of it".to_owned(),
        Ok(()) if whole => {
            holdings.memory = mappings.finish();
            return;
        }
        Ok(()) => "it has more mappings than can be read in time".to_owned(),
        Err(errno) => why(&crate::ProbeError::new("read", proc_.path().join(of(pid, "smaps")), errno)),
    };
    holdings.not_read(Part::Memory, unread);
    if let Ok(Some(status)) = proc_.read(pid, "status", STATUS_LIMIT) {
        let kinds =
            [("RssFile", MemoryKind::File), ("RssShmem", MemoryKind::Shared), ("VmSwap", MemoryKind::Swap)];
        for (key, kind) in kinds {
            holdings.memory.extend(parse::kilobytes(&status.bytes, key).map(|bytes| (kind, bytes.0)));
        }
    }
}

/// The text of a `smaps` by kind.
#[cfg(test)]
fn by_kind(smaps: &[u8], threads: Option<usize>) -> MemoryByKind {
    let mut mappings = Mappings::new(threads);
    parse::lines(smaps).for_each(|line| mappings.line(line));
    mappings.finish()
}

/// One mapping.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    /// Whether nobody may touch it.
    closed: bool,
    kind: Kind,
    rss: u64,
    anonymous: u64,
    /// Whether it has no claim to swap.
    unclaimed: bool,
}

/// What may be heaps of an arena, until what lies behind is known.
#[derive(Clone, Copy, Debug)]
struct Heaps {
    mapping: Mapping,
    /// Whether it may be a stack instead.
    stack: bool,
    /// Where what was reserved behind it ends.
    reserved: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// This it is.
    Known(MemoryKind),
    /// A file: what was written of it is its own.
    OfFile,
    /// Without a name: how it is laid out tells.
    Unnamed,
    /// Neither the process' nor anybody's: `[vdso]`.
    Nobody,
}

struct Mappings {
    found: MemoryByKind,
    /// Memory and number of what looks like a stack.
    stacks: (u64, usize),
    threads: Option<usize>,
    before: Option<Mapping>,
    current: Option<Mapping>,
    heaps: Option<Heaps>,
    /// Memory of what would be heaps that are full, and whether others are heaps for certain.
    full: u64,
    has_arenas: bool,
}

impl Mappings {
    fn new(threads: Option<usize>) -> Self {
        Self {
            found: MemoryKind::ALL.into_iter().map(|kind| (kind, 0)).collect(),
            stacks: (0, 0),
            threads,
            before: None,
            current: None,
            heaps: None,
            full: 0,
            has_arenas: false,
        }
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(mapping) = header(line) {
            self.next(Some(mapping));
        } else if let Some(current) = &mut self.current {
            if let Some(bytes) = amount(line, b"Rss:") {
                current.rss = bytes;
            } else if let Some(bytes) = amount(line, b"Anonymous:") {
                current.anonymous = bytes;
            } else if let Some(bytes) = amount(line, b"Swap:") {
                self.add(MemoryKind::Swap, bytes);
            } else if let Some(flags) = line.strip_prefix(b"VmFlags:") {
                current.unclaimed = flags.split(u8::is_ascii_whitespace).any(|flag| flag == b"nr");
            }
        }
    }

    fn next(&mut self, next: Option<Mapping>) {
        let done = self.current.take();
        if let Some(mapping) = done {
            self.reserves_or_settles(&mapping);
            let stack = is_stack(self.before.as_ref(), &mapping);
            match mapping.kind {
                Kind::Known(kind) => self.add(kind, mapping.rss),
                Kind::OfFile => {
                    self.add(MemoryKind::Anonymous, mapping.anonymous);
                    self.add(MemoryKind::File, mapping.rss.saturating_sub(mapping.anonymous));
                }
                Kind::Unnamed if may_be_heaps(&mapping) => {
                    self.heaps = Some(Heaps { mapping, stack, reserved: mapping.end });
                }
                Kind::Unnamed => self.unnamed(mapping.rss, stack),
                Kind::Nobody => {}
            }
        }
        self.before = done;
        self.current = next;
    }

    /// What lies behind heaps says whether they are some.
    fn reserves_or_settles(&mut self, mapping: &Mapping) {
        match &mut self.heaps {
            Some(heaps)
                if mapping.closed && mapping.kind == Kind::Unnamed && mapping.start == heaps.reserved =>
            {
                heaps.reserved = mapping.end;
            }
            _ => self.settle(),
        }
    }

    fn settle(&mut self) {
        let Some(Heaps { mapping, stack, reserved }) = self.heaps.take() else { return };
        // To the end of the last of them. A guard that lies behind that looks like a part of it.
        let end = mapping.end.checked_next_multiple_of(ARENA).unwrap_or(u64::MAX);
        if mapping.end == end {
            self.full = self.full.saturating_add(mapping.rss);
        } else if reserved >= end {
            self.has_arenas = true;
            self.add(MemoryKind::Arena, mapping.rss);
        } else {
            self.unnamed(mapping.rss, stack);
        }
    }

    fn unnamed(&mut self, bytes: u64, stack: bool) {
        if stack {
            self.stacks = (self.stacks.0.saturating_add(bytes), self.stacks.1 + 1);
        } else {
            self.add(MemoryKind::Anonymous, bytes);
        }
    }

    fn add(&mut self, kind: MemoryKind, bytes: u64) {
        let sum = self.found.entry(kind).or_insert(0);
        *sum = sum.saturating_add(bytes);
    }

    fn finish(mut self) -> MemoryByKind {
        self.next(None);
        self.settle();
        // Of an arena all heaps are full but its last, as a rule. Without any that is not, these are somebody's blocks.
        self.add(if self.has_arenas { MemoryKind::Arena } else { MemoryKind::Anonymous }, self.full);
        // More than there are threads: some runtime guards its heap in the same way, and nobody can tell which are which.
        let (bytes, count) = self.stacks;
        let plausible = self.threads.is_some_and(|threads| count <= threads);
        self.add(if plausible { MemoryKind::Stack } else { MemoryKind::Anonymous }, bytes);
        self.found
    }
}

fn may_be_heaps(mapping: &Mapping) -> bool {
    !mapping.closed && mapping.unclaimed && mapping.start.is_multiple_of(ARENA)
}

/// Whether it has a size that somebody chose.
const fn whole(mapping: &Mapping) -> bool {
    let size = mapping.end.saturating_sub(mapping.start);
    size > GUARD && size.is_multiple_of(GUARD)
}

fn is_stack(before: Option<&Mapping>, mapping: &Mapping) -> bool {
    let guards = |before: &Mapping| {
        let size = before.end.saturating_sub(before.start);
        before.closed
            && before.kind == Kind::Unnamed
            && before.end == mapping.start
            && (1..=GUARD).contains(&size)
            && (whole(mapping) || whole(&Mapping { start: before.start, ..*mapping }))
    };
    !mapping.closed && before.is_some_and(guards)
}

/// The line that begins a mapping: `START-END PERMISSIONS OFFSET DEVICE INODE PATH`.
fn header(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    let permissions = fields.next().filter(|text| text.len() == 4)?;
    let (_offset, _device) = (fields.next()?, fields.next()?);
    let rest = fields.next()?;
    let path = fields.next().unwrap_or_default().trim_ascii();
    let inode: u64 = parse::number(rest.trim_ascii())?;
    let kind = kind_of(path, inode, permissions.last() == Some(&b's'));
    Some(Mapping {
        start,
        end,
        closed: permissions.starts_with(b"---"),
        kind,
        rss: 0,
        anonymous: 0,
        unclaimed: false,
    })
}

fn kind_of(path: &[u8], inode: u64, shared: bool) -> Kind {
    if path == b"[heap]" {
        return Kind::Known(MemoryKind::Heap);
    }
    if path.starts_with(b"[stack") {
        return Kind::Known(MemoryKind::Stack);
    }
    // Named by the program itself (prctl(2), PR_SET_VMA), as newer C libraries do.
    if let Some(name) = path.strip_prefix(b"[anon:") {
        let has = |word: &[u8]| name.windows(word.len()).any(|part| part == word);
        return Kind::Known(match () {
            () if has(b"stack") => MemoryKind::Stack,
            () if has(b"arena") => MemoryKind::Arena,
            () => MemoryKind::Anonymous,
        });
    }
    let memory = [&b"/memfd:"[..], b"/dev/shm/", b"/SYSV", b"/dev/zero", b"[anon_shmem:"];
    if memory.iter().any(|prefix| path.starts_with(prefix)) {
        return Kind::Known(MemoryKind::Shared);
    }
    match (inode, path.is_empty()) {
        (0, true) if shared => Kind::Known(MemoryKind::Shared),
        (0, true) => Kind::Unnamed,
        (0, false) => Kind::Nobody,
        _ => Kind::OfFile,
    }
}

fn amount(line: &[u8], key: &[u8]) -> Option<u64> {
    let text = line.strip_prefix(key)?.trim_ascii().strip_suffix(b"kB")?.trim_ascii_end();
    parse::number::<u64>(text)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapping(range: &str, permissions: &str, inode: u64, path: &str, rss: u64, anonymous: u64) -> String {
        format!(
            "{range} {permissions} 00000000 00:00 {inode}                          {path}\nSize: 4 kB\n\
             Rss:                {rss} kB\nPss: 1 kB\nAnonymous:          {anonymous} kB\nSwap:      1 kB\n\
             SwapPss:    1 kB\nVmFlags: rd wr\n"
        )
    }

    fn unclaimed(range: &str, permissions: &str, rss: u64) -> String {
        mapping(range, permissions, 0, "", rss, rss).replace("VmFlags: rd wr", "VmFlags: rd wr mr mw me nr")
    }

    fn arena_and_anonymous(mappings: &[String]) -> (u64, u64) {
        let found = by_kind(mappings.concat().as_bytes(), Some(1));
        (found[&MemoryKind::Arena] / 1024, found[&MemoryKind::Anonymous] / 1024)
    }

    /// As seen of a process whose thread has filled two of its three heaps.
    #[test]
    fn heaps_of_an_arena_are_told_also_when_they_are_full() {
        let of = arena_and_anonymous;
        let last = [
            unclaimed("7f0078000000-7f007b77d000", "rw-p", 5),
            unclaimed("7f007b77d000-7f007c000000", "---p", 0),
        ];
        let full = unclaimed("7f007c000000-7f0080000000", "rw-p", 60);
        let almost = [
            unclaimed("7f0074000000-7f0077fff000", "rw-p", 50),
            unclaimed("7f0077fff000-7f0078000000", "---p", 0),
        ];
        let all: Vec<_> = almost.iter().chain(&last).chain([&full]).cloned().collect();
        assert_eq!(of(&all), (115, 0));
        // Full ones that follow each other are one mapping, also with the one that is not full.
        let merged = [
            unclaimed("7f0008000000-7f0010000000", "rw-p", 128),
            unclaimed("7f0014000000-7f0018001000", "rw-p", 65),
            unclaimed("7f0018001000-7f001c000000", "---p", 0),
        ];
        assert_eq!(of(&merged), (193, 0));
        // What was given back is closed anew, and what is closed behind the end looks like a part of it.
        let shrunk = [
            unclaimed("7f0014000000-7f0014001000", "rw-p", 7),
            mapping("7f0014001000-7f0014002000", "---p", 0, "", 0, 0),
            unclaimed("7f0014002000-7f0018001000", "---p", 0),
        ];
        assert_eq!(of(&shrunk), (7, 0));
    }

    #[test]
    fn what_only_lies_where_an_arena_would_is_anonymous() {
        let of = arena_and_anonymous;
        // One block, and nobody else looks like an arena.
        assert_eq!(of(&[unclaimed("7f007c000000-7f0080000000", "rw-p", 60)]), (0, 60));
        // A Go program's heap.
        let go = [
            mapping("c000000000-c000400000", "rw-p", 0, "", 9, 9),
            mapping("c000400000-c004000000", "---p", 0, "", 0, 0),
        ];
        assert_eq!(of(&go), (0, 9));
        // Not reserved to the end, or somewhere else; elsewhere than a multiple.
        let cut = [
            unclaimed("7f0078000000-7f007b77d000", "rw-p", 5),
            unclaimed("7f007b77d000-7f007bfff000", "---p", 0),
        ];
        assert_eq!(of(&cut), (0, 5));
        let apart = [
            unclaimed("7f0078000000-7f007b77d000", "rw-p", 5),
            unclaimed("7f007b77e000-7f007c000000", "---p", 0),
        ];
        assert_eq!(of(&apart), (0, 5));
        let shifted = [
            unclaimed("7f0078001000-7f007b77d000", "rw-p", 5),
            unclaimed("7f007b77d000-7f007c000000", "---p", 0),
        ];
        assert_eq!(of(&shifted), (0, 5));
        // The end of all addresses.
        assert_eq!(of(&[unclaimed("fffffffffc000000-ffffffffffffffff", "rw-p", 3)]), (0, 3));
    }

    #[test]
    fn kinds_are_told_by_name_and_by_how_they_are_laid_out() {
        let text = [
            mapping("1000-2000", "r-xp", 12, "/usr/bin/python3", 100, 4),
            mapping("2000-3000", "rw-p", 0, "[heap]", 200, 200),
            // An arena and what it has reserved.
            unclaimed("7f0004000000-7f0004100000", "rw-p", 300),
            unclaimed("7f0004100000-7f0008000000", "---p", 0),
            // A guard and its stack.
            mapping("7f1000000000-7f1000001000", "---p", 0, "", 0, 0),
            mapping("7f1000001000-7f1000801000", "rw-p", 0, "", 400, 400),
            mapping("7f2000000000-7f2000001000", "rw-p", 0, "", 500, 500),
            mapping("7f3000000000-7f3000001000", "rw-s", 5, "/dev/shm/x", 600, 0),
            mapping("7f4000000000-7f4000001000", "rw-p", 0, "[stack]", 700, 700),
            mapping("7f5000000000-7f5000001000", "r-xp", 0, "[vdso]", 4, 0),
        ]
        .concat();
        let found = by_kind(text.as_bytes(), Some(2));
        let of = |kind| found[&kind] / 1024;
        assert_eq!(of(MemoryKind::Heap), 200);
        assert_eq!(of(MemoryKind::Arena), 300);
        assert_eq!(of(MemoryKind::Stack), 1100);
        assert_eq!(of(MemoryKind::Anonymous), 504);
        assert_eq!(of(MemoryKind::File), 96);
        assert_eq!(of(MemoryKind::Shared), 600);
        assert_eq!(of(MemoryKind::Swap), 10);
        // More guarded mappings than threads: they are not all stacks.
        let found = by_kind(text.as_bytes(), Some(0));
        assert_eq!(found[&MemoryKind::Stack] / 1024, 700);
        assert_eq!(found[&MemoryKind::Anonymous] / 1024, 904);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9a-f]{1,18}-[0-9a-f]{1,18} [rwxps-]{4} [0-9]{1,3} 0:0 [0-9]{1,3} ?[a-z\\[\\]]{0,4}\n|Rss: [0-9]{0,22} kB\n|VmFlags: nr\n|[0-9a-f]{1,8}000000-[0-9a-f]{1,9}000000 (rw-|---)p 0 0:0 0\n|.{0,20}\n){0,20}", threads: Option<usize>) {
            let _ = by_kind(text.as_bytes(), threads);
        }
    }
}
