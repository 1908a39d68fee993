//! A tree against a `/proc` made of files, so that what is there at each look is chosen.

use std::fs;
use std::path::Path;

use scupper_model::{BootId, StartTime};
use tempfile::TempDir;

use super::*;

/// No process has this number.
const PID: i32 = 4_194_304 + 7;

fn fixture() -> (TempDir, Proc, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let boot = "dbd84afd-811e-495f-92fb-cb306f93cefd";
    fs::create_dir_all(dir.path().join("sys/kernel/random")).unwrap();
    fs::write(dir.path().join("sys/kernel/random/boot_id"), boot).unwrap();
    let proc = Proc::open(dir.path()).unwrap();
    let boot_id = boot.parse::<BootId>().unwrap();
    let identity = Identity { pid: Pid::new(PID).unwrap(), start_time: StartTime(99), boot_id };
    (dir, proc, identity)
}

fn process(dir: &Path, name: &str, state: char, command: &[u8]) {
    let home = dir.join(PID.to_string());
    fs::create_dir_all(home.join("task").join(PID.to_string())).unwrap();
    let zeros = "0 ".repeat(30);
    let stat =
        format!("{PID} ({name}) {state} 1 {PID} {PID} 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 99 1000 10 {zeros}\n");
    fs::write(home.join("stat"), stat).unwrap();
    fs::write(home.join("cmdline"), command).unwrap();
    fs::write(home.join("task").join(PID.to_string()).join("children"), "").unwrap();
}

fn command(tree: &Tree) -> String {
    tree.member(Pid::new(PID).unwrap()).unwrap().shown_command()
}

/// Within `exec` the name is the new one already and the command line still empty: it is read again.
#[test]
fn a_command_line_that_was_read_within_exec_is_read_again() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "scupper-launch", 'R', b"scupper\0__launch\0");
    tree.refresh(&proc, None, Duration::ZERO);
    process(dir.path(), "node", 'R', b"");
    tree.refresh(&proc, None, Duration::from_millis(20));
    assert_eq!(command(&tree), "", "not the launcher's");
    process(dir.path(), "node", 'R', b"node\0--max-old-space-size=8192\0");
    tree.refresh(&proc, None, Duration::from_millis(40));
    assert_eq!(command(&tree), "node --max-old-space-size=8192");
    // While it ends it has no command line, and as a zombie neither: what was known of it stays.
    process(dir.path(), "node", 'R', b"");
    tree.refresh(&proc, None, Duration::from_millis(400));
    process(dir.path(), "node", 'Z', b"");
    tree.refresh(&proc, None, Duration::from_secs(9));
    assert_eq!(command(&tree), "node --max-old-space-size=8192");
}

/// A zombie that nobody waits for must not keep the tree from being at rest: each look would walk it.
#[test]
fn a_zombie_settles_too() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "gone", 'Z', b"");
    tree.refresh(&proc, None, Duration::ZERO);
    tree.refresh(&proc, None, Duration::from_secs(1));
    assert!(tree.members().all(|member| member.settled));
}

/// Python that starts Python has its parent's name and command line until it has executed.
#[test]
fn a_child_of_the_same_name_gets_its_own_command_line() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "python3", 'R', b"python3\0parent.py\0");
    tree.refresh(&proc, None, Duration::ZERO);
    process(dir.path(), "python3", 'R', b"python3\0helper.py\0");
    tree.refresh(&proc, None, Duration::from_millis(400));
    assert_eq!(command(&tree), "python3 helper.py");
}
