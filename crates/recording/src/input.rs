//! Bytes in, bounded: a stranger's file may be endless, one line, or no text at all.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::{Format, LONGEST_LINE, MOST_BYTES, Unreadable};

/// So much of the beginning is looked at.
const HEAD: u64 = 4096;
const BUFFER: usize = 64 << 10;

/// Refuses to read more than [`MOST_BYTES`].
pub(crate) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left =
            self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Unreadable::TooLarge))?;
        Ok(read)
    }
}

/// What the formats read from: bounded, and without a byte order mark.
pub(crate) type Input<R> = BufReader<io::Chain<Cursor<Vec<u8>>, Bounded<R>>>;

/// Looks at the beginning.
pub(crate) fn open<R: Read>(inner: R) -> Result<Input<R>, Unreadable> {
    let mut bounded = Bounded { inner, left: MOST_BYTES };
    let mut head = Vec::new();
    bounded.by_ref().take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    if head.is_empty() {
        return Err(Unreadable::Empty);
    }
    // UTF-16 has NULs or its own mark; what is compressed has either soon.
    if head.contains(&0) || [&b"\xff\xfe"[..], b"\xfe\xff", b"\x1f\x8b"].iter().any(|m| head.starts_with(m)) {
        let begins: Vec<String> = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(Unreadable::NotText { begins: begins.join(" ") });
    }
    Ok(BufReader::with_capacity(BUFFER, Cursor::new(head).chain(bounded)))
}

/// Which format begins like this.
pub(crate) fn sniff(head: &[u8]) -> Format {
    let text = head.trim_ascii_start();
    match text.first() {
        Some(b'{') if answers_a_query(&text[1..]) => Format::Prometheus,
        Some(b'{' | b'[') => Format::JsonLines,
        _ => Format::Csv,
    }
}

/// Whether the first key of an object is one that Prometheus begins with.
fn answers_a_query(object: &[u8]) -> bool {
    const KEYS: [&[u8]; 7] =
        [b"status", b"data", b"resultType", b"result", b"errorType", b"error", b"warnings"];
    let Some(key) = object.trim_ascii_start().strip_prefix(b"\"") else { return false };
    KEYS.iter().any(|known| key.strip_prefix(*known).is_some_and(|rest| rest.first() == Some(&b'"')))
}

/// Lines, each at most [`LONGEST_LINE`] long.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Of the line that was read last, counted from 1.
    pub number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line that is not blank, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, Unreadable> {
        loop {
            self.line.clear();
            let most = LONGEST_LINE as u64 + 1;
            let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.last() != Some(&b'\n') && read > LONGEST_LINE {
                return Err(Unreadable::LongLine { line: self.number });
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((self.number, line.strip_suffix(b"\r").unwrap_or(line))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_format() {
        for (head, format) in [
            ("seconds,rss_bytes\n", Format::Csv),
            ("", Format::Csv),
            ("{\"seconds\":1}", Format::JsonLines),
            (" [\n{", Format::JsonLines),
            ("{\n  \"status\" : \"success\"", Format::Prometheus),
            ("{\"resultType\":\"matrix\"", Format::Prometheus),
            ("{\"results\":1}", Format::JsonLines),
            ("{", Format::JsonLines),
        ] {
            assert_eq!(sniff(head.as_bytes()), format, "{head}");
        }
    }

    #[test]
    fn lines_are_bounded_and_numbered() {
        let mut lines = Lines::new(&b"a\r\n\n \nb"[..]);
        assert_eq!(lines.next().unwrap(), Some((1, &b"a"[..])));
        assert_eq!(lines.next().unwrap(), Some((4, &b"b"[..])));
        assert!(lines.next().unwrap().is_none());
        let long = vec![b'x'; LONGEST_LINE + 1];
        assert!(matches!(Lines::new(&long[..]).next(), Err(Unreadable::LongLine { line: 1 })));
        assert!(Lines::new(&long[1..]).next().is_ok());
    }

    #[test]
    fn an_endless_file_ends() {
        let mut input = open(io::repeat(b'1')).unwrap();
        let error = io::copy(&mut input, &mut io::sink()).unwrap_err();
        assert!(matches!(error.into(), Unreadable::TooLarge));
    }
}
