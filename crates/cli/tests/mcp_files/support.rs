//! A user with a home, a project and some configuration files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const SCUPPER: &str = env!("CARGO_BIN_EXE_scupper");

/// Two servers of which one can be wrapped.
pub(crate) const PLAIN: &str = r#"{
  "mcpServers": {
    "files": { "command": "npx", "args": ["-y", "files-server"] },
    "far": { "type": "http", "url": "https://example.com/mcp" }
  }
}
"#;
/// The same, wrapped with `--scupper scupper`.
pub(crate) const WRAPPED: &str = r#"{
  "mcpServers": {
    "files": { "command": "scupper", "args": ["mcp", "--", "npx", "-y", "files-server"] },
    "far": { "type": "http", "url": "https://example.com/mcp" }
  }
}
"#;

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) struct User {
    root: TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        fs::create_dir(root.path().join("project")).unwrap();
        fs::create_dir(root.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(SCUPPER, root.path().join("bin/scupper")).unwrap();
        Self { root }
    }

    /// A path in the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("project").join(name)
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.root.path().join("home").join(name)
    }

    /// With a file in the project.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        self.write(name, text);
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        put(&self.path(name), text);
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What the project directory holds, hidden files too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SCUPPER);
        self.dress(command.arg("mcp").args(arguments));
        command
    }

    pub(crate) fn dress(&self, command: &mut Command) {
        command.current_dir(self.path("")).env_clear().stdin(Stdio::null());
        let mut search = self.root.path().join("bin").into_os_string();
        search.push(":");
        search.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", search);
        command.env("HOME", self.home("")).env("XDG_RUNTIME_DIR", self.root.path());
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        answer(&mut self.command(arguments))
    }

    pub(crate) fn wrap(&self, arguments: &[&str]) -> Answer {
        self.run(&[&["wrap", "--scupper", "scupper"], arguments].concat())
    }
}

pub(crate) fn answer(command: &mut Command) -> Answer {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Answer {
        code: status.code().expect("ended by a signal"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

pub(crate) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
