//! Where MCP clients keep their configuration, on Linux. What each is documented as stands in `scupper_mcp`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Below the directory of a project.
const OF_PROJECTS: [&str; 8] = [
    ".mcp.json",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
    ".vscode/settings.json",
    ".gemini/settings.json",
    "opencode.json",
    "opencode.jsonc",
    ".codex/config.toml",
];
/// Below HOME.
const OF_HOME: [&str; 3] = [".claude.json", ".cursor/mcp.json", ".gemini/settings.json"];
/// Below `$XDG_CONFIG_HOME`.
const OF_CONFIG: [&str; 9] = [
    "Claude/claude_desktop_config.json",
    "Code/User/mcp.json",
    "Code/User/settings.json",
    "Code - Insiders/User/mcp.json",
    "Code - Insiders/User/settings.json",
    "VSCodium/User/mcp.json",
    "VSCodium/User/settings.json",
    "opencode/opencode.json",
    "opencode/opencode.jsonc",
];

/// Every place that is looked at: this user's, then those of this directory.
pub(super) fn all(variable: impl Fn(&str) -> Option<OsString>, here: &Path) -> Vec<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let home = absolute("HOME");
    let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let config = absolute("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let codex = absolute("CODEX_HOME").or_else(|| below_home(".codex"));
    let claude = absolute("CLAUDE_CONFIG_DIR").map(|directory| directory.join(".claude.json"));

    let mut places: Vec<PathBuf> = claude.into_iter().collect();
    places.extend(OF_HOME.into_iter().filter_map(below_home));
    places.extend(config.iter().flat_map(|config| OF_CONFIG.map(|name| config.join(name))));
    places.extend(codex.map(|codex| codex.join("config.toml")));
    for name in OF_PROJECTS {
        let place = here.join(name);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let all = all(variable, Path::new("/src/shop"));
        all.into_iter().map(|place| place.display().to_string()).collect()
    }

    #[test]
    fn variables_say_where_a_client_looks() {
        let usual = places(&[("HOME", "/home/ana")]);
        for place in [
            "/home/ana/.claude.json",
            "/home/ana/.config/Claude/claude_desktop_config.json",
            "/home/ana/.codex/config.toml",
            "/src/shop/.mcp.json",
        ] {
            assert!(usual.iter().any(|found| found == place), "{place}");
        }
        let moved = places(&[("HOME", "/home/ana"), ("XDG_CONFIG_HOME", "/c"), ("CODEX_HOME", "/x")]);
        assert!(moved.contains(&"/c/opencode/opencode.jsonc".to_owned()));
        assert!(moved.contains(&"/x/config.toml".to_owned()));
        assert!(!moved.contains(&"/home/ana/.codex/config.toml".to_owned()));
    }

    #[test]
    fn without_a_home_the_project_is_left() {
        assert_eq!(places(&[("HOME", "relative")]).len(), OF_PROJECTS.len());
        assert_eq!(places(&[]).len(), OF_PROJECTS.len());
    }

    #[test]
    fn at_home_no_file_is_taken_twice() {
        let mut places = all(|name| (name == "HOME").then(|| "/home/ana".into()), Path::new("/home/ana"));
        let count = places.len();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), count);
    }
}
