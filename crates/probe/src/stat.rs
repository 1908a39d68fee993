//! `/proc/PID/stat`: the one line that says who a process is.
//!
//! The name in it is whatever the program chose: spaces, parentheses, newlines, bytes that are no UTF-8. It is the
//! only field that can hold a `)`, so the fields begin behind the last one (proc(5); the kernel does not escape it).

use scupper_model::{BootId, Identity, Pid, ProcessState, StartTime};

use crate::ParseError;

/// `PF_KTHREAD` of include/linux/sched.h.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Where a process' program and its stack begin. Both are drawn anew whenever it executes a program, and handed down to
/// what it forks: a process with another image than before has executed something since, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    code: u64,
    stack: u64,
}

/// What `/proc/PID/stat` says, as far as Scupper asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The pid, as seen from the pid namespace that `/proc` was mounted in.
    pub pid: Pid,
    /// The kernel's short name for it: at most 15 bytes for a program, any bytes but NUL.
    pub name: Vec<u8>,
    /// The state letter: `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: u8,
    /// Its parent now; `None` for the first process and for a parent outside the pid namespace.
    pub parent: Option<Pid>,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Number of its controlling terminal, 0 where it has none.
    pub tty: i32,
    /// The kernel's `PF_` flags (include/linux/sched.h).
    pub flags: u32,
    /// Pages it was given without a disk being read: new ones, and copies of those it shared.
    pub minor_faults: u64,
    /// Processor time in user mode, in clock ticks ([`crate::Proc::ticks_per_second`]).
    pub user_ticks: u64,
    /// Processor time in the kernel, in clock ticks.
    pub system_ticks: u64,
    /// Threads, the ended leader of a group that lives on included.
    pub threads: u64,
    /// When it started, in clock ticks since boot.
    pub start_time: StartTime,
    /// Resident memory in pages. The kernel calls it inaccurate; [`crate::Process::rss`] reads `statm`.
    pub rss_pages: u64,
    /// Where what it executes lies. `None` where that may not be read, and while it executes nothing yet or any more.
    pub image: Option<Image>,
    /// The wait status of a zombie. `None` where the kernel does not print the field; it prints 0 for whom it does not
    /// trust, so 0 alone proves nothing.
    pub exit_code: Option<i32>,
}

impl Stat {
    /// Reads the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let open = bytes.iter().position(|&b| b == b'(').ok_or(ParseError::Missing { item: "comm" })?;
        let close = bytes.iter().rposition(|&b| b == b')').ok_or(ParseError::Missing { item: "comm" })?;
        let name = bytes.get(open + 1..close).ok_or(ParseError::Missing { item: "comm" })?;
        let pid = bytes.get(..open).unwrap_or_default().trim_ascii();
        let pid = number::<i32>("pid", pid)?;
        let mut fields = Fields {
            rest: bytes.get(close + 1..).unwrap_or_default().split(u8::is_ascii_whitespace),
            last: 2,
        };
        let state = fields.raw(3, "state")?;
        let [state] = state else { return Err(ParseError::malformed("state", state, "one letter")) };
        Ok(Self {
            pid: Pid::new(pid)
                .ok_or_else(|| ParseError::malformed("pid", pid.to_string().as_bytes(), "above 0"))?,
            name: name.to_vec(),
            state: *state,
            parent: Pid::new(fields.number(4, "ppid")?),
            group: fields.number(5, "pgrp")?,
            session: fields.number(6, "session")?,
            tty: fields.number(7, "tty_nr")?,
            flags: fields.number(9, "flags")?,
            minor_faults: fields.number(10, "minflt")?,
            user_ticks: fields.number(14, "utime")?,
            system_ticks: fields.number(15, "stime")?,
            threads: u64::try_from(fields.number::<i64>(20, "num_threads")?).unwrap_or(0),
            start_time: StartTime(fields.number(22, "starttime")?),
            rss_pages: u64::try_from(fields.number::<i64>(24, "rss")?).unwrap_or(0),
            image: image(fields.number(26, "startcode").ok(), fields.number(28, "startstack").ok()),
            exit_code: fields.number(52, "exit_code").ok(),
        })
    }

    /// Who it is, given the boot that `/proc` tells of.
    pub const fn identity(&self, boot: BootId) -> Identity {
        Identity { pid: self.pid, start_time: self.start_time, boot_id: boot }
    }

    /// Whether it is a thread of the kernel's own, which has no program, no memory and no descriptors.
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    /// Whether it has ended and only its parent's `wait` is missing. A process whose main thread has ended while
    /// others run shows the letter `Z` too, and is no zombie: it still holds all it had.
    pub const fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Whether the main thread has ended while others run. `statm` and `status` of such a process say nothing of its
    /// memory; those of its other threads do.
    pub const fn lost_its_main_thread(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads > 1
    }

    /// The state letter as the one word of three that matters.
    pub const fn process_state(&self) -> ProcessState {
        match self.state {
            _ if self.is_zombie() => ProcessState::Zombie,
            b'T' | b't' => ProcessState::Stopped,
            _ => ProcessState::Alive,
        }
    }
}

/// The kernel shows 1 and 0 to whom it does not trust, and 0 where there is none.
fn image(code: Option<u64>, stack: Option<u64>) -> Option<Image> {
    let image = Image { code: code?, stack: stack? };
    (image.code > 1 && image.stack > 0).then_some(image)
}

/// Fields by their number in proc(5), in ascending order.
struct Fields<I> {
    rest: I,
    last: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Fields<I> {
    fn raw(&mut self, field: usize, item: &'static str) -> Result<&'a [u8], ParseError> {
        for text in self.rest.by_ref() {
            if text.is_empty() {
                continue;
            }
            self.last += 1;
            if self.last == field {
                return Ok(text);
            }
        }
        Err(ParseError::Missing { item })
    }

    fn number<T: std::str::FromStr>(&mut self, field: usize, item: &'static str) -> Result<T, ParseError> {
        let text = self.raw(field, item)?;
        number(item, text)
    }
}

fn number<T: std::str::FromStr>(item: &'static str, text: &[u8]) -> Result<T, ParseError> {
    crate::parse::number(text).ok_or_else(|| ParseError::malformed(item, text, "a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &[u8], state: u8, threads: u64) -> Vec<u8> {
        let mut line = b"4242 (".to_vec();
        line.extend_from_slice(name);
        line.extend_from_slice(b") ");
        line.push(state);
        line.extend_from_slice(b" 17 4242 4000 -1 -1 4194560 1 2 3 4 150 50 7 8 20 0 ");
        line.extend_from_slice(threads.to_string().as_bytes());
        line.extend_from_slice(
            b" 0 987654 3133440 404 18446744073709551615 4194304 2 140722 4 5 6 7 8 9 10 11 12 17 1 0 0",
        );
        line.extend_from_slice(b" 0 0 0 1 2 3 4 5 6 7 2304\n");
        line
    }

    #[test]
    fn every_field_is_where_the_manual_says() {
        let stat = Stat::parse(&line(b"sleep", b'S', 3)).unwrap();
        let expected = Stat {
            pid: Pid::new(4242).unwrap(),
            name: b"sleep".to_vec(),
            state: b'S',
            parent: Pid::new(17),
            group: 4242,
            session: 4000,
            tty: -1,
            flags: 4_194_560,
            minor_faults: 1,
            user_ticks: 150,
            system_ticks: 50,
            threads: 3,
            start_time: StartTime(987_654),
            rss_pages: 404,
            image: Some(Image { code: 4_194_304, stack: 140_722 }),
            exit_code: Some(2304),
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn no_name_hides_the_fields() {
        for name in [&b""[..], b"a b", b"))) S 1 2", b"(", b"evil\n1 (x", b"\xff\xfe)", b" ) R 1 1 ("] {
            let stat = Stat::parse(&line(name, b'R', 1)).unwrap();
            assert_eq!((stat.name.as_slice(), stat.parent, stat.state), (name, Pid::new(17), b'R'));
        }
    }

    #[test]
    fn a_leader_that_ended_before_its_threads_is_no_zombie() {
        let leader = Stat::parse(&line(b"x", b'Z', 2)).unwrap();
        assert!(!leader.is_zombie() && leader.lost_its_main_thread());
        assert_eq!(leader.process_state(), ProcessState::Alive);
        let zombie = Stat::parse(&line(b"x", b'Z', 1)).unwrap();
        assert!(zombie.is_zombie() && !zombie.lost_its_main_thread());
        assert_eq!(zombie.process_state(), ProcessState::Zombie);
        assert_eq!(Stat::parse(&line(b"x", b't', 1)).unwrap().process_state(), ProcessState::Stopped);
    }

    #[test]
    fn threads_of_the_kernel_are_told_by_their_flag() {
        let line = |flags| format!("2 (kthreadd) S 0 0 0 0 -1 {flags} 0 0 0 0 0 5 0 0 20 0 1 0 17 0 0\n");
        // As seen of kthreadd and of a shell.
        assert!(Stat::parse(line(2_129_984).as_bytes()).unwrap().is_kernel_thread());
        assert!(!Stat::parse(line(4_194_560).as_bytes()).unwrap().is_kernel_thread());
    }

    #[test]
    fn what_is_cut_or_wrong_is_refused_and_named() {
        let whole = line(b"sleep", b'S', 3);
        for cut in 0..whole.len() - 120 {
            assert!(Stat::parse(&whole[..cut]).is_err(), "{cut}");
        }
        assert_eq!(Stat::parse(b"1 (a) S").unwrap_err(), ParseError::Missing { item: "ppid" });
        assert_eq!(Stat::parse(b"1 )a( S").unwrap_err(), ParseError::Missing { item: "comm" });
        let error = Stat::parse(b"-3 (a) S 1").unwrap_err();
        assert_eq!(error.to_string(), "pid is `-3`, which is not above 0");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Stat::parse(&bytes);
        }

        #[test]
        fn no_change_of_a_true_line_panics(at in 0_usize..250, byte: u8) {
            let mut bytes = line(b"sleep", b'S', 3);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Stat::parse(&bytes);
        }

        #[test]
        fn a_written_line_reads_back(
            pid in 1_i32..,
            name in proptest::collection::vec(1_u8.., 0..64),
            parent in 0_i32..,
            group: i32,
            session: i32,
            tty: i32,
            flags: u32,
            ticks: (u64, u64),
            threads in 0..u64::from(u32::MAX),
            start: u64,
            rss in 0_u64..(1 << 50),
            exit: i32,
        ) {
            let mut bytes = format!("{pid} (").into_bytes();
            bytes.extend_from_slice(&name);
            let (user, system) = ticks;
            bytes.extend_from_slice(format!(
                ") S {parent} {group} {session} {tty} -1 {flags} 0 0 0 0 {user} {system} 0 0 20 0 {threads} 0 {start} 99 {rss}"
            ).as_bytes());
            for _ in 25..52 {
                bytes.extend_from_slice(b" 0");
            }
            bytes.extend_from_slice(format!(" {exit}\n").as_bytes());
            let expected = Stat {
                pid: Pid::new(pid).unwrap(), name, state: b'S', parent: Pid::new(parent), group, session, tty, flags,
                minor_faults: 0, user_ticks: user, system_ticks: system, threads, start_time: StartTime(start), rss_pages: rss, image: None,
                exit_code: Some(exit),
            };
            prop_assert_eq!(Stat::parse(&bytes).unwrap(), expected);
        }
    }
}
