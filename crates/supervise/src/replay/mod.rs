//! What a unit's policy would have done over a recorded series, and when. The unit's own machine and its own watch decide,
//! by a clock that is turned by hand; no rule of theirs is written here a second time.
//!
//! What answers them is a world of one imagined process (`world.rs`): it weighs what was recorded, ends on TERM after
//! [`Drains`], on KILL at once, and is started again as [`After`] says. There is no shell in between and no way to one: an
//! effect is carried out on that process alone, whose number is above every number that a kernel gives.
//!
//! * **What was not recorded is unknown.** A recording of a tree does not say who in it grew: the tree is taken as one
//!   process, and what is done is done to the unit. Nor does it say how long helpers lived: their lifetimes are not judged.
//! * **Between two samples a number stays what it was.** Looks come at the samples, at the two ages at which a start is
//!   over, and at nothing else; time in between is only given to the machine where it asked for it.
//! * **Bounded.** [`MOST_MOMENTS`] are told, and the number of steps hangs on the number of samples.

mod figures;
mod imagined;
mod recorded;
mod timeline;
mod world;

use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Bytes, Profile, UnitSpec, redact_command};

use crate::unit::Settings;
use crate::watch;

pub use figures::{Heights, ResourceFigures};
pub use recorded::Recorded;
pub use timeline::{Figures, MOST_MOMENTS, Moment, Stopped, Timeline};

/// How the imagined process takes TERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drains {
    /// It ends after this time.
    In(Duration),
    /// It ignores it.
    Never,
}

/// What the recording means once its process was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// The new process begins where the recorded one began, and grows as that did.
    #[default]
    Restart,
    /// The recording goes on as if nothing had been done.
    Continue,
    /// Nothing is known of what would have come: the replay ends with the first signal.
    Stop,
}

/// Everything that is not in the recording.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the machine knows of its unit.
    pub settings: Settings,
    /// What is watched, and how it is judged.
    pub watch: watch::Plan,
    /// The unit's name.
    pub name: Arc<str>,
    /// Its command as it is shown.
    pub command: String,
    /// What kind of program it is.
    pub profile: Profile,
    /// How it takes TERM.
    pub drains: Drains,
    /// What comes after it was replaced.
    pub after: After,
}

impl Setup {
    /// That of a unit on a machine with so much memory.
    pub fn of(spec: &UnitSpec, memory: Option<Bytes>, drains: Drains, after: After) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let mut plan = watch::Plan::of(spec, memory);
        let limited = spec.limits.mem_soft.is_some() || spec.limits.mem_hard.is_some();
        plan.memory = memory.filter(|_| !limited);
        Self {
            // When a helper was started, no recording says.
            settings: Settings { child_lifetimes: Vec::new(), ..Settings::of(spec, memory) },
            watch: plan,
            name: spec.name.as_str().into(),
            command: redact_command(spec.command.iter().map(|argument| argument.as_bytes())),
            profile: spec.profile,
            drains,
            after,
        }
    }
}

/// Runs the policy over the recording.
pub fn replay(recorded: &Recorded<'_>, setup: &Setup) -> Timeline {
    let mut world = world::World::new(recorded, setup);
    world.run();
    world.conclude()
}
