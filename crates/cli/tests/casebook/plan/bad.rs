//! Bad notes, bad plans, bad vaults: one clear line each, and the others go on.
//! Rows shown here: R018, R019.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::{PLAN, edit, plan, planned, seed_note, vault};
use crate::scene::Room;

#[test]
fn r019_each_bad_note_is_one_line_and_the_others_have_their_plans() {
    let room = vault();
    let inbox = |name: &str, text: &[u8]| room.write(&format!("vault/Inbox/{name}"), text);
    inbox("bom.md", b"\xef\xbb\xbf# With a mark\r\n\r\n- fix it\r\n");
    inbox("front.md", b"---\ntags: [a]\n---\n\n# The title\n");
    inbox("plain.md", b"no heading\n");
    inbox("ticks.md", b"# Ticks\n````\n```\n````\n");
    inbox("empty.md", b"");
    inbox("blank.md", b" \n\n");
    inbox("onlyfront.md", b"---\na: 1\n---\n");
    inbox("binary.md", b"\x7fELF\0\0\0");
    inbox("latin.md", b"# Caf\xe9\n");
    inbox("ansi.md", b"# Red \x1b[31mtitle\n\xe2\x80\xaeback\n");
    inbox("CON.md", b"# Reserved\n");
    inbox("a\\..\\b.md", b"# Path\n");
    inbox("line\nbreak.md", b"# Line\n");
    inbox("same.md", b"# One\n");
    inbox("same.MD", b"# Two\n");
    fs::File::create(room.work("vault/Inbox/huge.md")).unwrap().set_len(50 << 20).unwrap();
    fs::create_dir(room.work("vault/Inbox/folder.md")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, room.work("vault/Inbox/pipe.md"), rustix::fs::Mode::RUSR).unwrap();
    room.write("secret.md", "# Secret\n");
    symlink(room.work("secret.md"), room.work("vault/Inbox/out.md")).unwrap();
    symlink("nowhere", room.work("vault/Inbox/broken.md")).unwrap();
    room.write("vault/notes/kept.md", "# Inside\n");
    symlink("../notes/kept.md", room.work("vault/Inbox/inside.md")).unwrap();
    // None of ours to look at.
    for name in [".hidden.md", "draft.md~", ".draft.md.swp", "~$office.md", "half.tmp.md", "text.txt"] {
        inbox(name, b"# no");
    }

    let answer = plan(&room, &[]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let lines: Vec<&str> = answer.err.lines().collect();
    for (name, words) in [
        ("empty.md", "is empty"),
        ("blank.md", "is empty"),
        ("onlyfront.md", "no text behind it"),
        ("binary.md", "is binary"),
        ("latin.md", "UTF-8"),
        ("ansi.md", "2 characters that are not shown or turn text around, the first in line 1"),
        ("CON.md", "Windows cannot hold"),
        ("a\\..\\b.md", "rename it"),
        ("line\u{fffd}break.md", "rename it"),
        ("same.md", "its plan is Plan_same-2.md"),
        ("huge.md", "too large"),
        ("folder.md", "no regular file"),
        ("pipe.md", "no regular file"),
        ("out.md", "leads out of the vault"),
        ("broken.md", "leads nowhere"),
    ] {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(&format!(": {name}"))).collect();
        assert!(found.len() == 1 && found[0].contains(words), "{name}: {found:?}\n{}", answer.err);
    }
    assert_eq!(lines.len(), 15, "{}", answer.err);
    assert!(!answer.err.contains('\u{1b}') && !answer.out.contains('\u{1b}'));
    assert_eq!(
        room.names("vault/Needs_Action"),
        [
            "Plan_CON.md",
            "Plan_ansi.md",
            "Plan_bom.md",
            "Plan_fix_memory_leak.md",
            "Plan_front.md",
            "Plan_inside.md",
            "Plan_plain.md",
            "Plan_same-2.md",
            "Plan_same.md",
            "Plan_ticks.md"
        ]
    );
    let text = |name: &str| room.read(&format!("vault/Needs_Action/Plan_{name}.md"));
    assert!(text("front").contains("# Plan: The title\n"));
    assert!(text("plain").contains("# Plan: no heading\n"));
    assert!(text("bom").contains("# Plan: With a mark\n") && !text("bom").contains(['\r', '\u{feff}']));
    assert!(text("ticks").contains("\n`````\n# Ticks\n````\n```\n````\n\n`````\n"), "{}", text("ticks"));
    assert!(!text("ansi").contains(['\u{1b}', '\u{202e}']));
    // Whoever mends one has its plan.
    inbox("latin.md", "# Caf\u{e9}\n".as_bytes());
    plan(&room, &[]);
    assert!(text("latin").contains("# Plan: Caf\u{e9}\n"));
}

#[test]
fn r018_a_vault_that_cannot_be_written_is_said_in_one_line() {
    if rustix::process::geteuid().is_root() {
        // Root writes everywhere but where the file system says no.
        let room = vault();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(room.work("vault"))
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("skipped: no file system may be mounted here");
            return;
        }
        let umount = Unmount(room.work("vault"));
        room.write("vault/Inbox/a.md", seed_note());
        room.write("vault/Inbox/b.md", "# Add a page\n");
        assert_eq!(plan(&room, &[]).code, 0);
        // Full: what is there stays as it is, and each note that cannot be planned is said.
        let before = room.read("vault/Needs_Action/Plan_a.md");
        let filled = fs::write(room.work("vault/filler"), vec![0; 1 << 20]);
        assert!(filled.is_err());
        room.write("vault/Inbox/a.md", format!("{}- more\n", seed_note()).get(..20).unwrap());
        let answer = plan(&room, &[]);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.err.contains("No space left on device"), "{}", answer.err);
        assert_eq!(room.read("vault/Needs_Action/Plan_a.md"), before);
        fs::remove_file(room.work("vault/filler")).unwrap();
        assert_eq!(plan(&room, &[]).code, 0);
        // Read-only.
        room.write("vault/Inbox/c.md", "# Review it\n");
        let remounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(room.work("vault")).status().unwrap();
        assert!(remounted.success());
        let answer = plan(&room, &[]);
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
        assert!(answer.err.contains("Read-only file system"), "{}", answer.err);
        drop(umount);
    } else {
        let room = vault();
        fs::set_permissions(room.work("vault"), Permissions::from_mode(0o555)).unwrap();
        let answer = plan(&room, &[]);
        fs::set_permissions(room.work("vault"), Permissions::from_mode(0o755)).unwrap();
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    }
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A note and the plan of it change together, and the plan cannot be read any more.
#[test]
fn a_plan_that_cannot_be_read_is_said_once_under_its_own_name() {
    let room = vault();
    plan(&room, &[]);
    edit(&room, PLAN, "status: pending", "status: pending\nstatus: pending");
    edit(&room, "vault/Inbox/fix_memory_leak.md", "- Review event listeners", "- Look at the cache");
    let before = room.read(PLAN);
    for _ in 0..2 {
        let answer = plan(&room, &[]);
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
        assert!(answer.err.starts_with("error: Plan_fix_memory_leak.md: line 4: "), "{}", answer.err);
    }
    assert_eq!(room.read(PLAN), before);
    // Without a status it is no plan: what is left of it stays as it is.
    room.write(PLAN, "what is left\n");
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    assert!(answer.err.contains("has no status: write `status: pending`"), "{}", answer.err);
    assert_eq!(room.read(PLAN), "what is left\n");
    room.write(PLAN, &before);
    // Mended, it is brought up to date.
    edit(&room, PLAN, "status: pending\nstatus: pending", "status: pending");
    assert_eq!(planned(&room, &[])["counts"]["updated"], 1);
    assert!(room.read(PLAN).contains("Look at the cache"));
}

/// A vault may come from anybody: what is in it leads nowhere out of it.
#[test]
fn r019_nothing_is_written_through_a_link_out_of_the_vault() {
    for ours in [
        "logs/actions.log",
        "logs/processed.json",
        ".scupper/bases",
        ".scupper/coming",
        ".scupper/plans.json",
    ] {
        let room = vault();
        room.write("outside", "");
        let path = room.work(&format!("vault/{ours}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(room.work("outside"), &path).unwrap();
        let answer = plan(&room, &[]);
        assert_eq!(answer.code, 1, "{ours}: {answer:?}");
        assert!(answer.err.contains(ours), "{ours}: {}", answer.err);
        assert_eq!(room.read("outside"), "", "{ours}");
    }
    let room = vault();
    plan(&room, &[]);
    fs::rename(room.work(PLAN), room.work("plan.md")).unwrap();
    symlink(room.work("plan.md"), room.work(PLAN)).unwrap();
    let before = room.read("plan.md");
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    assert!(answer.err.contains("is a link: put the plan itself in its place"), "{}", answer.err);
    assert_eq!(room.read("plan.md"), before);
    // Nor is anybody waited for.
    let room = vault();
    fs::create_dir(room.work("vault/.scupper")).unwrap();
    for name in ["bases", "coming", "plans.json"] {
        let path = room.work(&format!("vault/.scupper/{name}"));
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    }
    assert_eq!(plan(&room, &[]).code, 1);
}

#[test]
fn r019_a_note_with_the_longest_name_has_a_plan() {
    let room = Room::new();
    for name in ["n".repeat(252), "\u{6f22}".repeat(84)] {
        room.write(&format!("vault/Inbox/{name}.md"), "# Fix the bug\n");
    }
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
    assert_eq!(room.names("vault/Needs_Action").len(), 2);
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 2);
}
