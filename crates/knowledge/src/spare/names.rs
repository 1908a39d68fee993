//! What a pattern of `keep` is compared with. One rule for all who ask: what a scan shows as kept is kept by the end of
//! a unit and by a reap as well.
//!
//! A process has the kernel's short name and its program's. One that runs a script, a module or a package has the name
//! of that too, alone (`srv.py`, `@scope/server`) and behind its interpreter as lists show it (`python srv.py`). More
//! names only keep more. Sources: the usage of each interpreter and runner.

use super::base_name;
use crate::glob;

/// Words of a command line that are looked at: a script's own arguments are none of its names.
const MOST_WORDS: usize = 32;
/// Longest name that is compared, in bytes: the time of a comparison is pattern times name.
const MAX_NAME: usize = 256;
/// One runs the other (`uv run python srv.py`) so often.
const MOST_LEVELS: usize = 3;

/// A program that runs another: its name, the words between it and what it runs, its options that take a value, and the
/// option that names a module.
struct Runs {
    program: &'static str,
    verbs: &'static [&'static str],
    valued: &'static [&'static str],
    module: Option<&'static str>,
}

const fn runs(
    program: &'static str,
    verbs: &'static [&'static str],
    valued: &'static [&'static str],
    module: Option<&'static str>,
) -> Runs {
    Runs { program, verbs, valued, module }
}

const NODE: &[&str] =
    &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"];
const UV: &[&str] =
    &["--from", "--with", "--python", "-p", "--directory", "--project", "--index-url", "--spec"];
const NPM: &[&str] =
    &["--prefix", "-C", "-w", "--workspace", "--registry", "--dir", "--filter", "-F", "--cwd"];
const SHELL: &[&str] = &["-o", "-O", "--rcfile", "--init-file"];

const ALL: [Runs; 26] = [
    runs("node", &[], NODE, None),
    runs("nodejs", &[], NODE, None),
    runs("bun", &["run", "x"], &["-r", "--preload", "--cwd"], None),
    runs("deno", &["run"], &["--config", "-c", "--import-map"], None),
    runs("tsx", &[], &["--tsconfig"], None),
    runs("ts-node", &[], &["-P", "--project"], None),
    runs("python", &[], &["-W", "-X", "-Q"], Some("-m")),
    runs("pypy", &[], &["-W", "-X"], Some("-m")),
    runs("ruby", &[], &["-r", "-I"], None),
    runs("perl", &[], &["-I", "-M"], None),
    runs("php", &[], &["-d", "-c"], None),
    runs("java", &[], &["-cp", "-classpath", "--class-path", "-p", "--module-path"], Some("-jar")),
    runs("dotnet", &["run", "exec"], &[], None),
    runs("sh", &[], SHELL, None),
    runs("bash", &[], SHELL, None),
    runs("dash", &[], SHELL, None),
    runs("zsh", &[], SHELL, None),
    runs("npx", &["exec"], &["-p", "--package", "-c", "--call", "--registry"], None),
    runs("npm", &["exec", "x", "run", "run-script"], NPM, None),
    runs("pnpm", &["exec", "dlx", "run"], NPM, None),
    runs("yarn", &["exec", "dlx", "run"], NPM, None),
    runs("bunx", &[], &[], None),
    runs("uvx", &[], UV, None),
    runs("uv", &["run", "tool"], UV, None),
    runs("pipx", &["run"], UV, None),
    runs("poetry", &["run"], &["-C", "-P"], None),
];

/// The names of one process.
#[derive(Clone, Debug)]
pub struct KeepNames(Vec<Vec<u8>>);

impl KeepNames {
    /// Of a process with this short name and this command line, one entry an argument.
    pub fn of(name: &[u8], command: &[Vec<u8>]) -> Self {
        let mut names = Self(Vec::new());
        names.add(name);
        let mut words = words(command);
        for _ in 0..MOST_LEVELS {
            let Some((&first, rest)) = words.split_first() else { break };
            let program = base_name(first);
            names.add(program);
            let Some(found) = runner(program) else { break };
            let Some(at) = found.target(rest) else { break };
            names.target(found.program, rest[at]);
            words = rest[at..].to_vec();
        }
        names
    }

    /// Whether the pattern means one of them.
    pub fn matches(&self, pattern: &str) -> bool {
        self.0.iter().any(|name| glob::matches(pattern, name))
    }

    /// All of them together, in bytes: with the length of a pattern, what a comparison costs.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    fn add(&mut self, name: &[u8]) {
        let name = &name[..name.len().min(MAX_NAME)];
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_vec());
        }
    }

    /// A script, a module or a package, by all that people call it.
    fn target(&mut self, program: &str, word: &[u8]) {
        let package = package_name(word);
        let plain = if package.first() == Some(&b'@') { package } else { package_name(base_name(word)) };
        let installed = installed_package(word);
        for name in [base_name(word), plain].into_iter().chain(installed) {
            self.add(name);
            self.add(&[program.as_bytes(), b" ", name].concat());
        }
    }
}

/// Whether a pattern of `--keep`, `keep --match` or the configuration means a process of this short name and command
/// line. Everybody who keeps by a pattern asks this.
pub fn keep_matches(pattern: &str, name: &[u8], command: &[Vec<u8>]) -> bool {
    KeepNames::of(name, command).matches(pattern)
}

/// The words of a command line. A program that writes its own title writes one argument: `npm exec @scope/server`.
fn words(command: &[Vec<u8>]) -> Vec<&[u8]> {
    let title = command.len() == 1;
    let each = command.iter().take(MOST_WORDS).flat_map(|argument| {
        argument.split(move |&byte| title && byte == b' ').filter(|word| !word.is_empty())
    });
    each.take(MOST_WORDS).collect()
}

fn runner(program: &[u8]) -> Option<&'static Runs> {
    let version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = program.iter().rposition(|byte| !version(byte)).map_or(0, |last| last + 1);
    ALL.iter().find(|runs| [program, &program[..end]].contains(&runs.program.as_bytes()))
}

impl Runs {
    /// Where it stands what is run: the first word that is no option, no option's value and no verb. Inline code has no
    /// name.
    fn target(&self, words: &[&[u8]]) -> Option<usize> {
        let mut skip = false;
        for (at, &word) in words.iter().enumerate() {
            if std::mem::take(&mut skip) {
                continue;
            }
            let is = |list: &[&str]| list.iter().any(|known| known.as_bytes() == word);
            if self.module.is_some_and(|option| option.as_bytes() == word) {
                return (at + 1 < words.len()).then_some(at + 1);
            }
            skip = is(self.valued);
            // For a shell, -e and -p are settings.
            let inline: &[&str] =
                if self.valued == SHELL { &["-c"] } else { &["-e", "-c", "--eval", "-p", "--print"] };
            if !skip && is(inline) {
                return None;
            }
            if !word.starts_with(b"-") && !is(self.verbs) {
                return Some(at);
            }
        }
        None
    }
}

/// `@scope/server@1.2` is `@scope/server`, `server@latest` is `server`.
fn package_name(package: &[u8]) -> &[u8] {
    let end = package.iter().skip(1).position(|byte| matches!(byte, b'@' | b'='));
    end.map_or(package, |at| &package[..=at])
}

/// `node /x/node_modules/@scope/server/dist/index.js` is of the package `@scope/server`.
fn installed_package(word: &[u8]) -> Option<&[u8]> {
    const BELOW: &[u8] = b"node_modules/";
    let at = word.windows(BELOW.len()).rposition(|part| part == BELOW)?;
    let inside = &word[at + BELOW.len()..];
    let inside = inside.strip_prefix(b".bin/").unwrap_or(inside);
    let parts = if inside.starts_with(b"@") { 2 } else { 1 };
    let end = inside.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(parts - 1);
    Some(end.map_or(inside, |(end, _)| &inside[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str, command: &[&str]) -> bool {
        let command: Vec<Vec<u8>> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        keep_matches(pattern, name.as_bytes(), &command)
    }

    #[test]
    fn safety_5_a_process_is_kept_by_every_name_that_people_have_for_it() {
        for (pattern, name, command) in [
            ("python*", "MainThread", &["/usr/bin/python3", "srv.py"][..]),
            ("MainThread", "MainThread", &["/usr/bin/python3", "srv.py"]),
            ("srv.py", "python3", &["/usr/bin/python3", "-u", "-W", "ignore", "/srv/srv.py", "x"]),
            ("python srv.py", "python3", &["python3.11", "srv.py"]),
            ("http.server", "python3", &["python3", "-m", "http.server", "8000"]),
            ("@scope/x", "npm exec", &["npx", "-y", "@scope/x"]),
            ("@scope/x", "npm exec", &["npx", "-y", "@scope/x@1.2.3", "/data"]),
            ("npx @scope/*", "npm exec", &["npx", "-y", "@scope/x"]),
            ("x", "npm exec", &["npx", "-y", "@scope/x"]),
            ("@scope/server", "npm exec @scope", &["npm exec @scope/server"]),
            ("server", "node", &["npx", "server@latest"]),
            ("@a/b", "node", &["node", "--import", "y", "/p/node_modules/@a/b/dist/index.js"]),
            ("mcp-files", "node", &["node", "/p/node_modules/.bin/mcp-files"]),
            ("srv.py", "uv", &["uv", "run", "--with", "mcp", "python", "srv.py"]),
            ("start.sh", "sh", &["sh", "-e", "./start.sh"]),
            ("app.jar", "java", &["java", "-Xmx1g", "-jar", "/opt/app.jar"]),
        ] {
            assert!(matches(pattern, name, command), "{pattern} {command:?}");
        }
    }

    #[test]
    fn what_a_script_is_told_is_no_name_of_it() {
        for (pattern, command) in [
            ("data", &["python3", "srv.py", "data"][..]),
            ("srv.py", &["python3", "-c", "import x", "srv.py"]),
            ("srv.py", &["cat", "srv.py"]),
            ("ignore", &["python3", "-W", "ignore", "srv.py"]),
        ] {
            assert!(!matches(pattern, "x", command), "{pattern} {command:?}");
        }
        assert!(!matches("a", "", &[]));
    }
}
