//! What a program is: its class, and the group that all of its kind share. For people and for counting alone: names
//! decide nothing (ARCHITECTURE.md, Safety 3).
//!
//! A program is known by the script or package it runs, where there is one: thirty `node` are nothing to look at,
//! thirty `npx @scope/server` are. What does not look like a name (a token, a long path) is never part of a group.

use std::ops::ControlFlow;

use scupper_knowledge::browser::{self, Browser};
use scupper_model::{printable, redact_arguments};
use scupper_probe::snapshot::Process;

use crate::finding::Class;
use crate::wording::base_name;

/// What is said of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub class: Class,
    pub group: String,
    /// The command line as it may be shown: printable, without secrets.
    pub command: String,
}

/// Longest name of a group.
const MOST_OF_GROUP: usize = 60;

/// Programs that run another: what they run is what counts. Their options that take a value are skipped with it.
const INTERPRETERS: [(&str, &[&str]); 12] = [
    ("node", &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"]),
    ("nodejs", &["-r", "--require", "--import", "--loader"]),
    ("bun", &["-r", "--preload", "--cwd"]),
    ("deno", &["--config", "-c", "--import-map"]),
    ("tsx", &["--tsconfig"]),
    ("ts-node", &["-P", "--project"]),
    ("python", &["-W", "-X", "-Q"]),
    ("ruby", &["-r", "-I"]),
    ("perl", &["-I", "-M"]),
    ("php", &["-d", "-c"]),
    ("java", &["-cp", "-classpath", "--class-path", "-p", "--module-path"]),
    ("dotnet", &[]),
];

/// Package runners, and the words and options between them and the package.
const RUNNERS: [(&str, &[&str], &[&str]); 8] = [
    ("npx", &["exec"], &["-p", "--package", "-c", "--call", "--registry"]),
    ("npm", &["exec", "x", "run", "run-script"], &["--prefix", "-C", "-w", "--workspace", "--registry"]),
    ("pnpm", &["exec", "dlx", "run"], &["-C", "--dir", "--filter", "-F"]),
    ("yarn", &["exec", "dlx", "run"], &["--cwd"]),
    ("bunx", &[], &[]),
    ("uvx", &[], &["--from", "--with", "--python", "-p", "--index-url"]),
    (
        "uv",
        &["run", "tool"],
        &["--from", "--with", "--python", "-p", "--directory", "--project", "--index-url"],
    ),
    ("pipx", &["run"], &["--spec", "--python"]),
];

/// What a process is, by its command line.
pub(crate) fn of(process: &Process) -> Kind {
    let command = process.command.as_deref().unwrap_or_default();
    // Redacted before anything of it becomes a name.
    let arguments = redact_arguments(command.iter().map(Vec::as_slice));
    let whole = arguments.join(" ");
    if let Some((family, _)) = browser::recognise(&process.name, command) {
        let group = browser_group(family, process).to_owned();
        return Kind { class: Class::Browser, group, command: whole };
    }
    let words: Vec<&str> = arguments.iter().flat_map(|word| title_words(word, command.len())).collect();
    let group = group_of(&words).unwrap_or_else(|| printable(&process.name, MOST_OF_GROUP));
    Kind { class: class_of(&group, &words), group, command: whole }
}

/// A program that writes its own title writes one argument: `npm exec @scope/server`.
fn title_words(word: &str, arguments: usize) -> impl Iterator<Item = &str> {
    word.split(' ').take(if arguments == 1 { 8 } else { usize::MAX }).filter(|word| !word.is_empty())
}

fn browser_group(family: Browser, process: &Process) -> &'static str {
    let first = process.command.as_deref().unwrap_or_default().first();
    let program = first.map_or(process.name.as_slice(), |first| base_name(first));
    match family {
        Browser::Chromium if program.starts_with(b"chromium") => "chromium",
        Browser::Chromium => "chrome",
        Browser::Firefox => "firefox",
        Browser::Webkit => "webkit",
    }
}

fn group_of(words: &[&str]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    let program = name_of(first);
    if program.is_empty() {
        return None;
    }
    if let Some((name, verbs, valued)) = RUNNERS.iter().find(|(name, ..)| *name == program) {
        let package = argument(rest, verbs, valued)?;
        return Some(cut(&format!("{name} {}", package_name(package))));
    }
    let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let found = INTERPRETERS.iter().find(|(name, _)| *name == plain || *name == program);
    let Some((name, valued)) = found else { return Some(cut(program)) };
    if let Some(module) = after(rest, if *name == "java" { "-jar" } else { "-m" }) {
        return Some(cut(&format!("{name} {}", package_name(name_of(module)))));
    }
    let Some(script) = argument(rest, &["run", "exec"], valued) else { return Some(cut(program)) };
    Some(cut(&script_group(name, script)))
}

/// `node /x/node_modules/.bin/foo` is foo, `node server.js` is what it says.
fn script_group(interpreter: &str, script: &str) -> String {
    if let Some((_, inside)) = script.rsplit_once("node_modules/") {
        let inside = inside.strip_prefix(".bin/").unwrap_or(inside);
        let mut parts = inside.split('/');
        let package = match (parts.next(), parts.next()) {
            (Some(scope), Some(name)) if scope.starts_with('@') => format!("{scope}/{name}"),
            (name, _) => name.unwrap_or(inside).to_owned(),
        };
        // npm's own script, run by node, is npm.
        return package_name(&package).to_owned();
    }
    let name = name_of(script);
    if script.contains("/bin/") && !name.contains('.') {
        name.to_owned()
    } else {
        format!("{interpreter} {name}")
    }
}

/// The first word that is neither an option, nor an option's value, nor one of `verbs`.
fn argument<'a>(words: &[&'a str], verbs: &[&str], valued: &[&str]) -> Option<&'a str> {
    let mut skip = false;
    let found = words.iter().try_for_each(|word| {
        if std::mem::take(&mut skip) {
            return ControlFlow::Continue(());
        }
        // Inline code is no name.
        if matches!(*word, "-e" | "-c" | "--eval" | "-p" | "--print") && !valued.contains(word) {
            return ControlFlow::Break(None);
        }
        skip = valued.contains(word);
        if word.starts_with('-') || verbs.contains(word) {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Some(*word))
    });
    found.break_value().flatten()
}

fn after<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    let until_program = words.iter().take_while(|word| word.starts_with('-')).count();
    words[..until_program].iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied()
}

/// `@scope/server@1.2` is `@scope/server`, `server@latest` is `server`.
fn package_name(package: &str) -> &str {
    match package.char_indices().skip(1).find(|&(_, c)| c == '@' || c == '=') {
        Some((at, _)) => &package[..at],
        None => package,
    }
}

/// The last component of a path, without what a title adds (`tmux: server`).
fn name_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_prefix('-').unwrap_or(name).trim_end_matches(':')
}

fn cut(text: &str) -> String {
    printable(text.as_bytes(), MOST_OF_GROUP)
}

fn class_of(group: &str, words: &[&str]) -> Class {
    let name = group.rsplit([' ', '/']).next().unwrap_or(group);
    // A package's script may say more than the package: `typescript/lib/tsserver.js`.
    let script =
        words.get(1).filter(|word| word.contains("node_modules/")).map_or(name, |word| name_of(word));
    let stem = |name| str::rsplit_once(name, '.').map_or(name, |(stem, _)| stem);
    let is_in = |list: &[&str]| [name, stem(name), stem(script)].iter().any(|name| list.contains(name));
    let is_mcp = |word: &str| {
        let parts = word.split(|c: char| !c.is_ascii_alphanumeric());
        parts
            .into_iter()
            .any(|part| part.eq_ignore_ascii_case("mcp") || part.eq_ignore_ascii_case("modelcontextprotocol"))
    };
    if is_mcp(group) {
        Class::McpServer
    } else if is_in(&SHELLS) {
        Class::Shell
    } else if is_in(&AGENTS)
        || group.starts_with("@anthropic-ai/claude-code")
        || group.starts_with("@openai/codex")
    {
        Class::Agent
    } else if is_in(&LANGUAGE_SERVERS)
        || name.contains("language-server")
        || name.contains("langserver")
        || name.ends_with("-lsp")
    {
        Class::LanguageServer
    } else if is_in(&TEST_RUNNERS) || group.starts_with("@playwright/test") {
        Class::TestRunner
    } else if is_in(&DEV_SERVERS) || words.iter().skip(1).any(|word| *word == "--watch" || *word == "--hot") {
        Class::DevServer
    } else if words.iter().skip(1).take(6).any(|word| !word.starts_with('/') && is_mcp(word)) {
        Class::McpServer
    } else {
        Class::Other
    }
}

const AGENTS: [&str; 10] =
    ["claude", "codex", "gemini", "opencode", "aider", "goose", "cursor-agent", "crush", "amp", "copilot"];
const TEST_RUNNERS: [&str; 15] = [
    "jest",
    "vitest",
    "mocha",
    "pytest",
    "playwright",
    "cypress",
    "karma",
    "ava",
    "wtr",
    "tap",
    "rspec",
    "phpunit",
    "cargo-nextest",
    "ctest",
    "py.test",
];
const DEV_SERVERS: [&str; 20] = [
    "vite",
    "webpack",
    "webpack-dev-server",
    "next",
    "next-server",
    "nuxt",
    "nuxi",
    "rollup",
    "esbuild",
    "parcel",
    "turbo",
    "nodemon",
    "concurrently",
    "rspack",
    "astro",
    "ng",
    "storybook",
    "remix",
    "expo",
    "flask",
];
const LANGUAGE_SERVERS: [&str; 14] = [
    "tsserver",
    "tsserver.js",
    "rust-analyzer",
    "gopls",
    "pyright",
    "pylsp",
    "clangd",
    "jdtls",
    "solargraph",
    "eslint-lsp",
    "lua-language-server",
    "metals",
    "zls",
    "basedpyright",
];
const SHELLS: [&str; 9] = ["sh", "bash", "zsh", "dash", "fish", "ksh", "ash", "busybox", "nu"];
