//! `sd_notify` datagrams, as a service sends them to `$NOTIFY_SOCKET`.
//!
//! Source: `sd_notify(3)`. A datagram is `NAME=value` lines; unknown names are allowed and ignored ("may be extended"),
//! and several fields may come in one datagram. Scupper listens for the child and passes the datagram on, so this
//! only reads what concerns the unit's state. A sender is a stranger: everything is bounded, and nothing is an error.

use std::time::Duration;

use scupper_model::{Pid, printable};

/// A datagram longer than this is cut: the fields that matter here are short, and come from programs of our own tree.
const MAX_DATAGRAM: usize = 16 * 1024;
/// A status is one line for a person.
const MAX_STATUS: usize = 512;

/// What one datagram says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one field of the protocol")]
pub struct Message {
    /// `READY=1`: started, or done with reloading.
    pub ready: bool,
    /// `STOPPING=1`.
    pub stopping: bool,
    /// `RELOADING=1`.
    pub reloading: bool,
    /// `WATCHDOG=1`: the keep-alive ping.
    pub watchdog: bool,
    /// `WATCHDOG=trigger`: the service itself found that it is broken and wants what a missed ping brings.
    pub watchdog_trigger: bool,
    /// `WATCHDOG_USEC=`: a new interval.
    pub watchdog_interval: Option<Duration>,
    /// `STATUS=`: one line for a person, made printable. Not redacted: whoever stores it does that.
    pub status: Option<String>,
    /// `MAINPID=`: a claim of the sender.
    pub main_pid: Option<Pid>,
    /// `ERRNO=`: why it fails.
    pub errno: Option<i32>,
    /// `EXTEND_TIMEOUT_USEC=`: starting or stopping takes this much longer.
    pub extend_timeout: Option<Duration>,
    /// `BARRIER=1`: the sender waits until the descriptor that came along is closed.
    pub barrier: bool,
}

/// Reads a datagram. Lines that are no assignment, unknown or malformed are skipped; of two of a kind the last counts.
pub fn parse(datagram: &[u8]) -> Message {
    let mut message = Message::default();
    let datagram = datagram.get(..MAX_DATAGRAM).unwrap_or(datagram);
    for line in datagram.split(|&b| b == b'\n') {
        let Some(equals) = line.iter().position(|&b| b == b'=') else { continue };
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        match name {
            b"READY" => message.ready = value == b"1",
            b"STOPPING" => message.stopping = value == b"1",
            b"RELOADING" => message.reloading = value == b"1",
            b"BARRIER" => message.barrier = value == b"1",
            b"WATCHDOG" => match value {
                b"1" => message.watchdog = true,
                b"trigger" => message.watchdog_trigger = true,
                _ => {}
            },
            b"WATCHDOG_USEC" => message.watchdog_interval = micros(value).or(message.watchdog_interval),
            b"EXTEND_TIMEOUT_USEC" => message.extend_timeout = micros(value).or(message.extend_timeout),
            b"STATUS" => message.status = Some(printable(value, MAX_STATUS)),
            b"MAINPID" => message.main_pid = number(value).or(message.main_pid),
            b"ERRNO" => message.errno = number(value).or(message.errno),
            _ => {}
        }
    }
    message
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn micros(value: &[u8]) -> Option<Duration> {
    number(value).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_manual_are_read() {
        let ready = parse(b"READY=1\nSTATUS=Processing requests...\nMAINPID=4711");
        assert!(ready.ready);
        assert_eq!(ready.status.as_deref(), Some("Processing requests..."));
        assert_eq!(ready.main_pid, Pid::new(4711));

        let failed = parse(b"STATUS=Failed to start up: No such file or directory\nERRNO=2\n");
        assert_eq!((failed.ready, failed.errno), (false, Some(2)));

        let reload = parse(b"RELOADING=1\nMONOTONIC_USEC=123456\n");
        assert!(reload.reloading && !reload.ready);
        assert!(parse(b"STOPPING=1").stopping);
        assert!(parse(b"BARRIER=1").barrier);
        assert!(parse(b"FDSTORE=1\nFDNAME=x\nWATCHDOG=1").watchdog);
        assert!(parse(b"WATCHDOG=trigger").watchdog_trigger);
        assert_eq!(parse(b"WATCHDOG_USEC=20000000").watchdog_interval, Some(Duration::from_secs(20)));
        assert_eq!(parse(b"EXTEND_TIMEOUT_USEC=1").extend_timeout, Some(Duration::from_micros(1)));
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for bad in [
            &b""[..],
            b"READY",
            b"READY=yes",
            b"ready=1",
            b" READY=1",
            b"=1",
            b"MAINPID=0",
            b"MAINPID=-4",
            b"ERRNO=x",
            b"\0\xff",
        ] {
            assert_eq!(parse(bad), Message::default(), "{bad:?}");
        }
        assert_eq!(parse(b"MAINPID=7\nMAINPID=0").main_pid, Pid::new(7));
    }

    proptest! {
        #[test]
        fn no_datagram_panics_and_a_status_is_bounded(mut bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let mut datagram = b"STATUS=".to_vec();
            datagram.append(&mut bytes);
            let status = parse(&datagram).status.unwrap();
            prop_assert!(status.chars().count() <= MAX_STATUS + 3);
            prop_assert!(!status.chars().any(char::is_control));
        }
    }
}
