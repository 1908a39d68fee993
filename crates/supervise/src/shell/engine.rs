//! The engine: all units of one scupper in one loop. Wait, look, let the machines decide, carry out, record.

mod answering;
mod children;
mod hearing;
mod leasing;
mod making;
mod reloading;
mod words;

use std::os::fd::OwnedFd;
use std::time::Duration;

use scupper_model::{EventKind, SignalReason, UnitPhase, UnitSpec};

use self::answering::Answering;
use self::leasing::Leased;
pub use self::words::{Joins, Leasehold, Options, ParentExit, Reload, Sink, SuperviseError};
use super::client::Client;
use super::clock::{self, Clock};
use super::observer::Observer;
use super::poller::Token;
use super::relay::Relay;
use super::signals::{Signals, is_child};
use super::stamp::stamp;
use super::trim::Program;
use super::unit::{Surrounding, UnitShell};
use crate::soak::Wish;
use crate::unit::{Ask, Input};

/// Time between two searches of all of `/proc` for members that left their tree.
const AUDIT: Duration = Duration::from_mins(1);
/// A search may cost this share of the time between two: 1 in 5,000.
const AUDIT_SHARE: u32 = 5_000;
/// A signal that reached us directly and comes again through the guardian within this time is the same one.
const SAME_SIGNAL: Duration = Duration::from_millis(300);
/// Least time between two searches for orphans that were re-parented to us.
const ADOPTION: Duration = Duration::from_millis(250);
/// Who has nothing to do for so long gives back what the last piece of work needed.
const REST: Duration = Duration::from_secs(1);
/// Time between two times that this is done where there is always something to do.
const TRIM: Duration = Duration::from_secs(10);
/// Monotonic and wall clock may drift apart this far between two turns before it is worth an event.
const CLOCK_JUMP: Duration = Duration::from_secs(5);

/// Runs the units until the last of them is over. Returns the exit code: the unit's own where there is one unit.
pub fn supervise(
    specs: Vec<UnitSpec>,
    options: Options,
    sink: Box<dyn Sink>,
    reload: Option<Reload>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let mut engine = Engine::new(options, sink, reload)?;
    for spec in specs {
        engine.add(spec)?;
    }
    engine.run_and_close()
}

/// Runs one unit for somebody who follows it, may end it, and says what its exit code is.
pub fn observe(
    spec: UnitSpec,
    options: Options,
    sink: Box<dyn Sink>,
    observer: Box<dyn Observer>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let mut engine = Engine::new(options, sink, None)?;
    engine.add(spec)?;
    for unit in &mut engine.units {
        unit.observe_every(observer.every());
    }
    engine.observer = Some(observer);
    engine.run_and_close()
}

/// Runs units until the last of them is over, those with a lease for as long as it says that they may act. Returns the exit
/// code as [`supervise`] does.
pub fn supervise_leased(
    units: Vec<Leasehold>,
    options: Options,
    sink: Box<dyn Sink>,
    reload: Option<(Reload, Joins)>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let (reload, joins) = reload.unzip();
    let mut engine = Engine::new(options, sink, reload)?;
    engine.joins = joins;
    for (spec, lease) in units {
        engine.add(spec)?;
        if let Some(lease) = lease {
            engine.lease_to_last(lease)?;
        }
    }
    engine.run_and_close()
}

struct Engine {
    around: Surrounding,
    clock: Clock,
    units: Vec<UnitShell>,
    next_index: u32,
    signals: Signals,
    relay: Option<Relay>,
    sink: Box<dyn Sink>,
    reload: Option<Reload>,
    observer: Option<Box<dyn Observer>>,
    joins: Option<Joins>,
    /// By the index of the unit.
    leased: Vec<(u32, Leased)>,
    /// The signal that ends it.
    ended_by: Option<i32>,
    guardian: Option<OwnedFd>,
    parent: Option<OwnedFd>,
    client: Client,
    answering: Option<Answering>,
    had_terminal: bool,
    parent_exit: ParentExit,
    watch_terminal: bool,
    direct: Vec<(i32, Duration)>,
    next_audit: Duration,
    next_trim: Duration,
    program: Program,
    next_adoption: Duration,
    next_reap: Option<Duration>,
    clocks: (Duration, u64),
    exit_code: i32,
    stopping: bool,
}

impl Engine {
    fn run_and_close(&mut self) -> Result<u8, SuperviseError> {
        let result = self.run();
        self.sink.close();
        result
    }

    fn run(&mut self) -> Result<u8, SuperviseError> {
        for unit in 0..self.units.len() {
            self.drive(unit, Input::Begin);
        }
        self.settle();
        self.let_go_of_stdio();
        self.retire();
        while !self.units.is_empty() {
            let rest = self.time_to_wait();
            self.trim(rest);
            let ready = self
                .around
                .poller
                .wait(rest)
                .map_err(|source| SuperviseError::Kernel { what: "wait for events", source })?;
            for token in ready {
                self.handle(token);
            }
            self.reap_adopted();
            self.turn();
            self.release_stdin();
            self.retire();
        }
        Ok(u8::try_from(self.exit_code.clamp(0, 255)).unwrap_or(125))
    }

    /// How long nothing has to be done.
    fn time_to_wait(&self) -> Duration {
        let now = self.clock.now();
        let serving = self.units.iter().any(UnitShell::serving).then_some(now + Duration::from_millis(5));
        let times = self
            .units
            .iter()
            .flat_map(|unit| [unit.next_look, unit.machine.next_deadline(), unit.next_parting()]);
        let answering = self.answering.as_ref().map(Answering::next);
        let departs = self.leased.iter().filter_map(|(_, leased)| leased.deadline()).min();
        let next =
            times.chain([serving, self.next_reap, answering, departs, Some(self.next_audit)]).flatten().min();
        next.map_or(AUDIT, |next| next.saturating_sub(now))
    }

    /// Gives back what the last piece of work needed, as the last thing before a long wait.
    fn trim(&mut self, rest: Duration) {
        let now = self.clock.now();
        if rest >= REST || now >= self.next_trim {
            self.next_trim = now + TRIM;
            self.program.release();
        }
    }

    fn handle(&mut self, token: Token) {
        let now = self.clock.now();
        match token {
            Token::Signals => self.take_signals(),
            Token::Relay => {
                // What went to the whole group reached us before the guardian could pass it on: seen first, it is
                // told apart from what the guardian alone got.
                self.take_signals();
                while let Some(arrived) = self.relay.as_ref().and_then(Relay::next) {
                    self.signalled(arrived, true);
                }
            }
            Token::Guardian => self.guardian_lost(),
            Token::Parent => self.parent_exited(),
            Token::Stdin => self.stdin_hung_up(),
            Token::Client => self.client_exited(),
            Token::Session => self.session_over(),
            Token::Lease(index) => {
                if let Some(unit) = self.position(index) {
                    self.obey_lease(unit);
                }
            }
            Token::Main(index) => {
                self.adopt_orphans();
                if let Some(unit) = self.position(index) {
                    let mut facts = Vec::new();
                    self.units[unit].check_main(now, &self.around, &mut facts);
                    self.record(unit, facts);
                }
            }
            Token::Control(index) => {
                // Whoever asks is told of everybody.
                self.adopt_orphans();
                if let Some(unit) = self.position(index) {
                    self.serve(unit);
                }
            }
            Token::Notify(index) => {
                if let Some(unit) = self.position(index) {
                    let mut facts = Vec::new();
                    self.units[unit].notified(&mut facts);
                    self.record(unit, facts);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        for arrived in self.signals.pending() {
            if is_child(arrived.signal) {
                self.child_ended();
            } else {
                self.signalled(arrived, false);
            }
        }
    }

    /// Whatever is due by the clock.
    fn turn(&mut self) {
        self.watch_clocks();
        self.let_answer();
        let now = self.clock.now();
        if now >= self.next_audit {
            self.audit(now);
        }
        // Units whose look is nearly due are looked at together: one wake-up serves many.
        let soon = now + Duration::from_millis(10);
        let looking: Vec<usize> = (0..self.units.len())
            .filter(|&unit| self.units[unit].next_look.is_some_and(|at| at <= soon))
            .collect();
        // At the end of a unit everybody has to be known: what looks empty then is left.
        let ending = looking.iter().any(|&unit| self.units[unit].machine.phase() != UnitPhase::Running);
        if ending || (!looking.is_empty() && now >= self.next_adoption) {
            self.next_adoption = now + ADOPTION;
            self.adopt_orphans();
        }
        for unit in 0..self.units.len() {
            let now = self.clock.now();
            let mut facts = Vec::new();
            self.units[unit].go_on_parting(now, &self.around, &mut facts);
            if self.units[unit].machine.next_deadline().is_some_and(|at| at <= now) {
                self.units[unit].drive(Input::Timer, now, &self.around, &mut facts);
            }
            if looking.contains(&unit) {
                let counted = self.observer.as_mut().and_then(|observer| observer.operations());
                self.units[unit].note_operations(counted);
                self.units[unit].look(now, &self.around, &mut facts);
            }
            self.record(unit, facts);
            self.show(unit);
            if looking.contains(&unit) {
                self.show_lease(unit, now);
            }
            if self.units[unit].serving() {
                self.serve(unit);
            }
        }
    }

    /// Shows a look to whoever follows the unit, who may have seen enough.
    fn show(&mut self, unit: usize) {
        let (Some(observer), Some((age, look))) = (&mut self.observer, self.units[unit].take_shown()) else {
            return;
        };
        if observer.look(age, look) == Wish::Enough {
            let last = self.units[unit].note_soak_over(self.clock.now());
            self.record(unit, last);
            self.drive(unit, Input::Ask(Ask::Stop(SignalReason::Stop)));
        }
    }

    fn drive(&mut self, unit: usize, input: Input<'_>) {
        let now = self.clock.now();
        let mut facts = Vec::new();
        self.units[unit].drive(input, now, &self.around, &mut facts);
        self.record(unit, facts);
    }

    fn serve(&mut self, unit: usize) {
        let now = self.clock.now();
        let mut facts = Vec::new();
        self.units[unit].serve(now, &self.around, &mut facts);
        self.record(unit, facts);
    }

    /// The one way in for facts: each becomes an event, and the sink gets it.
    fn record(&mut self, unit: usize, facts: Vec<EventKind>) {
        let unit = &mut self.units[unit];
        for kind in facts {
            unit.events += 1;
            let event = stamp(&unit.spec.name, unit.run, kind);
            if let Some(observer) = &mut self.observer {
                observer.event(&event);
            }
            self.sink.record(&event);
        }
    }

    fn position(&self, index: u32) -> Option<usize> {
        self.units.iter().position(|unit| unit.index() == index)
    }

    /// Removes units that are over. The last one's exit code is ours; of several, the first that is not 0 and that
    /// nobody asked for.
    fn retire(&mut self) {
        let mut unit = 0;
        while unit < self.units.len() {
            if let Some(mut code) = self.units[unit].exit_code {
                if !self.has_departed(unit) {
                    unit += 1;
                    continue;
                }
                if let Some((facts, instead)) = self.observer.as_mut().map(|observer| observer.finish()) {
                    self.record(unit, facts);
                    code = instead;
                }
                let on_purpose = self.stopping || self.units[unit].machine.asked_to_end();
                if self.exit_code == 0 && !(on_purpose && self.reload.is_some()) {
                    self.exit_code = code;
                }
                self.serve(unit);
                self.end_lease(unit);
                self.units.remove(unit);
            } else {
                unit += 1;
            }
        }
    }

    /// Notices a suspend or a wall clock that was set: what was measured across it is no trend.
    fn watch_clocks(&mut self) {
        let (monotonic, wall) = (self.clock.now(), clock::wall().0);
        let passed = monotonic.saturating_sub(self.clocks.0).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let passed_on_the_wall = (wall as f64 - self.clocks.1 as f64) / 1000.0;
        self.clocks = (monotonic, wall);
        let jumped = passed_on_the_wall - passed;
        if jumped.abs() > CLOCK_JUMP.as_secs_f64() {
            for unit in 0..self.units.len() {
                self.record(unit, vec![EventKind::ClockJumped { seconds: jumped }]);
            }
        }
    }
}

/// A panic ends the engine by a signal in every build: the guardian takes an exit code for the command's own.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
