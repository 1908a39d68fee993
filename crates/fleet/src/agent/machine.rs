//! What an agent does, pure: the time and answers in, calls and news out.
//!
//! One call is under way at a time. The lease counts from the moment a call was *sent*, less a margin, on a clock that
//! counts suspends: whatever delayed the answer, or this process, has used the lease up. Past it the owner is told first
//! and the registry asked only after the owner has confirmed that nothing acts any more: an agent fences itself.

use std::time::Duration;

use crate::words::{Answer, Directive, Epoch, Lost, Registered, Timing};

/// What happened to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Timer,
    /// A registration was answered.
    Registered(Registered),
    /// A heartbeat was answered.
    Beaten(Answer),
    /// Leaving was answered: nothing of it is left.
    Departed,
    /// The call that was under way got no answer, or none that says anything: nobody has said that anything is over.
    Failed,
    /// A write of this incarnation was refused.
    WriteRefused(Epoch),
    /// The owner has stopped whatever acts for it, as it was told by [`News::Lost`].
    Stopped,
    /// The process is another one by now: it has to be said.
    Moved,
    /// It is to leave, and to give up after this time.
    Leave {
        /// How long the registry may take.
        within: Duration,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the registry; the answer is an [`Input`].
    Ask(Call),
    /// Tell the owner.
    Tell(News),
}

/// A call to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Register, always with the same nonce.
    Register {
        /// The epoch it had.
        earlier: Option<Epoch>,
    },
    /// Beat.
    Beat(Epoch),
    /// Leave.
    Depart(Epoch),
}

/// What the owner of an agent has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// It is a member.
    Registered {
        /// Which incarnation.
        epoch: Epoch,
    },
    /// A living process has its name. It is no member, and does not ask again.
    Taken {
        /// How long the other one's lease still holds.
        remaining: Duration,
    },
    /// The registry does not answer. Said once for each outage; it goes on asking.
    Unanswered,
    /// It answers again.
    Answered,
    /// It must not act: whatever acts for it is to be stopped, and then [`Input::Stopped`] said.
    Lost(Lost),
    /// It may act again, as the incarnation it was.
    Regained {
        /// Its epoch by now.
        epoch: Epoch,
    },
    /// Its incarnation is over, and must not go on.
    Dead {
        /// Why.
        why: String,
    },
    /// It is asked to do something.
    Directed(Directive),
    /// It has left, or given up.
    Left {
        /// Whether the registry has said so. Else its lease runs out, and a sweep cleans up.
        answered: bool,
    },
}

/// The pause after the first failure is this share of the longest one.
const FIRST_PAUSE_SHARE: u32 = 50;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause as a share of the interval, where that is less.
const PAUSE_SHARE: u32 = 6;
/// Why an incarnation does not go on that the registry would begin anew.
const NOT_RESUMED: &str = "the registry knows it no longer";
/// Why an incarnation does not go on whose name is somebody else's.
const REPLACED: &str = "another process has its name";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It asks to be a member.
    Joining,
    /// It is one, as far as it knows.
    Member(Epoch),
    /// It was refused, and asks whether the registry has only forgotten it.
    Refused(Epoch),
    /// It leaves.
    Leaving(Epoch),
    /// It asks for nothing any more.
    Over,
}

/// One agent.
#[derive(Clone, Debug)]
pub struct Machine {
    timing: Timing,
    /// Of the jitter; `None` where there is none.
    random: Option<u64>,
    stage: Stage,
    under_way: Option<(Call, Duration)>,
    next: Duration,
    failures: u32,
    /// Until then it may act.
    lease: Option<Duration>,
    lost: bool,
    /// The owner has been told to stop, and has not yet said that it did.
    stopping: bool,
    moved: bool,
    leave_by: Option<Duration>,
    directive: Option<Directive>,
}

impl Machine {
    /// An agent that begins now. `seed` spreads its heartbeats and retries; `None` for none of that.
    pub fn new(timing: Timing, seed: Option<u64>) -> Self {
        Self {
            timing,
            random: seed.map(|seed| seed | 1),
            stage: Stage::Joining,
            under_way: None,
            next: Duration::ZERO,
            failures: 0,
            lease: None,
            lost: false,
            stopping: false,
            moved: false,
            leave_by: None,
            directive: None,
        }
    }

    /// What happened, at `now` (time since boot, suspends included); what is to be done about it, in this order.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Timer => {}
            Input::Registered(answer) => self.registered(answer, now, &mut outputs),
            Input::Beaten(answer) => self.beaten(answer, now, &mut outputs),
            Input::Departed => {
                if let Some((Call::Depart(_), _)) = self.answered(now, &mut outputs) {
                    self.left(true, &mut outputs);
                }
            }
            Input::Failed => self.failed(now, &mut outputs),
            Input::WriteRefused(epoch) => {
                if self.stage == Stage::Member(epoch) {
                    self.refused(epoch, None, now, &mut outputs);
                }
            }
            Input::Stopped => self.stopping = false,
            Input::Moved => self.moved = true,
            Input::Leave { within } => {
                if self.stage != Stage::Over {
                    self.leave_by.get_or_insert(now + within);
                }
            }
        }
        self.fence_itself(now, &mut outputs);
        self.go_on(now, &mut outputs);
        outputs
    }

    /// Until when it may act. `None` where it may not.
    pub fn may_act_until(&self) -> Option<Duration> {
        self.lease.filter(|_| !self.lost && matches!(self.stage, Stage::Member(_)))
    }

    /// Which incarnation it is, while it is one.
    pub const fn epoch(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Member(epoch) => Some(epoch),
            _ => None,
        }
    }

    /// Whether nothing will be asked any more.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// When it wants [`Input::Timer`] at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.stage == Stage::Over {
            return None;
        }
        let leaves = matches!(self.stage, Stage::Leaving(_));
        let ask = (self.under_way.is_none() && (leaves || !self.stopping)).then_some(self.next);
        [ask, self.may_act_until(), self.leave_by].into_iter().flatten().min()
    }

    fn registered(&mut self, answer: Registered, now: Duration, outputs: &mut Vec<Output>) {
        let Some((Call::Register { earlier }, sent)) = self.answered(now, outputs) else { return };
        match (answer, self.stage) {
            (_, Stage::Leaving(_) | Stage::Over) => {}
            (Registered::Busy, _) => self.pause(now),
            (Registered::Accepted { epoch, .. }, Stage::Joining) => {
                self.stage = Stage::Member(epoch);
                self.renewed(sent);
                // The first heartbeat comes at once.
                self.next = now;
                outputs.push(Output::Tell(News::Registered { epoch }));
            }
            (Registered::Accepted { epoch, .. }, Stage::Member(same)) if epoch == same => {
                self.renewed(sent);
                self.regain(epoch, now, outputs);
            }
            (Registered::Accepted { epoch, resumed: true, .. }, _) => {
                self.stage = Stage::Member(epoch);
                self.renewed(sent);
                self.next = now;
                self.regain(epoch, now, outputs);
            }
            // It was begun anew, and what it was before is over: whoever works now works for the one that is over.
            (Registered::Accepted { epoch, .. }, _) => {
                self.dead(NOT_RESUMED.to_owned(), outputs);
                self.stage = Stage::Leaving(epoch);
                self.leave_by.get_or_insert(now + self.timing.margin);
                self.next = now;
            }
            (Registered::Taken { remaining }, _) if earlier.is_none() => {
                self.stage = Stage::Over;
                outputs.push(Output::Tell(News::Taken { remaining }));
            }
            (Registered::Taken { .. }, _) => self.dead(REPLACED.to_owned(), outputs),
            (Registered::Dead { why }, _) => self.dead(why, outputs),
        }
    }

    fn beaten(&mut self, answer: Answer, now: Duration, outputs: &mut Vec<Output>) {
        let Some((Call::Beat(epoch), sent)) = self.answered(now, outputs) else { return };
        if self.stage != Stage::Member(epoch) {
            return;
        }
        match answer {
            Answer::Accepted { directive } => {
                self.renewed(sent);
                self.next = (sent + self.interval()).max(now);
                self.regain(epoch, now, outputs);
                if directive != self.directive {
                    self.directive = directive;
                    outputs.extend(directive.map(|directive| Output::Tell(News::Directed(directive))));
                }
            }
            Answer::Fenced { by } => self.refused(epoch, by, now, outputs),
        }
    }

    /// Somebody has said that this incarnation is over. It stops at once, and asks why: the registry may have lost what
    /// it knew.
    fn refused(&mut self, epoch: Epoch, by: Option<Epoch>, now: Duration, outputs: &mut Vec<Output>) {
        self.stage = Stage::Refused(epoch);
        self.lease = None;
        self.next = now;
        self.lose(Lost::Fenced { by }, outputs);
    }

    fn failed(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        let Some((call, _)) = self.under_way.take().filter(|_| self.stage != Stage::Over) else { return };
        self.moved |= matches!((call, self.stage), (Call::Register { .. }, Stage::Member(_)));
        if self.failures == 0 {
            outputs.push(Output::Tell(News::Unanswered));
        }
        self.failures = self.failures.saturating_add(1);
        self.pause(now);
    }

    /// The call that was under way, which has been answered.
    fn answered(&mut self, now: Duration, outputs: &mut Vec<Output>) -> Option<(Call, Duration)> {
        let call = self.under_way.take().filter(|_| self.stage != Stage::Over)?;
        if std::mem::take(&mut self.failures) > 0 {
            outputs.push(Output::Tell(News::Answered));
        }
        self.next = self.next.max(now);
        Some(call)
    }

    fn renewed(&mut self, sent: Duration) {
        let until = sent + self.timing.ttl.saturating_sub(self.timing.margin);
        self.lease = self.lease.max(Some(until));
    }

    fn lose(&mut self, lost: Lost, outputs: &mut Vec<Output>) {
        // Who stands still because of one reason does not have to be told the other.
        if !std::mem::replace(&mut self.lost, true) {
            self.stopping = true;
            outputs.push(Output::Tell(News::Lost(lost)));
        }
    }

    /// An answer that is older than the lease that it gives is none: whoever stood still for that long asks again, and is
    /// not told that it may act only to hear at once that it may not.
    fn regain(&mut self, epoch: Epoch, now: Duration, outputs: &mut Vec<Output>) {
        if self.lease.is_some_and(|until| now < until) && std::mem::take(&mut self.lost) {
            self.stopping = false;
            outputs.push(Output::Tell(News::Regained { epoch }));
        }
    }

    fn dead(&mut self, why: String, outputs: &mut Vec<Output>) {
        self.stage = Stage::Over;
        self.lease = None;
        outputs.push(Output::Tell(News::Dead { why }));
    }

    fn left(&mut self, answered: bool, outputs: &mut Vec<Output>) {
        self.stage = Stage::Over;
        self.lease = None;
        outputs.push(Output::Tell(News::Left { answered }));
    }

    /// Past its own deadline it counts its lease as over, whatever the registry would say.
    fn fence_itself(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        let holds_none = matches!(self.stage, Stage::Leaving(_) | Stage::Over);
        if !holds_none && self.lease.is_some_and(|until| now >= until) {
            self.lose(Lost::Expired, outputs);
        }
    }

    /// Asks for whatever is due.
    fn go_on(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        if self.stage == Stage::Over {
            return;
        }
        if self.leave_by.is_some_and(|by| now >= by) {
            return self.left(false, outputs);
        }
        if self.under_way.is_some() {
            // A heartbeat that is under way is waited for: none can follow the departure.
            return;
        }
        if self.leave_by.is_some() {
            match self.stage {
                Stage::Member(epoch) => (self.stage, self.next) = (Stage::Leaving(epoch), now),
                // What is refused is over: whoever refused it cleans up. What may not have been registered is not asked
                // for again.
                Stage::Joining | Stage::Refused(_) => return self.left(false, outputs),
                Stage::Leaving(_) | Stage::Over => {}
            }
        }
        let moved = self.moved && !self.stopping && matches!(self.stage, Stage::Member(_));
        let due = now >= self.next || (moved && self.failures == 0);
        if !due || (self.stopping && !matches!(self.stage, Stage::Leaving(_))) {
            return;
        }
        let call = match self.stage {
            Stage::Joining => Call::Register { earlier: None },
            Stage::Refused(epoch) => Call::Register { earlier: Some(epoch) },
            Stage::Member(epoch) if moved => Call::Register { earlier: Some(epoch) },
            Stage::Member(epoch) => Call::Beat(epoch),
            Stage::Leaving(epoch) => Call::Depart(epoch),
            Stage::Over => return,
        };
        if matches!(call, Call::Register { .. }) {
            self.moved = false;
        }
        self.under_way = Some((call, now));
        outputs.push(Output::Ask(call));
    }

    /// The interval, give or take a tenth.
    fn interval(&mut self) -> Duration {
        let interval = self.timing.interval;
        self.fraction().map_or(interval, |fraction| interval.mul_f64(fraction.mul_add(0.2, 0.9)))
    }

    /// Waits before the next try: up to twice as long after each failure, any part of it.
    fn pause(&mut self, now: Duration) {
        let longest = LONGEST_PAUSE.min(self.timing.interval / PAUSE_SHARE);
        let doubled = 1_u32 << self.failures.saturating_sub(1).min(16);
        let most = (longest / FIRST_PAUSE_SHARE).saturating_mul(doubled).min(longest);
        self.next = now + self.fraction().map_or(most, |fraction| most.mul_f64(fraction));
    }

    /// A number from 0 to 1 (xorshift64: only the spread of heartbeats hangs on it).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    fn fraction(&mut self) -> Option<f64> {
        let random = self.random.as_mut()?;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        Some((*random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
