//! What becomes of a file that is being written when the writer dies, the disk is full, or somebody else writes it too.

use crate::scene::{Room, seed};

#[test]
fn a_command_runs_in_directories_of_its_own() {
    let room = Room::new();
    room.write("000.md", seed("000-action-plan.md"));
    assert_eq!(room.names(""), ["000.md"]);
    assert_eq!(room.read("000.md"), seed("000-action-plan.md"));
    let answer = room.answer(&["events", "--json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.out, "");
    assert!(!room.work(".local").exists());
}
