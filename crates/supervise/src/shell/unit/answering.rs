//! What a unit says of itself: its record, its status, and its answers at the control socket.

use std::time::Duration;

use scupper_model::{EventKind, RECORD_SCHEMA, SignalReason, UnitPhase, UnitRecord};

use super::{Fact, Surrounding, UnitShell};
use crate::control::{LimitChange, Reply, Request, UnitStatus};
use crate::shell::clock;
use crate::shell::lease::View;
use crate::shell::listed::listed;
use crate::shell::server::Server;
use crate::unit::{Ask, Input, contradiction};

/// Looks for those who ask take at most a fifth of the time.
const STATUS_LOOK_SHARE: u32 = 4;

impl UnitShell {
    /// Answers whoever talks to the control socket.
    pub(in crate::shell) fn serve(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let Some(mut server) = self.server.take() else { return };
        server.serve(now, |request| self.answer(&request, now, around, facts));
        self.server = Some(server);
    }

    /// Whether somebody is being answered.
    pub(in crate::shell) fn serving(&self) -> bool {
        self.server.as_ref().is_some_and(Server::busy)
    }

    /// Looks for somebody who asks. Where a look takes long the last one is shown for a while: who asks again, because
    /// the answer took too long, must not make the next one take longer.
    fn look_for_status(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let begun = clock::since_boot();
        if begun >= self.next_status_look {
            self.next_whole = now;
            self.look(now, around, facts);
            let ended = clock::since_boot();
            self.next_status_look = ended + ended.saturating_sub(begun) * STATUS_LOOK_SHARE;
        }
    }

    pub(in crate::shell) fn answer(
        &mut self,
        request: &Request,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> Reply {
        let accepted = |message: &str| Reply::Accepted { message: message.to_owned() };
        match request {
            Request::Status => {
                if self.machine.phase() == UnitPhase::Running {
                    self.look_for_status(now, around, facts);
                }
                Reply::Status(Box::new(self.status(now, around)))
            }
            Request::Stop => {
                self.drive(Input::Ask(Ask::Stop(SignalReason::Stop)), now, around, facts);
                accepted("stopping")
            }
            Request::Restart | Request::Recycle if self.machine.phase() != UnitPhase::Running => {
                let message = "it is not running now: try again when it is".to_owned();
                Reply::Refused { message }
            }
            Request::Restart => {
                self.drive(Input::Ask(Ask::Restart(SignalReason::Restart)), now, around, facts);
                accepted("restarting")
            }
            Request::Recycle => {
                self.drive(Input::Ask(Ask::Recycle), now, around, facts);
                self.next_look = Some(now);
                accepted("recycling, one worker at a time")
            }
            Request::Set { change } => match self.set(*change, around) {
                Ok(message) => {
                    facts.push(EventKind::LimitsChanged { message: message.clone() });
                    self.next_look = self.next_look.map(|_| now);
                    self.shown_phase = None;
                    self.write_record(around, facts);
                    Reply::Accepted { message }
                }
                Err(message) => Reply::Refused { message },
            },
        }
    }

    pub(in crate::shell) fn set(
        &mut self,
        change: LimitChange,
        around: &Surrounding,
    ) -> Result<String, String> {
        let limits = change.apply(self.spec.limits);
        if let Some(why) = contradiction(&limits) {
            return Err(format!("{why}: nothing was changed"));
        }
        let mut spec = self.spec.clone();
        spec.limits = limits;
        spec.policy = change.policy.unwrap_or(spec.policy);
        self.adopt_settings(spec, around);
        let limits = self.spec.limits;
        Ok(match change.policy {
            Some(policy) => format!("policy is now {}, limits are now {limits}", policy.name()),
            None => format!("limits are now {limits}"),
        })
    }

    pub(in crate::shell) fn status(&mut self, now: Duration, around: &Surrounding) -> UnitStatus {
        let processes = listed(self.tree.members(), &mut self.watch, &self.nearer, now);
        let mut counts = self.machine.counts();
        counts.left_behind_ended = self.left_behind_total;
        counts.zombies_reaped = self.zombies_reaped;
        counts.oom_kills = self.oom_kills;
        counts.events = self.events;
        let (helpers, helper_counts) = self.watch.helpers(&self.look);
        UnitStatus {
            record: self.record(around),
            tree: self.look.tree,
            size_bytes: self.look.size,
            growth_bytes_per_second: self.look.slope,
            limits: self.spec.limits.resolved(around.whole(&self.spec.limits)),
            processes,
            helpers,
            helper_counts,
            standing: self.watch.standing(now),
            series: self.watch.all(now),
            phase: self.machine.phase(),
            held: self.machine.held(),
            ready: self.ready,
            status_text: self.status_text.clone(),
            uptime_seconds: self.machine.main().map(|_| now.saturating_sub(self.started_at).as_secs_f64()),
            counts,
            next_look_ms: self
                .next_look
                .map_or(0, |next| u64::try_from(next.saturating_sub(now).as_millis()).unwrap_or(0)),
        }
    }

    /// The unit as a fleet is told of it.
    pub(in crate::shell) fn view(&mut self, now: Duration) -> View {
        View {
            main: self.machine.main(),
            phase: self.machine.phase(),
            rss: self.look.tree.rss_bytes.exact().map(|_| self.look.size),
            verdict: self.watch.standing(now).verdict,
        }
    }

    pub(in crate::shell) fn record(&self, around: &Surrounding) -> UnitRecord {
        UnitRecord {
            schema: RECORD_SCHEMA.to_owned(),
            unit: self.spec.name.clone(),
            run: self.run,
            supervisor: around.supervisor,
            guardian: around
                .handover
                .and_then(|handover| around.proc.identify(handover.guardian).ok().flatten()),
            main: self.machine.main(),
            command: self.shown_command(),
            cgroup: self.cgroup.as_ref().map(|dir| dir.path().display().to_string()),
            profile: self.spec.profile,
            policy: self.spec.policy,
            limits: self.spec.limits,
            agent: self.spec.agent.clone(),
            keep: self.spec.keep.clone(),
            grace: self.spec.grace,
            phase: self.machine.phase(),
            starts: self.machine.counts().starts,
            written_at: clock::wall(),
        }
    }

    /// Writes the record down when the phase has changed.
    pub(in crate::shell) fn write_record(&mut self, around: &Surrounding, facts: &mut Vec<Fact>) {
        let phase = self.machine.phase();
        if self.shown_phase == Some(phase) || phase == UnitPhase::Stopped {
            return;
        }
        self.shown_phase = Some(phase);
        if let Err(error) = around.records.write(&self.record(around)) {
            facts.push(EventKind::Trouble { message: crate::chain(&error) });
        }
    }
}
