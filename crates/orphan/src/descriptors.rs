//! What is wrong with the descriptors of living processes.

use scupper_model::Bytes;
use scupper_probe::snapshot::Descriptors;

use crate::finding::{DescriptorFinding, DescriptorKind};
use crate::scene::Scene;
use crate::wording::shown_path;

/// From this share of its limit on, in percent, a process is near it: at the limit accept(2) and open(2) fail, and most
/// programs do not survive that. Programs that fill their table on purpose raise the limit first.
const NEAR_PERCENT: u64 = 80;
/// Deleted files that take less are nothing to free: sockets' and sessions' scratch files.
const DELETED_AT_LEAST: Bytes = Bytes(1 << 20);
/// A few connections that the other end has closed a moment ago are in every busy process.
const CLOSE_WAIT_AT_LEAST: u64 = 8;

/// Everything that is near, leaked or piled up.
pub(crate) fn descriptors(scene: &Scene<'_>) -> Vec<DescriptorFinding> {
    let mut found = Vec::new();
    for index in (0..scene.lineage.processes.len()).filter(|&index| scene.is_asked_about(index)) {
        if let Some(descriptors) = &scene.process(index).descriptors {
            of_one(scene, index, descriptors, &mut found);
        }
    }
    found
}

fn of_one(scene: &Scene<'_>, index: usize, descriptors: &Descriptors, found: &mut Vec<DescriptorFinding>) {
    let mut add = |kind, count, change: &dyn Fn(&mut DescriptorFinding)| {
        let (process, _) = scene.shown(index);
        let kinds = descriptors.kinds;
        let mut finding =
            DescriptorFinding { process, kind, count, limit: None, kinds, bytes: None, largest: None };
        change(&mut finding);
        found.push(finding);
    };
    // A limit of 0 is none: nothing can be open under it.
    if let Some(limit) = descriptors.limit.filter(|limit| *limit > 0)
        && u128::from(descriptors.count) * 100 >= u128::from(limit) * u128::from(NEAR_PERCENT)
    {
        add(DescriptorKind::NearLimit, descriptors.count, &|finding| finding.limit = Some(limit));
    }
    let deleted = &descriptors.deleted;
    if deleted.bytes >= DELETED_AT_LEAST {
        add(DescriptorKind::DeletedOpen, deleted.count, &|finding| {
            finding.bytes = Some(deleted.bytes);
            finding.largest = deleted.largest.as_deref().map(|path| {
                use std::os::unix::ffi::OsStrExt;
                shown_path(path.as_os_str().as_bytes()).into()
            });
        });
    }
    let close_wait = scene.ends.close_wait(index);
    if close_wait >= CLOSE_WAIT_AT_LEAST {
        add(DescriptorKind::CloseWait, close_wait, &|_| {});
    }
}
