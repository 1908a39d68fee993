//! What an MCP server is called when nobody says: thirty units named `npx` would tell nobody anything.

use scupper_model::redact_arguments;

/// What starts a server that is named behind it. A number behind these is a version.
const LAUNCHERS: [&str; 15] = [
    "npx", "bunx", "pnpx", "uvx", "npm", "pnpm", "yarn", "bun", "deno", "uv", "pipx", "node", "nodejs",
    "python", "tsx",
];
/// Words of launchers between themselves and the server.
const VERBS: [&str; 5] = ["exec", "run", "dlx", "x", "tool"];
/// Flags of launchers that have a value behind them, which is no server.
const WITH_VALUE: [&str; 33] = [
    "--from",
    "--with",
    "--with-editable",
    "--with-requirements",
    "--python",
    "--directory",
    "--project",
    "--package",
    "--prefix",
    "--env-file",
    "--registry",
    "--cache",
    "--cache-dir",
    "--userconfig",
    "--workspace",
    "--filter",
    "--index",
    "--default-index",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--config",
    "--config-file",
    "--constraints",
    "--group",
    "--extra",
    "--import",
    "--require",
    "--loader",
    "--conditions",
    "-r",
    "-W",
    "-X",
];
/// Flags of launchers that stand alone.
const ALONE: [&str; 22] = [
    "--",
    "--yes",
    "--no",
    "--no-install",
    "--quiet",
    "--silent",
    "--verbose",
    "--offline",
    "--prefer-offline",
    "--prefer-online",
    "--ignore-existing",
    "--bun",
    "--watch",
    "--isolated",
    "--refresh",
    "--frozen",
    "--locked",
    "--no-sync",
    "--no-cache",
    "--no-project",
    "--no-warnings",
    "--allow-all",
];
/// Letters of short flags that stand alone, or, for `-m`, before what is looked for.
const LETTERS: &str = "yqmusvABEIOPSU";
/// What stands behind the `@` of a package, where it is no number.
const TAGS: [&str; 9] = ["latest", "next", "beta", "alpha", "canary", "nightly", "stable", "rc", "preview"];
/// Files and directories that are called so in every package.
const EVERYWHERE: [&str; 10] =
    ["index", "main", "cli", "server", "dist", "build", "src", "bin", "lib", "node_modules"];

/// The word of a command line that names the server: its package, module or script behind a launcher, else its program.
/// A name is shown and stored, so a word that may be a secret, or part of a program (`-c`), is none: the launcher's name
/// does. So it does behind a flag that is not known, which may or may not have a value.
pub(super) fn server_name(command: &[String]) -> String {
    let Some(program) = command.first() else { return String::new() };
    let program = last(program);
    let launcher = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let word = if LAUNCHERS.contains(&launcher) { telling_word(command) } else { None };
    let name = word.and_then(|word| {
        // `@scope/package@1.2`, `/srv/files/dist/index.js`: the last part that says something.
        let parts = word.rsplit('/').map(|part| stem(part.split('@').next().unwrap_or(part)));
        let said: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        said.iter().find(|part| !EVERYWHERE.contains(part)).or(said.first()).copied()
    });
    name.unwrap_or(program).to_owned()
}

/// The package, module or script behind a launcher.
fn telling_word(command: &[String]) -> Option<&str> {
    let mut words = command.iter().map(String::as_str).enumerate().skip(1);
    while let Some((index, word)) = words.next() {
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if word.starts_with('-') {
            let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
            let is_short = letters.is_some_and(|letters| letters.chars().all(|c| LETTERS.contains(c)));
            let is_whole = word.starts_with("--") && word.contains('=');
            if !(is_short || is_whole || ALONE.contains(&word)) {
                return None;
            }
        } else if !VERBS.contains(&word) {
            let shown = redact_arguments(command.iter().map(String::as_bytes));
            let is_shown = shown.get(index).is_some_and(|shown| shown == word);
            return (is_shown && is_package_or_path(word)).then_some(word);
        }
    }
    None
}

/// Whether it is nothing but the name of a package, a module or a file: no address, no pair, no program.
fn is_package_or_path(word: &str) -> bool {
    let word = ["npm:", "jsr:"].iter().find_map(|scheme| word.strip_prefix(scheme)).unwrap_or(word);
    let is_version = |text: &str| {
        let text = text.trim_start_matches(['^', '~', 'v']);
        text.starts_with(|c: char| c.is_ascii_digit()) || TAGS.contains(&text)
    };
    let ends_in_version = |part: &str| match part.split_once('@') {
        None => true,
        Some((name, version)) => name.is_empty() || is_version(version),
    };
    let is_odd =
        |c: char| !(c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | '^' | '~'));
    !word.contains(is_odd) && word.split('/').all(ends_in_version)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(file: &str) -> &str {
    [".js", ".mjs", ".cjs", ".ts", ".py"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_its_package_module_or_script() {
        let cases = [
            ("npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /srv", "server-filesystem"),
            ("npx --package some mcp-tool", "mcp-tool"),
            ("uvx --from git+https://example.com/x mcp-server-git --repository .", "mcp-server-git"),
            ("uv run --directory /srv/app server.py", "server"),
            ("/usr/bin/node /srv/files/dist/index.js --flag", "files"),
            ("python3.11 -m mcp_server_time", "mcp_server_time"),
            ("npm exec -- weather", "weather"),
            ("/opt/bin/github-mcp-server stdio", "github-mcp-server"),
            ("docker run -i --rm image", "docker"),
            ("node", "node"),
            ("npx -y @scope/pkg", "pkg"),
            ("npx weather@latest", "weather"),
            ("deno run -A npm:@scope/pkg@^1.2 x", "pkg"),
            ("uvx --index https://token@pypi.example srv", "srv"),
            ("npx --registry https://bob:secret@npm.example srv", "srv"),
            ("node --max-old-space-size=450 /srv/app/weather.mjs", "weather"),
            ("npx -y", "npx"),
        ];
        for (line, name) in cases {
            let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(server_name(&command), name, "{line}");
        }
        assert_eq!(server_name(&[]), "");
    }

    #[test]
    fn safety_9_what_may_be_a_secret_is_no_name() {
        for line in [
            &["npx", "--api-key", "hunter1hunter", "srv"][..],
            &["npx", "--what", "hunter1hunter", "srv"],
            &["npx", "--what", "srv", "hunter1hunter"],
            &["npx", "-k", "hunter1hunter", "srv"],
            &["npx", "--registry", "https://npm.example", "https://bob:hunter1hunter@npm.example"],
            &["uvx", "git+https://hunter1hunter@example.com/hunter1hunter"],
            &["uvx", "hunter1hunter@pypi.example"],
            &["uvx", "bob:hunter1hunter@pypi.example"],
            &["npx", "https://example.com/?x=hunter1hunter"],
            &["npx", "KEY=hunter1hunter"],
            &["npx", "-y", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"],
            &["python3", "-c", "hunter1hunter"],
            &["python3", "-Sc", "hunter1hunter"],
            &["node", "-e", "hunter1hunter"],
            &["node", "-p", "hunter1hunter"],
            &["node", "--eval", "hunter1hunter"],
            &["python3", "say 'hunter1hunter'"],
        ] {
            let command: Vec<String> = line.iter().map(ToString::to_string).collect();
            assert_eq!(server_name(&command), line[0], "{line:?}");
        }
    }
}
