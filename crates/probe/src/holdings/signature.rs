//! What things that differ by a number alone have in common.

use scupper_model::{REDACTED, ResourceKind, printable, redact_arguments};

/// Characters of a signature.
const MOST_CHARACTERS: usize = 160;
/// Arguments of a command that are part of its signature, beside the program.
const MOST_ARGUMENTS: usize = 2;
/// From this many digits on a hexadecimal number is recognised as one.
const LEAST_HEXADECIMAL: usize = 8;
/// The letters and dashes of a UUID.
const UUID: usize = 36;

/// A path or another name: redacted, printable, numbers as `#` and hexadecimal names as `*`.
pub fn normalised(text: &[u8]) -> String {
    let mut redacted = redact_arguments([text]);
    cut(&numbers_out(&redacted.pop().unwrap_or_default()))
}

/// A short name that the kernel keeps.
pub(super) fn name(text: &[u8]) -> String {
    numbers_out(&printable(text, 64))
}

/// A command line as a signature: its program's name, and what tells it from others that run the same program.
///
/// Of `python3 /srv/app.py --port 8001` that is `python# app.py --port`, of a browser's child `chrome --type=renderer`.
pub fn command(arguments: &[Vec<u8>], kernel_name: &[u8]) -> String {
    let redacted = redact_arguments(arguments.iter().map(Vec::as_slice));
    let mut parts = redacted.iter().map(String::as_str);
    let Some(program) = parts.next().filter(|program| !program.is_empty()) else { return name(kernel_name) };
    let mut words = vec![base(program)];
    let rest: Vec<&str> = parts.collect();
    // Which of its many a browser's child is.
    if let Some(kind) = rest.iter().find(|argument| argument.starts_with("--type=")) {
        words.push(kind);
    } else {
        let plain = rest.into_iter().filter(|argument| !argument.is_empty() && *argument != REDACTED);
        // What has spaces in it is a program of its own, `sh -c` or `python -c`: its beginning tells it.
        words.extend(plain.take(MOST_ARGUMENTS).map(|argument| {
            let first = argument.split_whitespace().next().unwrap_or(argument);
            if first.starts_with('/') { base(first) } else { first }
        }));
    }
    cut(&numbers_out(&words.join(" ")))
}

/// A coarser signature, where there would be too many: the directory of a file, the state of a socket, the program.
pub fn collapsed(kind: ResourceKind, what: &str) -> String {
    match kind {
        ResourceKind::File | ResourceKind::DeletedFile => match what.rfind('/') {
            Some(slash) => format!("{}/*", what.get(..slash).unwrap_or_default()),
            None => "*".to_owned(),
        },
        ResourceKind::Socket => {
            let to = [" to ", " on "].iter().find_map(|word| what.find(word).map(|at| at + word.len()));
            format!("{}*", to.and_then(|at| what.get(..at)).unwrap_or_default())
        }
        ResourceKind::Child | ResourceKind::Zombie => {
            format!("{} *", what.split(' ').next().unwrap_or_default())
        }
        _ => "*".to_owned(),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

fn cut(text: &str) -> String {
    printable(text.as_bytes(), MOST_CHARACTERS)
}

/// Digits as `#`, and what is hexadecimal as `*`.
fn numbers_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_alphanumeric() {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        } else if is_uuid(rest) {
            out.push('*');
            rest = rest.get(UUID..).unwrap_or_default();
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            push_word(&mut out, word);
            rest = after;
        }
    }
    out
}

fn push_word(out: &mut String, word: &str) {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hexadecimal = word.len() >= LEAST_HEXADECIMAL && word.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && digits > 0 && digits < word.len() {
        out.push('*');
        return;
    }
    let mut within = false;
    for letter in word.chars() {
        let digit = letter.is_ascii_digit();
        if !digit {
            out.push(letter);
        } else if !within {
            out.push('#');
        }
        within = digit;
    }
}

/// Whether a text begins with a UUID that stands by itself.
fn is_uuid(text: &str) -> bool {
    let Some(head) = text.as_bytes().get(..UUID) else { return false };
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    head.iter().enumerate().all(fits)
        && text.as_bytes().get(UUID).is_none_or(|next| !next.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_by_a_number_alone_has_one_signature() {
        for (text, expected) in [
            ("/tmp/upload-1734", "/tmp/upload-#"),
            ("/tmp/1/22/333", "/tmp/#/#/#"),
            ("/var/cache/d41d8cd98f00b204e9800998ecf8427e.bin", "/var/cache/*.bin"),
            ("/run/dbd84afd-811e-495f-92fb-cb306f93cefd/x", "/run/*/x"),
            ("/srv/deadbeef", "/srv/deadbeef"),
            ("/lib/python3.11/os.py", "/lib/python#.#/os.py"),
            ("/srv/\u{e4}7", "/srv/\u{e4}#"),
            ("", ""),
        ] {
            assert_eq!(normalised(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn commands_are_told_by_what_they_run_without_their_secrets() {
        let of = |line: &str| {
            let arguments: Vec<Vec<u8>> = line.split('|').map(|a| a.as_bytes().to_vec()).collect();
            command(&arguments, b"kernel1")
        };
        assert_eq!(of("/usr/bin/python3|/srv/app.py|--port|8001"), "python# app.py --port");
        assert_eq!(of("/opt/chrome|--a=1|--type=renderer|--client-id=7"), "chrome --type=renderer");
        assert_eq!(of("sh|-c|exec sleep 7"), "sh -c exec");
        assert_eq!(of(""), "kernel#");
        assert_eq!(command(&[], b"defunct 7"), "defunct #");
        let secret = of("tool|--token|s3cr3tvalue|run");
        assert!(!secret.contains("s3cr3t") && !secret.contains("cr#"), "{secret}");
    }

    #[test]
    fn a_secret_in_a_path_is_redacted_before_it_is_shortened() {
        let shown = normalised(b"/tmp/cache/api_key=sk-live1234567890abcdefghij");
        assert!(shown.contains(REDACTED) && !shown.contains("live"), "{shown}");
    }

    #[test]
    fn a_coarser_signature_keeps_what_matters() {
        assert_eq!(collapsed(ResourceKind::File, "/tmp/tmpabc"), "/tmp/*");
        assert_eq!(collapsed(ResourceKind::File, "/tmp/*"), "/tmp/*");
        assert_eq!(
            collapsed(ResourceKind::Socket, "tcp CLOSE_WAIT outbound to 10.0.0.1:80"),
            "tcp CLOSE_WAIT outbound to *"
        );
        assert_eq!(collapsed(ResourceKind::Child, "chrome --type=renderer"), "chrome *");
        assert_eq!(collapsed(ResourceKind::Kernel, "x"), "*");
    }

    proptest! {
        #[test]
        fn no_name_panics_and_twice_is_once(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let once = numbers_out(&printable(&bytes, 64));
            prop_assert_eq!(&numbers_out(&once), &once);
            prop_assert!(!once.bytes().any(|b| b.is_ascii_digit()));
            let _ = (normalised(&bytes), command(std::slice::from_ref(&bytes), &bytes));
        }
    }
}
