//! What an MCP server is called when nobody says: thirty units named `npx` would tell nobody anything.

/// What starts a server that is named behind it. A number behind these is a version.
const LAUNCHERS: [&str; 15] = [
    "npx", "bunx", "pnpx", "uvx", "npm", "pnpm", "yarn", "bun", "deno", "uv", "pipx", "node", "nodejs",
    "python", "tsx",
];
/// Words of launchers between themselves and the server.
const VERBS: [&str; 5] = ["exec", "run", "dlx", "x", "tool"];
/// Flags of launchers whose value is no server.
const WITH_VALUE: [&str; 8] =
    ["--from", "--with", "--python", "--directory", "--project", "--package", "--prefix", "--env-file"];
/// Files and directories that are called so in every package.
const EVERYWHERE: [&str; 10] =
    ["index", "main", "cli", "server", "dist", "build", "src", "bin", "lib", "node_modules"];

/// The word of a command line that names the server: its package, module or script behind a launcher, else its program.
pub(super) fn server_name(command: &[String]) -> String {
    let Some((program, arguments)) = command.split_first() else { return String::new() };
    let launcher = last(program).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !LAUNCHERS.contains(&launcher) {
        return last(program).to_owned();
    }
    let mut words = arguments.iter().map(String::as_str);
    let mut found = None;
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') && !VERBS.contains(&word) {
            found = Some(word);
            break;
        }
    }
    // `@scope/package@1.2`, `/srv/files/dist/index.js`, `git+https://...`: the last part that says something.
    let parts =
        found.unwrap_or_default().rsplit('/').map(|part| stem(part.split('@').next().unwrap_or(part)));
    let said: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let telling = said.iter().find(|part| !EVERYWHERE.contains(part));
    telling.or(said.first()).map_or_else(|| last(program).to_owned(), ToString::to_string)
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
            ("npx -y", "npx"),
        ];
        for (line, name) in cases {
            let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(server_name(&command), name, "{line}");
        }
        assert_eq!(server_name(&[]), "");
    }
}
