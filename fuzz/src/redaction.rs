//! Redaction: a canary never survives, twice changes nothing, and whatever comes out is bounded and printable.

use scupper_model::{redact_arguments, redact_assignment, redact_command, redact_line};

const CANARY: &str = "CaNaRy7";

/// Where a secret may stand in a line: `@` stands for it, `%` for an `@`.
const POSITIONS: &[&str] = &[
    "password: @",
    "password=@",
    "TOKEN=@",
    "api_key = \"@\"",
    "{\"secret\":\"@\"}",
    "{'secret': '@'}",
    "{\\\"secret\\\":\\\"@\\\"}",
    "Authorization: Bearer @",
    "\"Authorization\": \"Basic @\"",
    "Cookie: session=@; a=b",
    "X-Api-Key: @",
    "--api-key @",
    "--api-key=@",
    "--token '@'",
    "https://bob:@%host/x",
    "https://x.y/z?token=@",
    "<password>@</password>",
    "config[password]=@",
    "clientSecret: @",
    "db.password=@,user=bob",
];

/// The first two bytes choose a position and the letters around the canary; then what stands before, a NUL, and what
/// stands behind.
pub fn redact(data: &[u8]) {
    let whole = String::from_utf8_lossy(data);
    check_line(&whole);
    let arguments: Vec<&[u8]> = data.split(|&b| b == 0).collect();
    check_arguments(&arguments);
    let assignment = redact_assignment(data);
    assert_eq!(redact_assignment(assignment.as_bytes()), assignment, "{whole:?}");

    let [position, letters, rest @ ..] = data else { return };
    let position = POSITIONS[usize::from(*position) % POSITIONS.len()];
    let letter = ["x", "9", "!", "#", "+", "aB3", "~^", "Z"][usize::from(*letters) % 8];
    let canary = format!("aaaa{letter}{CANARY}{letter}bbbb");
    let (before, behind) = crate::halves(rest);
    // What stands around it is ordinary text: with quotes and brackets of its own it could end or hide the place.
    let plain = |text: &[u8]| -> String {
        text.iter()
            .take(300)
            .map(|&b| char::from(b))
            .filter(|c| c.is_ascii_alphanumeric() || " ./:=_-".contains(*c))
            .collect()
    };
    let secret = position.replace('@', &canary).replace('%', "@");
    let line = format!("{} {secret} {}", plain(before), plain(behind));
    assert!(!redact_line(&line).contains(CANARY), "{line} -> {}", redact_line(&line));
    check_line(&line);
    // The option and its value as two arguments, after any other.
    let (before, option) = (plain(before), ["--api-key", "--token", "--password"][usize::from(*letters) % 3]);
    let out = redact_command([b"tool".as_slice(), before.as_bytes(), option.as_bytes(), canary.as_bytes()]);
    // Behind a flag of its own, or `--`, an option may be that flag's value.
    assert!(before.starts_with('-') || !out.contains(CANARY), "{before:?} {option} -> {out}");
}

fn check_line(line: &str) {
    let once = redact_line(line);
    assert!(once.chars().count() <= 2_020 && !once.contains(char::is_control), "{line:?}");
    assert_eq!(redact_line(&once), once, "{line:?}");
}

fn check_arguments(arguments: &[&[u8]]) {
    let once = redact_arguments(arguments.iter().copied());
    assert!(once.iter().all(|text| text.chars().count() <= 220 && !text.contains(char::is_control)));
    assert_eq!(redact_arguments(once.iter().map(String::as_bytes)), once, "{arguments:?}");
    assert!(redact_command(arguments.iter().copied()).chars().count() <= 4_020);
}
