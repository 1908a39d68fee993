//! What a machine has to know, what it is told, and what it answers.

use std::time::Duration;

use scupper_detect::{GrowRule, Horizon};
use scupper_model::{
    Bytes, ChildLifetime, EventKind, HowEnded, Identity, Policy, RecyclePolicy, RestartPolicy, SignalReason,
    UnitSpec,
};

use crate::unit::bounds::Bounds;
use crate::unit::look::Look;

/// What the machine has to know of its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// What happens when the command ends by itself.
    pub restart: RestartPolicy,
    /// Whether it is tried again slowly after its budget is spent.
    pub retry_after_giving_up: bool,
    /// How far it may go.
    pub policy: Policy,
    /// The limits, resolved.
    pub bounds: Bounds,
    /// How long helpers may live; the first pattern that matches counts.
    pub child_lifetimes: Vec<ChildLifetime>,
    /// How much time there is to judge its growth.
    pub horizon: Horizon,
    /// Growth that is a leak whatever its shape.
    pub grow: Option<GrowRule>,
    /// Whether what leaks is replaced.
    pub recycle: RecyclePolicy,
    /// Whether a leak turns exit code 0 into 1.
    pub fail_on_leak: bool,
    /// It is ended when nothing passed through it for so long.
    pub idle: Option<Duration>,
    /// It is ended so long after it began.
    pub lifetime: Option<Duration>,
}

impl Settings {
    /// Those of a unit. `whole` is what its limits are a percentage of, where they are.
    pub fn of(spec: &UnitSpec, whole: Option<Bytes>) -> Self {
        Self {
            grace: spec.grace,
            restart: spec.restart,
            retry_after_giving_up: spec.retry_after_giving_up,
            policy: spec.policy,
            bounds: Bounds::resolve(&spec.limits, whole),
            child_lifetimes: spec.child_lifetimes.clone(),
            horizon: spec.horizon,
            grow: spec.grow,
            recycle: spec.recycle,
            fail_on_leak: spec.fail_on_leak,
            idle: spec.idle,
            lifetime: spec.lifetime,
        }
    }
}

/// What a person or a configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// End it, with its reason.
    Stop(SignalReason),
    /// End it; but half of the grace is its own, to end by itself: it knows already that nobody wants it any more.
    LetEnd(SignalReason),
    /// After `LetEnd`: that half begins anew, and the grace with it. Once it was told to end, nothing.
    Prolong,
    /// End it and start it again.
    Restart(SignalReason),
    /// Replace its workers one at a time, or all of it where it has none.
    Recycle,
    /// Let nobody of it act until `Release`; what is ending already ends.
    Hold(SignalReason),
    /// It may act again.
    Release(SignalReason),
    /// End it at once, without a grace.
    End(SignalReason),
}

/// Everything that can happen to a unit.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Start it for the first time.
    Begin,
    /// The command was started.
    Started(Identity),
    /// The command could not be started; the code is 126 or 127.
    StartFailed(i32),
    /// The main process ended.
    MainEnded(HowEnded),
    /// A look at the tree.
    Look(&'a Look),
    /// Time passed.
    Timer,
    /// Somebody asked for something.
    Ask(Ask),
    /// Something was found that leaks or was left behind.
    LeakFound,
    /// Somebody signalled scupper. `ends` says whether the unit is to end with it, `forward` whether the command has
    /// not yet got it from the terminal.
    Signalled {
        /// The signal.
        signal: i32,
        /// TERM, INT from a person, a terminal's hang-up.
        ends: bool,
        /// Not for what the terminal sends to the whole group.
        forward: bool,
    },
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start the command; answer with `Started` or `StartFailed`.
    Spawn,
    /// Signal one process, after checking once more who it is; with `subtree` also all below it, children first.
    Signal {
        /// Who.
        target: Identity,
        /// Which signal.
        signal: i32,
        /// Why.
        reason: SignalReason,
        /// Also what is below it.
        subtree: bool,
    },
    /// Signal every member that may be ended.
    SignalTree {
        /// Which signal.
        signal: i32,
        /// Why.
        reason: SignalReason,
    },
    /// Let every member that may be ended stand still; those who do already are left as they are.
    HoldTree {
        /// Why.
        reason: SignalReason,
    },
    /// Let them go on.
    ReleaseTree {
        /// Why.
        reason: SignalReason,
    },
    /// Record a fact.
    Record(EventKind),
    /// The unit is over; its exit code.
    Finish(i32),
}
