//! Readers of the small text files, apart from the system calls that fetch them: bytes in, values out, no panic.
//! Reachable from outside for the fuzzers only.

use std::str::FromStr;

use scupper_model::{Bytes, Pid};

pub use crate::cgroup::{CgroupPath, Limit, Mounts, parse_cgroup, parse_limit, parse_v1_limit};
pub use crate::snapshot::{tcp_sockets, unix_sockets};
pub use crate::sockets::parse_tcp;

/// A decimal number and nothing else.
pub fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    // `parse` alone would take a leading `+`, which the kernel never writes.
    if text.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Lines, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

/// What follows `key:` in a file such as `status`, `meminfo` or `smaps_rollup`.
pub fn value<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    lines(text).find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b":")).map(<[u8]>::trim_ascii)
}

/// An amount such as `RssAnon:     112 kB`. The kernel's kB are 1024 bytes.
pub fn kilobytes(text: &[u8], key: &str) -> Option<Bytes> {
    let amount = value(text, key)?.strip_suffix(b"kB")?.trim_ascii_end();
    number::<u64>(amount)?.checked_mul(1024).map(Bytes)
}

/// What follows `key ` in a flat keyed file such as `memory.events`.
pub fn keyed(text: &[u8], key: &str) -> Option<u64> {
    lines(text)
        .find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b" "))
        .and_then(|rest| number(rest.trim_ascii()))
}

/// A mask of 64 bits in hexadecimal, as in `SigIgn:`.
pub fn mask(text: &[u8], key: &str) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(value(text, key)?).ok()?, 16).ok()
}

/// The resident pages of `statm`: its second field.
pub fn resident_pages(statm: &[u8]) -> Option<u64> {
    statm.split(u8::is_ascii_whitespace).nth(1).and_then(number)
}

/// The pages of code in `statm`: its fourth field.
pub fn code_pages(statm: &[u8]) -> Option<u64> {
    statm.split(u8::is_ascii_whitespace).nth(3).and_then(number)
}

/// Pids, one beside the other. What is no pid is left out, and so is the last one of a text that was cut: half a
/// number is another process.
pub fn pids(text: &[u8], truncated: bool) -> impl Iterator<Item = Pid> {
    let end =
        if truncated { text.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0) } else { text.len() };
    text.get(..end)
        .unwrap_or_default()
        .split(u8::is_ascii_whitespace)
        .filter_map(number::<i32>)
        .filter_map(Pid::new)
}

/// Without the NULs at the end.
pub fn trim_nuls(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// Strings that end in NUL, as in `cmdline` and `environ`. Where the text was cut, the last one is left out: half an
/// environment entry looks like a whole one.
pub fn strings(text: &[u8], truncated: bool) -> Vec<Vec<u8>> {
    let mut text = text;
    if truncated {
        let end = text.iter().rposition(|&b| b == 0).unwrap_or(0);
        text = text.get(..end).unwrap_or_default();
    }
    if text.is_empty() {
        return Vec::new();
    }
    text.strip_suffix(b"\0").unwrap_or(text).split(|&b| b == 0).map(<[u8]>::to_vec).collect()
}

/// The value of one environment entry among strings that end in NUL; the first one counts, as in getenv(3).
pub fn environment_value(text: &[u8], truncated: bool, name: &str) -> Option<Vec<u8>> {
    let end = if truncated { text.iter().rposition(|&b| b == 0).unwrap_or(0) } else { text.len() };
    text.get(..end)?
        .split(|&b| b == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATUS: &[u8] =
        b"Name:\tcat\nRssAnon:\t     112 kB\nVmSwap:\t       0 kB\nSigIgn:\t0000000000001000\n";

    #[test]
    fn values_are_found_by_their_whole_key() {
        assert_eq!(kilobytes(STATUS, "RssAnon"), Some(Bytes(112 * 1024)));
        assert_eq!(kilobytes(STATUS, "VmSwap"), Some(Bytes(0)));
        assert_eq!(kilobytes(STATUS, "Rss"), None);
        assert_eq!(kilobytes(STATUS, "Name"), None);
        assert_eq!(mask(STATUS, "SigIgn"), Some(0x1000));
        assert_eq!(keyed(b"low 0\noom 3\noom_kill 2\n", "oom_kill"), Some(2));
        assert_eq!(keyed(b"low 0\noom 3\noom_kill 2\n", "oom"), Some(3));
        assert_eq!(keyed(b"oom_kill_disable 0\nunder_oom 0\n", "oom_kill"), None);
        assert_eq!(resident_pages(b"765 404 376 5 0 90 0\n"), Some(404));
        assert_eq!(resident_pages(b"765"), None);
        assert_eq!(code_pages(b"765 404 376 5 0 90 0\n"), Some(5));
        assert_eq!(code_pages(b"765 404 376"), None);
    }

    #[test]
    fn an_amount_that_overflows_is_unknown() {
        assert_eq!(kilobytes(b"A: 18446744073709551615 kB\n", "A"), None);
        assert_eq!(number::<i32>(b"+5"), None);
    }

    #[test]
    fn half_an_entry_does_not_count() {
        assert_eq!(strings(b"a\0\0b\0", false), [&b"a"[..], b"", b"b"]);
        assert_eq!(strings(b"a\0b", false), [b"a", b"b"]);
        assert_eq!(strings(b"a\0bc", true), [b"a"]);
        assert_eq!(strings(b"abc", true), Vec::<Vec<u8>>::new());
        assert_eq!(strings(b"", false), Vec::<Vec<u8>>::new());
        assert_eq!(pids(b"12 -1 0 x 345", false).map(Pid::get).collect::<Vec<_>>(), [12, 345]);
        assert_eq!(pids(b"12 345", true).map(Pid::get).collect::<Vec<_>>(), [12]);
        assert_eq!(pids(b"12", true).count(), 0);
        assert_eq!(trim_nuls(b"php-fpm: pool\0\0\0"), b"php-fpm: pool");
        assert_eq!((trim_nuls(b"a\0\0b"), trim_nuls(b"\0\0")), (&b"a\0\0b"[..], &b""[..]));
        let environ = b"MARK=1\0XMARK=2\0MARK=3\0LAST=4";
        assert_eq!(environment_value(environ, false, "MARK"), Some(b"1".to_vec()));
        assert_eq!(environment_value(environ, false, "LAST"), Some(b"4".to_vec()));
        assert_eq!(environment_value(environ, true, "LAST"), None);
        assert_eq!(environment_value(environ, false, "MAR"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: bool) {
            let _ = (kilobytes(&bytes, "A"), keyed(&bytes, "A"), mask(&bytes, "A"), resident_pages(&bytes));
            let _ = (pids(&bytes, cut).count(), strings(&bytes, cut), environment_value(&bytes, cut, "A"));
            let _ = (parse_cgroup(&bytes), parse_limit(&bytes), parse_v1_limit(&bytes), Mounts::parse(&bytes));
            let _ = parse_tcp(&bytes).count();
        }

        #[test]
        fn no_text_of_the_right_letters_panics(text in "[A0-9: /\\\\kB.\n\t-]{0,200}") {
            let bytes = text.as_bytes();
            let _ = (kilobytes(bytes, "A"), keyed(bytes, "A"), mask(bytes, "A"), resident_pages(bytes));
            let _ = (parse_cgroup(bytes), Mounts::parse(bytes), parse_tcp(bytes).count());
        }
    }
}
