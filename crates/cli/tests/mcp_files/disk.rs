//! What becomes of the file on the disk: its mode, its owner, its links, and what happens when it cannot be replaced.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{PLAIN, SCUPPER, User, WRAPPED, answer};

const NOBODY: u32 = 65534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn mode_and_owner_stay_and_the_backup_has_them_too() {
    let user = User::new().with(".mcp.json", PLAIN);
    let (file, backup) = (user.path(".mcp.json"), user.path(".mcp.json.scupper-backup"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let before = owner(&file);
    assert_eq!(user.wrap(&[".mcp.json", "--write"]).code, 0);
    assert_eq!(user.text(".mcp.json"), WRAPPED);
    for path in [&file, &backup] {
        assert_eq!((mode(path), owner(path)), (0o640, before), "{}", path.display());
    }
}

#[test]
fn a_link_stays_a_link() {
    let user = User::new().with("dotfiles/mcp.json", PLAIN);
    symlink("dotfiles/mcp.json", user.path(".mcp.json")).unwrap();
    assert_eq!(user.wrap(&[".mcp.json", "dotfiles/mcp.json", "--write"]).code, 0);
    assert!(fs::symlink_metadata(user.path(".mcp.json")).unwrap().is_symlink());
    assert_eq!(user.text("dotfiles/mcp.json"), WRAPPED);
    assert_eq!(user.text("dotfiles/mcp.json.scupper-backup"), PLAIN);
    assert_eq!(user.names(), [".mcp.json", "dotfiles"]);
    symlink("nowhere", user.path("dangling.json")).unwrap();
    assert_eq!(user.wrap(&["dangling.json"]).err, "error: dangling.json is not there\n");
}

/// As nobody, for whom a mode means something.
#[test]
fn what_must_not_be_written_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root, who alone can become nobody");
        return;
    }
    let user = User::new().with("open/mcp.json", PLAIN).with("closed/mcp.json", PLAIN);
    for name in ["", "open", "open/mcp.json", "closed/mcp.json"] {
        chown(user.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let root = user.path("..");
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(user.path("open/mcp.json"), fs::Permissions::from_mode(0o444)).unwrap();
    // The test's own directories may be closed to others.
    fs::copy(SCUPPER, user.path("scupper")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(user.path("scupper"));
    command.args(["mcp", "wrap", "--write", "open/mcp.json", "closed/mcp.json"]);
    user.dress(&mut command);
    let said = answer(&mut command);
    assert_eq!(said.code, 2, "{said:?}");
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines[0], "error: open/mcp.json is read-only");
    assert!(lines[1].starts_with("error: closed/mcp.json cannot write to "), "{lines:?}");
    for directory in ["open", "closed"] {
        assert_eq!(user.text(&format!("{directory}/mcp.json")), PLAIN);
        assert_eq!(fs::read_dir(user.path(directory)).unwrap().count(), 1);
    }
}

/// Ended with KILL at any moment, it leaves the old file or the new one.
#[test]
fn a_write_that_is_killed_is_done_or_not_done() {
    let padding = format!("  \"history\": [\n{}    0\n  ],\n", "    \"x\",\n".repeat(30_000));
    let plain = PLAIN.replacen("{\n", &format!("{{\n{padding}"), 1);
    let user = User::new().with("whole.json", &plain);
    assert_eq!(user.wrap(&["whole.json", "--write"]).code, 0);
    let wrapped = user.text("whole.json");
    fs::remove_file(user.path("whole.json")).unwrap();
    fs::remove_file(user.path("whole.json.scupper-backup")).unwrap();
    let file = user.path("mcp.json");
    let mut unchanged = 0;
    for moment in [Moment::AtOnce, Moment::FirstFile, Moment::SecondFile, Moment::Backup, Moment::Replaced] {
        for _ in 0..4 {
            user.write("mcp.json", &plain);
            let before = fs::metadata(&file).unwrap().ino();
            let mut child = user
                .command(&["wrap", "--scupper", "scupper", "mcp.json", "--write"])
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            while child.try_wait().unwrap().is_none() && !moment.has_come(&user.names(), &file, before) {}
            child.kill().unwrap();
            child.wait().unwrap();
            let text = user.text("mcp.json");
            assert!(text == plain || text == wrapped, "{} bytes after {moment:?}", text.len());
            unchanged += u32::from(text == plain);
            for name in user.names() {
                let text = user.text(&name);
                assert!(
                    name != "mcp.json.scupper-backup" || text == plain,
                    "{} bytes after {moment:?}",
                    text.len()
                );
                fs::remove_file(user.path(&name)).unwrap();
            }
        }
    }
    assert!(unchanged >= 4, "what is killed at once changes nothing");
}

/// When it is killed, by what can be seen of it.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AtOnce,
    /// The new text is being written.
    FirstFile,
    /// The backup is being written.
    SecondFile,
    Backup,
    Replaced,
}

impl Moment {
    fn has_come(self, names: &[String], file: &Path, before: u64) -> bool {
        let beside = names.iter().filter(|name| name.starts_with(".scupper-")).count();
        match self {
            Self::AtOnce => true,
            Self::FirstFile => beside > 0,
            Self::SecondFile => beside > 1,
            Self::Backup => names.iter().any(|name| name.ends_with(".scupper-backup")),
            Self::Replaced => fs::metadata(file).is_ok_and(|now| now.ino() != before),
        }
    }
}
