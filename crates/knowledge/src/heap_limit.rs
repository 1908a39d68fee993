//! How large a heap somebody allowed a Node or Java process, read from its command line and environment (R062).
//!
//! A heap limit above what the cgroup or the host has is no limit: the kernel's OOM killer comes first, and there is no
//! V8 message and no heap dump. Seed 002 is that case: `--max-old-space-size=8192` and 8 GB were reached.
//!
//! Tried on node 20.20.2: options count before the script only; the command line beats `NODE_OPTIONS`; the last one
//! wins; `0` is the default again; `-` and `_` are the same inside a name; a value as a separate argument is refused
//! there, older ones took it. Tried on `OpenJDK` 17: `_JAVA_OPTIONS` beats the command line, which beats
//! `JDK_JAVA_OPTIONS` (the `java` launcher's), which beats `JAVA_TOOL_OPTIONS`; `-Xmx` and `-XX:MaxHeapSize` are one
//! option, the last wins.

use std::fmt;

use scupper_model::Bytes;

use super::base_name;

/// Where a heap limit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapLimitSource {
    /// On the command line.
    CommandLine,
    /// In this environment variable.
    Environment(&'static str),
}

impl fmt::Display for HeapLimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
        }
    }
}

/// A heap limit that somebody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLimit {
    /// How large the heap may grow: V8's old space, or Java's heap. The process is larger than that.
    pub bytes: Bytes,
    /// Where it is written.
    pub source: HeapLimitSource,
}

/// The heap limit of a Node or Java process; `None` where nobody set one, or this is another program.
pub fn heap_limit(command: &[Vec<u8>], environment: Option<&[Vec<u8>]>) -> Option<HeapLimit> {
    let (program, arguments) = command.split_first()?;
    let program = base_name(program);
    let variable = |name| environment.and_then(|entries| value_of(entries, name));
    let from = |name: &'static str, find: fn(&[Vec<u8>]) -> Option<Bytes>| {
        let bytes = find(&words(variable(name)?))?;
        Some(HeapLimit { bytes, source: HeapLimitSource::Environment(name) })
    };
    let on_command_line =
        |bytes: Option<Bytes>| bytes.map(|bytes| HeapLimit { bytes, source: HeapLimitSource::CommandLine });
    match program {
        b"java" => from("_JAVA_OPTIONS", java)
            .or_else(|| on_command_line(java(java_options(arguments))))
            .or_else(|| from("JDK_JAVA_OPTIONS", java))
            .or_else(|| from("JAVA_TOOL_OPTIONS", java)),
        b"node" | b"nodejs" => match v8(node_options(arguments)) {
            V8::Bytes(bytes) => on_command_line(Some(bytes)),
            V8::Default => None,
            V8::Unset => from("NODE_OPTIONS", node_environment),
        },
        // Tools written for Node whose process carries another name keep its environment: `NODE_OPTIONS` is Node's own.
        _ => from("NODE_OPTIONS", node_environment).filter(|_| names_node(command)),
    }
}

/// What to say of a heap limit, given how much memory the cgroup or else the host allows; `None` where it fits.
pub fn advice(limit: HeapLimit, allowance: Bytes) -> Option<String> {
    if limit.bytes <= allowance || allowance.0 == 0 {
        return None;
    }
    // The rest is for what is not in the heap: buffers, code, stacks.
    let fitting = Bytes(allowance.0 / 4 * 3);
    Some(format!(
        "the heap may grow to {} ({}), and there is {} of memory: the kernel ends the process before its runtime can \
         say why; set the heap to {} or less",
        limit.bytes, limit.source, allowance, fitting
    ))
}

/// Node-based programs that write their own title, as `npm run x` and `next-server (v15)` do.
fn names_node(command: &[Vec<u8>]) -> bool {
    let title = command.first().map_or(&[][..], Vec::as_slice);
    [&b"npm "[..], b"npx ", b"yarn ", b"pnpm ", b"next-server", b"node ", b"PM2 "]
        .iter()
        .any(|p| title.starts_with(p))
}

/// What V8 was told.
enum V8 {
    Unset,
    /// `0`: its own default, whatever was said before and elsewhere.
    Default,
    Bytes(Bytes),
}

fn v8<'a>(options: impl IntoIterator<Item = &'a [u8]>) -> V8 {
    let mut found = V8::Unset;
    let mut options = options.into_iter().peekable();
    while let Some(option) = options.next() {
        let (name, value) = match option.iter().position(|&b| b == b'=') {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        };
        if !is_old_space(name) {
            continue;
        }
        let value = value.or_else(|| options.peek().copied());
        let mib: Option<u64> = value.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        match mib {
            Some(0) => found = V8::Default,
            Some(mib) => found = V8::Bytes(Bytes(mib.saturating_mul(1 << 20))),
            None => {}
        }
    }
    found
}

/// `--max-old-space-size`, with `-` and `_` alike inside the name.
fn is_old_space(name: &[u8]) -> bool {
    let Some(name) = name.strip_prefix(b"--") else { return false };
    name.len() == b"max-old-space-size".len()
        && name.iter().zip(b"max-old-space-size").all(|(&a, &b)| a == b || (a == b'_' && b == b'-'))
}

/// The arguments before the script. The value of an option that takes one as a separate argument is not the script.
fn node_options(arguments: &[Vec<u8>]) -> Vec<&[u8]> {
    const TAKE_A_VALUE: [&[u8]; 14] = [
        b"-r",
        b"--require",
        b"--import",
        b"--loader",
        b"--experimental-loader",
        b"-C",
        b"--conditions",
        b"-e",
        b"--eval",
        b"-p",
        b"--print",
        b"--env-file",
        b"--title",
        b"--input-type",
    ];
    let mut options = Vec::new();
    let mut arguments = arguments.iter().map(Vec::as_slice);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with(b"-") || argument == b"--" || argument == b"-" {
            break;
        }
        options.push(argument);
        if TAKE_A_VALUE.contains(&argument) || is_old_space(argument) {
            options.extend(arguments.next());
        }
    }
    options
}

fn node_environment(words: &[Vec<u8>]) -> Option<Bytes> {
    match v8(words.iter().map(Vec::as_slice)) {
        V8::Bytes(bytes) => Some(bytes),
        V8::Unset | V8::Default => None,
    }
}

/// The arguments before the class or the archive.
fn java_options(arguments: &[Vec<u8>]) -> &[Vec<u8>] {
    const TAKE_A_VALUE: [&[u8]; 9] = [
        b"-cp",
        b"-classpath",
        b"--class-path",
        b"-p",
        b"--module-path",
        b"--add-modules",
        b"--add-opens",
        b"--add-exports",
        b"--add-reads",
    ];
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        if !argument.starts_with(b"-") || argument == b"-jar" || argument == b"-m" || argument == b"--module"
        {
            break;
        }
        at += if TAKE_A_VALUE.contains(&argument.as_slice()) { 2 } else { 1 };
    }
    arguments.get(..at).unwrap_or(arguments)
}

fn java(options: &[Vec<u8>]) -> Option<Bytes> {
    options.iter().rev().find_map(|option| {
        let size = option.strip_prefix(b"-Xmx").or_else(|| option.strip_prefix(b"-XX:MaxHeapSize="))?;
        let text = std::str::from_utf8(size).ok()?;
        // Java knows k, m, g and t, and no other unit; no unit is bytes.
        let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T']);
        (text.len() - digits.len() <= 1 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
            .filter(|bytes: &Bytes| bytes.0 > 0)
    })
}

/// The first entry of that name, as `getenv` finds it.
fn value_of<'a>(entries: &'a [Vec<u8>], name: &str) -> Option<&'a [u8]> {
    entries.iter().find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Words as Node and Java split their variables: at blanks, double quotes hold together, a backslash inside them takes
/// the next byte as it is.
fn words(value: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let (mut quoted, mut bytes) = (false, value.iter().copied());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b' ' | b'\t' | b'\n' if !quoted => words.push(Vec::new()),
            b'\\' if quoted => words.last_mut().into_iter().for_each(|word| word.extend(bytes.next())),
            byte => words.last_mut().into_iter().for_each(|word| word.push(byte)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &[&str]) -> Vec<Vec<u8>> {
        text.iter().map(|t| t.as_bytes().to_vec()).collect()
    }

    fn mib(command: &[&str], environment: &[&str]) -> Option<(u64, String)> {
        heap_limit(&bytes(command), Some(&bytes(environment)))
            .map(|l| (l.bytes.0 >> 20, l.source.to_string()))
    }

    #[test]
    fn r062_limits_of_node_are_read_as_node_reads_them() {
        let line = |n| Some((n, "command line".to_owned()));
        let variable = |n| Some((n, "NODE_OPTIONS".to_owned()));
        for (command, environment, expected) in [
            (&["node", "--max-old-space-size=8192", "app.js"][..], &[][..], line(8192)),
            (
                &["/usr/bin/node", "--max_old_space_size=100", "--max-old-space-size=200", "x.js"],
                &[],
                line(200),
            ),
            (&["node", "--max-old-space-size", "300", "x.js"], &[], line(300)),
            (&["node", "-r", "./hook.js", "--max-old-space-size=8192", "app.js"], &[], line(8192)),
            (&["node", "app.js", "--max-old-space-size=8192"], &[], None),
            (&["node", "--max-old-space-size=junk", "app.js"], &[], None),
            (
                &["node", "app.js"],
                &["A=1", "NODE_OPTIONS=--enable-source-maps --max-old-space-size=300"],
                variable(300),
            ),
            (&["node", "app.js"], &["NODE_OPTIONS=\"--max-old-space-size=300\""], variable(300)),
            (
                &["node", "--max-old-space-size=100", "a.js"],
                &["NODE_OPTIONS=--max-old-space-size=300"],
                line(100),
            ),
            (&["node", "--max-old-space-size=0", "a.js"], &["NODE_OPTIONS=--max-old-space-size=300"], None),
            (&["npm run build"], &["NODE_OPTIONS=--max-old-space-size=300"], variable(300)),
            (&["python", "x.py"], &["NODE_OPTIONS=--max-old-space-size=300"], None),
            (&[], &["NODE_OPTIONS=--max-old-space-size=300"], None),
        ] {
            assert_eq!(mib(command, environment), expected, "{command:?} {environment:?}");
        }
        assert_eq!(heap_limit(&bytes(&["node", "app.js"]), None), None);
    }

    #[test]
    fn r062_limits_of_java_are_read_as_java_reads_them() {
        let from = |n, source: &str| Some((n, source.to_owned()));
        for (command, environment, expected) in [
            (&["java", "-Xmx4g", "-jar", "a.jar"][..], &[][..], from(4096, "command line")),
            (&["/jdk/bin/java", "-Xmx64m", "-XX:MaxHeapSize=70M", "Main"], &[], from(70, "command line")),
            (&["java", "-cp", "a:b", "-Xmx134217728", "Main"], &[], from(128, "command line")),
            (&["java", "-jar", "a.jar", "-Xmx4g"], &[], None),
            (&["java", "-Xmx4gb", "Main"], &[], None),
            (&["java", "-Xmx64m", "M"], &["JAVA_TOOL_OPTIONS=-Xmx100m"], from(64, "command line")),
            (&["java", "-Xmx64m", "M"], &["_JAVA_OPTIONS=-Xmx120m"], from(120, "_JAVA_OPTIONS")),
            (
                &["java", "M"],
                &["JAVA_TOOL_OPTIONS=-Xmx100m", "JDK_JAVA_OPTIONS=-Xmx80m"],
                from(80, "JDK_JAVA_OPTIONS"),
            ),
            (&["java", "M"], &["JAVA_TOOL_OPTIONS=-Da=b -Xmx100m"], from(100, "JAVA_TOOL_OPTIONS")),
        ] {
            assert_eq!(mib(command, environment), expected, "{command:?} {environment:?}");
        }
    }

    #[test]
    fn r062_8192_on_4_gb_is_advised_against() {
        let limit = heap_limit(&bytes(&["node", "--max-old-space-size=8192", "app.js"]), None).unwrap();
        let text = advice(limit, Bytes::mib(4096)).unwrap();
        assert!(text.contains("8.0 GiB") && text.contains("4.0 GiB") && text.contains("3.0 GiB"), "{text}");
        assert_eq!(advice(limit, Bytes::mib(16_384)), None);
        assert_eq!(advice(limit, Bytes(0)), None, "nothing is known of the machine");
    }

    proptest! {
        #[test]
        fn no_command_panics(
            program in "(node|java|npm x|sh)",
            arguments in prop::collection::vec("(-Xmx|--max-old-space-size|=|-r|-cp|--|[0-9]{0,25}[kmgt]?| |\"|\\\\){0,4}", 0..6)
        ) {
            let mut command = vec![program.into_bytes()];
            command.extend(arguments.iter().map(|a| a.clone().into_bytes()));
            let environment: Vec<Vec<u8>> =
                ["NODE_OPTIONS", "_JAVA_OPTIONS"].iter().map(|n| format!("{n}={}", arguments.join(" ")).into_bytes()).collect();
            if let Some(limit) = heap_limit(&command, Some(&environment)) {
                prop_assert!(limit.bytes.0 > 0);
                let _ = advice(limit, Bytes(1));
            }
        }
    }
}
