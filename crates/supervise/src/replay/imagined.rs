//! Processes that are only imagined: nobody on any machine is one of them.

use std::sync::Arc;
use std::time::Duration;

use scupper_model::{BootId, Identity, Pid, StartTime, Total};

use crate::unit::{Role, Seen};

/// The kernel gives numbers below this (`PID_MAX_LIMIT`): nobody has one of ours.
const ABOVE_EVERY_PID: i32 = 1 << 22;
/// Where ours end.
const LAST: Pid = match Pid::new(i32::MAX) {
    Some(pid) => pid,
    None => Pid::INIT,
};
/// Children stand in for those that were counted; more are counted as so many.
const MOST_CHILDREN: u64 = 10_000;

/// The process, and as many below it as there are to be.
pub(super) fn with_children(processes: &mut Vec<Seen>, main: Seen, children: u64, name: &Arc<str>) {
    let children = usize::try_from(children.min(MOST_CHILDREN)).unwrap_or(0);
    let (parent, start_time) = (main.identity.pid, main.identity.start_time);
    match processes.first_mut() {
        Some(first) => *first = main,
        None => processes.push(main),
    }
    processes.truncate(children + 1);
    while processes.len() <= children {
        let number = saturated(processes.len() as u64).saturating_add(1 << 24);
        let identity = Identity { start_time, ..identity(number, Duration::ZERO) };
        processes.push(Seen { parent: Some(parent), ..Seen::there(identity, Role::Helper, name) });
    }
}

/// Who nobody is, on any machine.
pub(super) fn identity(number: u32, born: Duration) -> Identity {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    Identity {
        pid: Pid::new(ABOVE_EVERY_PID.saturating_add(number)).unwrap_or(LAST),
        start_time: StartTime(u64::try_from(born.as_millis()).unwrap_or(u64::MAX)),
        boot_id: BootId::NOWHERE,
    }
}

pub(super) fn total(value: Option<u64>) -> Total {
    let mut total = Total::default();
    total.add(value);
    total
}

pub(super) fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_the_number_of_one_that_is_imagined() {
        for number in [0, 1, 1 << 24, u32::MAX] {
            assert!(identity(number, Duration::ZERO).pid.get() >= 1 << 22, "{number}");
        }
    }

    #[test]
    fn children_stand_in_for_as_many_as_were_counted() {
        let name: Arc<str> = "x".into();
        let main = || Seen::there(identity(1, Duration::ZERO), Role::Main, &name);
        let mut processes = Vec::new();
        for (counted, there) in [(3, 4), (0, 1), (u64::MAX, 10_001), (2, 3)] {
            with_children(&mut processes, main(), counted, &name);
            assert_eq!(processes.len(), there);
            assert_eq!(processes[0].role, Role::Main);
            assert!(processes[1..].iter().all(|child| child.parent == Some(processes[0].identity.pid)));
        }
    }
}
