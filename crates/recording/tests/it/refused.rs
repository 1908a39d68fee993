//! What is refused as a whole: one line that says why.

use std::error::Error;
use std::io::{self, Read};

use scupper_recording::{LONGEST_LINE, Options, read};

use crate::of;

fn why(text: &str) -> String {
    told(text.as_bytes(), &Options::default())
}

fn told(input: impl Read, options: &Options) -> String {
    let error = read(input, options).unwrap_err();
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    assert!(!text.contains(char::is_control) && text.chars().count() < 2500, "{text}");
    text
}

fn asking(columns: &[&str]) -> Options {
    Options { columns: columns.iter().map(ToString::to_string).collect(), ..Options::default() }
}

#[test]
fn nothing_is_told_as_nothing() {
    assert_eq!(why(""), "it is empty");
    assert_eq!(why("\u{feff}"), "it is empty");
    assert_eq!(why("\n\n"), "it is empty");
    assert_eq!(why("seconds,rss_bytes\r\n"), "no usable sample");
    assert_eq!(why("[]"), "no usable sample");
    assert_eq!(
        why("seconds,rss_bytes\n0,NaN\n1,nan\n"),
        "no usable sample: line 2: rss_bytes: not a number (2 samples were not usable)"
    );
}

#[test]
fn a_wrong_column_is_told_with_those_that_are_there() {
    assert_eq!(
        told(&b"seconds,rss_byte,fds\n1,2,3\n"[..], &asking(&["rss_bytes"])),
        "no column `rss_bytes`; there are: seconds, rss_byte, fds; did you mean `rss_byte`?"
    );
    assert_eq!(
        why("seconds,memory\n1,2\n"),
        "no column has a known name such as rss_bytes; there are: seconds, memory; name one with --column"
    );
    assert_eq!(
        why("Time,rss_bytes\n1,2\n"),
        "no column `seconds` for the time; there are: Time, rss_bytes; --time Time takes that one, in seconds or \
         RFC 3339"
    );
    let other_time = Options { time: Some("secnds".to_owned()), ..Options::default() };
    assert_eq!(
        told(&b"seconds,rss_bytes\n1,2\n"[..], &other_time),
        "no column `secnds` for the time; there are: seconds, rss_bytes; did you mean `seconds`?"
    );
    let lines = "{\"seconds\":1,\"memory\":2}\n";
    assert!(
        why(lines).starts_with("no column has a known name such as rss_bytes; there are: memory, seconds")
    );
    assert_eq!(why("{\"rss_bytes\":2}"), "no column `seconds` for the time; there are: rss_bytes");
    assert!(told(lines.as_bytes(), &asking(&["memroy"])).ends_with("did you mean `memory`?"));
    assert_eq!(why("seconds,fds,fds\n1,2,3\n"), "the column `fds` is there twice");
    assert!(why("1,2\n3,4\n").starts_with("line 1 is no header"));
    assert_eq!(
        told(&b"seconds,rss_bytes,heap\n1,2,\n"[..], &asking(&["rss_bytes", "heap"])),
        "the column `heap` has no usable sample"
    );
}

#[test]
fn a_header_of_a_stranger_is_told_in_one_line() {
    let header = (0..10_000).map(|n| format!("\x1b[31m{n}{}", "x".repeat(80))).collect::<Vec<_>>().join(",");
    let text = why(&format!("{header}\n1,2\n"));
    assert!(text.contains("\u{fffd}[31m0xxx") && text.ends_with("..."), "{text}");
}

#[test]
fn broken_json_is_told_with_its_place() {
    assert_eq!(
        why("[{\"seconds\":1,\"rss_bytes\":2},"),
        "no valid JSON: EOF while parsing a value at line 1 column 29"
    );
    assert!(why("[{\"seconds\":1,\"rss_bytes\":2}] x").starts_with("no valid JSON: trailing characters"));
    let whole = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"2"],[2,"3"]]}]}}"#;
    assert_eq!(of(whole).unwrap().samples(), 2);
    for end in 1..whole.len() {
        let said = why(&whole[..end]);
        assert!(said.starts_with("no "), "{end}: {said}");
    }
    for nested in ["status", "data", "result"] {
        let deep = format!("{{\"{nested}\":{}", "[".repeat(100_000));
        assert!(why(&deep).contains("JSON: "), "{nested}");
    }
}

#[test]
fn what_prometheus_says_is_passed_on() {
    assert_eq!(
        why(r#"{"status":"error","errorType":"bad_data","error":"parse error:\n 1:3"}"#),
        "Prometheus answered with an error: bad_data: parse error:\u{fffd} 1:3"
    );
    assert_eq!(why(r#"{"status":"error"}"#), "Prometheus answered with an error: error");
    for kind in ["vector", "scalar", "string"] {
        let text = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[1,"2"]}}}}"#);
        assert_eq!(
            why(&text),
            format!("it holds a Prometheus {kind}, one moment only: ask `/api/v1/query_range` for a matrix")
        );
    }
    assert!(why(r#"{"result":[{"metric":{},"value":[1,"2"]}]}"#).starts_with("it holds a Prometheus vector"));
    assert!(why(r#"{"status":"success"}"#).starts_with("it is no answer of a Prometheus range query"));
    let empty = r#"{"resultType":"matrix","result":[]}"#;
    assert_eq!(why(empty), "the Prometheus query found no series");
    let one = r#"{"resultType":"matrix","result":[{"metric":{"__name__":"fds"},"values":[[1,"1"]]}]}"#;
    assert_eq!(told(one.as_bytes(), &asking(&["fd"])), "no column `fd`; there are: fds; did you mean `fds`?");
    let many = format!(
        r#"{{"resultType":"matrix","result":[{}]}}"#,
        vec![r#"{"metric":{},"values":[[1,"1"]]}"#; 1001].join(",")
    );
    assert_eq!(why(&many), "it has more than 1000 columns or series; ask for fewer");
}

#[test]
fn what_is_no_text_is_told_by_its_first_bytes() {
    for bytes in [&b"\xff\xfes\0e\0"[..], b"\x1f\x8b\x08\x00\x00", b"SQLite format 3\0"] {
        let said = told(bytes, &Options::default());
        assert!(said.starts_with("it is no UTF-8 text (it begins with the bytes "), "{said}");
    }
}

#[test]
fn huge_lines_are_refused_and_huge_documents_of_one_line_are_read() {
    let long = format!("seconds,rss_bytes\n0,1\n1,{}\n", "2".repeat(LONGEST_LINE));
    assert_eq!(why(&long), "line 3 is longer than 1 MiB");
    assert_eq!(why(&"x".repeat(LONGEST_LINE + 1)), "line 1 is longer than 1 MiB");
    let objects: Vec<String> = (0..50_000).map(|n| format!("{{\"seconds\":{n},\"fds\":1}}")).collect();
    assert_eq!(of(&format!("[{}]", objects.join(","))).unwrap().samples(), 50_000);
}

#[test]
fn an_endless_input_is_refused() {
    // Blank lines, which are read fastest.
    let rows = b"seconds,rss_bytes\n".chain(Blank { left: LONGEST_LINE });
    assert_eq!(told(rows, &Options::default()), "it is larger than 256 MiB; keep every n-th sample");
}

#[test]
fn a_failing_reader_is_told_with_its_cause() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    for begin in ["", "seconds,rss_bytes\n1,2\n", "[{\"seconds\":1,", "{\"status\":"] {
        let said = told(begin.as_bytes().chain(Failing), &Options::default());
        assert_eq!(said, "it cannot be read: the disk is on fire");
    }
}

struct Blank {
    /// Of this line.
    left: usize,
}

impl Read for Blank {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.left);
        buffer[..length].fill(b' ');
        self.left -= length;
        if self.left == 0 {
            buffer[length - 1] = b'\n';
            self.left = LONGEST_LINE;
        }
        Ok(length)
    }
}
