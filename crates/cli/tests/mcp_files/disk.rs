//! What becomes of the file on the disk: its mode, its owner, its links, and what happens when it cannot be replaced.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{PLAIN, SCUPPER, User, WRAPPED, answer};

const NOBODY: u32 = 65534;

fn mode(path: &std::path::Path) -> u32 {
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
    let owner = |path: &std::path::Path| {
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
    let began = Instant::now();
    assert_eq!(user.wrap(&["whole.json", "--write"]).code, 0);
    let takes = began.elapsed();
    let wrapped = user.text("whole.json");
    let mut unchanged = 0;
    for part in 0..24_u32 {
        user.write("mcp.json", &plain);
        let mut child = user
            .command(&["wrap", "--scupper", "scupper", "mcp.json", "--write"])
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait(takes * part / 20);
        child.kill().unwrap();
        child.wait().unwrap();
        let text = user.text("mcp.json");
        assert!(text == plain || text == wrapped, "{} bytes after part {part}", text.len());
        unchanged += u32::from(text == plain);
        if let Ok(backup) = fs::read_to_string(user.path("mcp.json.scupper-backup")) {
            assert!(backup == plain, "{} bytes in the backup after part {part}", backup.len());
            fs::remove_file(user.path("mcp.json.scupper-backup")).unwrap();
        }
    }
    assert!(unchanged > 0, "none was killed in time");
}

/// A moment without reading a clock of ours: the kernel's timer is the condition.
fn wait(time: Duration) {
    let timeout = rustix::time::Timespec::try_from(time).unwrap();
    rustix::event::poll(&mut [], Some(&timeout)).unwrap();
}
