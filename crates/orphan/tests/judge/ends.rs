//! Nobody holds the other end: what counts, and who counts as somebody.

use scupper_orphan::Certainty::Likely;
use scupper_orphan::EvidenceKind;

use crate::machine::*;

#[test]
fn a_server_whose_client_is_gone_is_left_behind() {
    let mut machine = Machine::new();
    machine.server(300);
    assert_eq!(machine.left(), [(300, Likely)]);
    let found = machine.left_behind(300);
    let kinds: Vec<EvidenceKind> = found.evidence.iter().map(|piece| piece.kind).collect();
    assert_eq!(
        kinds,
        [
            EvidenceKind::StdinGone,
            EvidenceKind::OutputGone,
            EvidenceKind::SessionLeaderGone,
            EvidenceKind::Reparented,
            EvidenceKind::Name
        ]
    );
    assert_eq!(found.group, "mcp-server-files");
    assert_eq!(found.root, pid(300));
}
