//! One unit in the shell: its machine, its tree, its sockets and files; carries the machine's effects out.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use scupper_model::Size;
use scupper_model::{
    Bytes, EventKind, Fatal, HowEnded, Identity, Limits, Pid, RECORD_SCHEMA, Resource, RunId, SignalReason,
    UnitPhase, UnitRecord, UnitSpec, redact_command, redact_line,
};
use scupper_probe::cgroup::Mounts;
use scupper_probe::{Detail, Proc, cgroup};

use super::clock;
use super::death::{Sent, certificate, ended_by};
use super::deliver::{Untouchable, deliver};
use super::guardian::Handover;
use super::judge::Judge;
use super::launch;
use super::logs::LogTail;
use super::notify_socket::NotifySocket;
use super::ownership::UnitCgroup;
use super::poller::{Poller, Token};
use super::pss::PssReader;
use super::server::Server;
use super::spawn::{self, Surroundings};
use super::tree::{Member, Tree};
use crate::control::{ProcessStatus, Reply, Request, UnitStatus, socket_path};
use crate::knowledge::notify;
use crate::record::{NameClaim, Records};
use crate::unit::{Ask, Bounds, Effect, Input, Look, Role, Settings, Unit, contradiction};

/// Longest time between two whole looks (descriptors, threads, swap, CPU time, OOM counters) where no limit asks for
/// more. `ps` and the metrics page have one made when they ask.
const WHOLE_LOOK: Duration = Duration::from_secs(30);
/// PSS is asked for above this share of the nearest limit.
const PSS_FROM_PERCENT: u64 = 90;
/// Processes that a status lists.
const MOST_LISTED: usize = 200;

/// What all units of an engine share.
#[derive(Debug)]
pub(super) struct Surrounding {
    pub(super) proc: Proc,
    pub(super) mounts: Mounts,
    pub(super) records: Records,
    pub(super) poller: Poller,
    pub(super) untouchable: Untouchable,
    pub(super) supervisor: Identity,
    pub(super) handover: Option<Handover>,
    pub(super) whole: OnceCell<Option<Bytes>>,
    pub(super) own_v2: Option<std::path::PathBuf>,
    pub(super) notify_upward: Option<std::ffi::OsString>,
    pub(super) descriptors: Option<u64>,
}

impl Surrounding {
    /// What 100 % of a memory limit is, found out where a limit is a percentage.
    fn whole(&self, limits: &Limits) -> Option<Bytes> {
        let share = |size: Option<Size>| matches!(size, Some(Size::Percent(_)));
        if !share(limits.mem_soft) && !share(limits.mem_hard) {
            return None;
        }
        *self.whole.get_or_init(|| allowance(&self.proc, &self.mounts))
    }
}

/// A fact on its way to the sink: which unit, which run, what.
pub(super) type Fact = EventKind;

/// One unit.
#[derive(Debug)]
pub(super) struct UnitShell {
    pub(super) spec: UnitSpec,
    pub(super) run: RunId,
    pub(super) exit_code: Option<i32>,
    pub(super) next_look: Option<Duration>,
    pub(super) machine: Unit,
    index: u32,
    tree: Tree,
    look: Look,
    judge: Judge,
    cgroup: Option<UnitCgroup>,
    main_fd: Option<OwnedFd>,
    server: Option<Server>,
    notify: Option<NotifySocket>,
    logs: Vec<LogTail>,
    fatal: Option<Fatal>,
    sent: Sent,
    started_at: Duration,
    next_whole: Duration,
    pss: PssReader,
    ready: Option<bool>,
    status_text: Option<String>,
    shown_phase: Option<UnitPhase>,
    zombies_reaped: u64,
    oom_kills: u64,
    pub(super) events: u64,
    kept: u32,
    left_behind: u32,
    left_behind_total: u64,
    reason_signal: Option<i32>,
    _claim: NameClaim,
}

impl UnitShell {
    /// A unit that has not begun. Its name must have been claimed.
    pub(super) fn new(
        spec: UnitSpec,
        index: u32,
        run: RunId,
        claim: NameClaim,
        around: &Surrounding,
    ) -> Self {
        let cgroup = spec.cgroup.then_some(around.own_v2.as_deref()).flatten();
        let cgroup = cgroup.and_then(|own| UnitCgroup::make(own, &spec.name, &run).ok());
        let below_mount = cgroup.as_ref().map(|dir| below(around.mounts.v2.as_deref(), dir.path()));
        let judge = Judge::new(&around.proc, below_mount, spec.profile, spec.keep.clone());
        let notify =
            around.notify_upward.as_deref().and_then(|upward| listen_for_notify(&spec, upward, around));
        if let Some(notify) = &notify {
            let _ = around.poller.add(notify, Token::Notify(index));
        }
        let seed = u64::from_le_bytes(run.0.as_bytes()[8..].try_into().unwrap_or([7; 8]));
        Self {
            machine: Unit::new(settings(&spec, around), seed),
            logs: spec.logs.iter().map(|path| LogTail::follow(path)).collect(),
            ready: notify.as_ref().map(|_| false),
            tree: Tree::new(around.proc.ticks_per_second()),
            spec,
            run,
            exit_code: None,
            next_look: None,
            index,
            look: Look::default(),
            judge,
            cgroup,
            main_fd: None,
            server: None,
            notify,
            fatal: None,
            sent: Sent::default(),
            started_at: Duration::ZERO,
            next_whole: Duration::ZERO,
            pss: PssReader::default(),
            status_text: None,
            shown_phase: None,
            zombies_reaped: 0,
            oom_kills: 0,
            events: 0,
            kept: 0,
            left_behind: 0,
            left_behind_total: 0,
            reason_signal: None,
            _claim: claim,
        }
    }

    /// What its command need not wait for: the control socket.
    pub(super) fn settle(&mut self, around: &Surrounding) {
        self.server = Server::listen(&socket_path(&around.records.path(&self.spec.name))).ok();
        if let Some(server) = &self.server {
            let _ = around.poller.add(server.listener(), Token::Control(self.index));
        }
    }

    /// Gives the machine an input and carries out what follows from it. The facts it leaves behind are appended.
    pub(super) fn drive(
        &mut self,
        input: Input<'_>,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        let mut effects: VecDeque<Effect> = self.machine.step(now, input).into();
        while let Some(effect) = effects.pop_front() {
            if let Some(answer) = self.carry_out(effect, now, around, facts) {
                effects.extend(self.machine.step(now, answer));
            }
        }
        self.write_record(around, facts);
    }

    fn carry_out(
        &mut self,
        effect: Effect,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> Option<Input<'static>> {
        match effect {
            Effect::Spawn => Some(self.spawn(now, around, facts)),
            Effect::Signal { target, signal, reason, subtree } => {
                let targets = if subtree { self.subtree(&target) } else { vec![target] };
                for target in targets {
                    self.signal(&target, signal, reason, around, facts);
                }
                None
            }
            Effect::SignalTree { signal, reason } => {
                self.signal_tree(signal, reason, now, around, facts);
                None
            }
            Effect::Record(EventKind::UnitStopped { reason, exit_code, .. }) => {
                let (ended, kept) = (self.left_behind, self.kept);
                facts.push(EventKind::UnitStopped { reason, exit_code, ended, kept });
                None
            }
            Effect::Record(fact) => {
                facts.push(fact);
                None
            }
            Effect::Finish(code) => {
                self.exit_code = Some(code);
                self.next_look = None;
                around.records.remove(&self.spec.name);
                None
            }
        }
    }

    fn spawn(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) -> Input<'static> {
        let address = self.notify.as_ref().map(NotifySocket::address);
        let surroundings = Surroundings {
            run: &self.run,
            cgroup: self.cgroup.as_ref().map(UnitCgroup::path),
            notify: address.as_deref(),
            addressed: around.handover.map_or(0, |handover| handover.guardian.get()),
            descriptors: around.descriptors,
        };
        let started = spawn::start(&self.spec, surroundings).and_then(|child| {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::new);
            pid.and_then(|pid| around.proc.identify(pid).ok().flatten()).ok_or_else(|| spawn::NotStarted {
                code: 125,
                message: "the command was started and cannot be found in /proc: is /proc mounted?".to_owned(),
            })
        });
        let main = match started {
            Ok(main) => main,
            Err(error) => {
                facts.push(EventKind::StartFailed {
                    command: self.shown_command(),
                    code: error.code,
                    message: error.message,
                });
                return Input::StartFailed(error.code);
            }
        };
        self.started_at = now;
        self.next_look = Some(now + crate::unit::pace::SHORTEST);
        self.next_whole = now;
        self.fatal = None;
        (self.kept, self.left_behind) = (0, 0);
        self.pss.forget();
        self.tree.begin(main);
        self.look = Look::default();
        self.main_fd = scupper_probe::pidfd::open(&around.proc, &main).ok().flatten();
        if let Some(fd) = &self.main_fd {
            let _ = around.poller.add(fd, Token::Main(self.index));
        }
        facts.push(EventKind::UnitStarted {
            main,
            command: self.shown_command(),
            profile: self.spec.profile,
            start: self.machine.counts().starts,
            cgroup: self.cgroup.as_ref().map(|dir| dir.path().display().to_string()),
        });
        Input::Started(main)
    }

    /// The main process may have ended: takes its status, writes its certificate, tells the machine.
    pub(super) fn check_main(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let Some(main) = self.machine.main() else { return };
        if !self.main_fd.as_ref().is_none_or(|fd| scupper_probe::pidfd::has_exited(fd.as_fd())) {
            return;
        }
        // A zombie still has its name: one that ends under the launcher's never became the command.
        let name = around.proc.stat(main.pid).ok().flatten().map(|stat| stat.name);
        // What was last known of it may be the launcher, or nothing.
        self.tree.refresh(&around.proc, None, now);
        let Some(status) = super::guardian::reap(Some(main.pid)) else { return };
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) if name.as_deref() == Some(launch::NAME.as_bytes()) => {
                HowEnded::NotStarted { code }
            }
            (Some(code), _) => HowEnded::Exited { code },
            (None, Some(signal)) => HowEnded::Signaled { signal, core_dumped: status.as_raw() & 0x80 != 0 },
            (None, None) => HowEnded::Unknown,
        };
        self.main_fd = None;
        self.read_logs(facts);
        let counter = self.tree.member(main.pid).and_then(|member| member.oom.clone());
        let ending = self.machine.phase() == UnitPhase::Draining;
        let by = ended_by(&self.sent, &main, how, counter.as_ref(), ending);
        if let scupper_model::EndedBy::OomKiller { cgroup, .. } = &by {
            self.oom_kills += 1;
            self.tree.claim_oom_step(Path::new(cgroup));
        }
        let lived = now.saturating_sub(self.started_at);
        let lines = self.last_lines(how);
        let blank;
        let member = if let Some(member) = self.tree.member(main.pid) {
            member
        } else {
            blank = Member::unseen(main, name.unwrap_or_default(), self.spec_command());
            &blank
        };
        let document = certificate(member, how, by, lived, Some(&self.environment()), lines);
        facts.push(EventKind::UnitExited { certificate: Box::new(document) });
        self.tree.main_ended();
        self.next_look = Some(now);
        self.drive(Input::MainEnded(how), now, around, facts);
    }

    /// Looks at the tree, and gives the machine what was seen.
    pub(super) fn look(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let gone = self.tree.keep_up(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
        for member in gone {
            self.member_gone(&member, now, facts);
        }
        let detail = self.detail(now);
        let whole = detail.is_some();
        let mut look = self.tree.look(&around.proc, detail, now);
        self.confirm_size(&mut look, now);
        look.slope = self.tree.note_size(now, look.size);
        if whole {
            self.tree.note_oom_counters(&around.proc, &around.mounts);
        }
        self.read_logs(facts);
        if self.needs_judging(&look) {
            self.judge_spared(around, &mut look);
        }
        self.look = look;
        let look = std::mem::take(&mut self.look);
        let age = now.saturating_sub(self.started_at);
        self.drive(Input::Look(&look), now, around, facts);
        self.next_look = self.machine.next_look(&look, age, now).map(|after| on_the_grid(now, after));
        self.look = look;
    }

    /// What a look reads beside memory: everything now and then, and always what is limited.
    fn detail(&mut self, now: Duration) -> Option<Detail> {
        let bounds = &self.machine.settings().bounds;
        let sockets = bounds.counts(Resource::Sockets);
        let counted = sockets || bounds.counts(Resource::Descriptors) || bounds.counts(Resource::Threads);
        if !counted && now < self.next_whole {
            return None;
        }
        if now >= self.next_whole {
            // More often while it is young: what it is at rest, and in which cgroup, is not settled yet.
            let age = now.saturating_sub(self.started_at);
            self.next_whole = now + WHOLE_LOOK.min(age.max(Duration::from_millis(100)));
        }
        Some(Detail { memory_split: true, fds: true, sockets, pss: false })
    }

    fn confirm_size(&mut self, look: &mut Look, now: Duration) {
        let bound = self.machine.settings().bounds.of(Resource::Memory);
        let nearest = [bound.soft, bound.hard].into_iter().flatten().min();
        let near = nearest.is_some_and(|limit| look.size.0 > limit / 100 * PSS_FROM_PERCENT);
        if near && look.tree.processes > 1 {
            let members: Vec<Pid> =
                look.processes.iter().filter(|p| !p.zombie).map(|p| p.identity.pid).collect();
            look.size = self.pss.confirm(now, &members, look.size);
        }
    }

    fn needs_judging(&self, look: &Look) -> bool {
        let settings = self.machine.settings();
        let crossed = Resource::ALL.into_iter().any(|resource| {
            look.total(resource).is_some_and(|value| settings.bounds.of(resource).crossed(value).is_some())
        });
        let aged = settings.child_lifetimes.iter().any(|lifetime| {
            look.processes.iter().any(|p| p.role == Role::Helper && p.age > lifetime.lifetime)
        });
        crossed || aged || self.machine.phase() == UnitPhase::Ending
    }

    fn judge_spared(&mut self, around: &Surrounding, look: &mut Look) {
        let facts: Vec<_> =
            self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
        let spared: Vec<Pid> = self.judge.spared(&facts).into_iter().map(|(pid, _)| pid).collect();
        self.tree.set_spared(&spared);
        for process in &mut look.processes {
            process.spared = spared.contains(&process.identity.pid);
        }
    }

    fn subtree(&self, root: &Identity) -> Vec<Identity> {
        let mut below: Vec<Identity> = Vec::new();
        let mut parents = vec![root.pid];
        for member in self.tree.members() {
            if member.identity == *root || member.parent.is_some_and(|parent| parents.contains(&parent)) {
                if member.identity != *root {
                    parents.push(member.identity.pid);
                }
                if !member.spared && !member.zombie {
                    below.push(member.identity);
                }
            }
        }
        if below.is_empty() {
            below.push(*root);
        }
        // Children first, so that no parent replaces them.
        below.reverse();
        below
    }

    fn signal_tree(
        &mut self,
        signal: i32,
        reason: SignalReason,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        self.tree.refresh(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
        let gathered: Vec<_> =
            self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
        let spared = self.judge.spared(&gathered);
        let spared_pids: Vec<Pid> = spared.iter().map(|(pid, _)| *pid).collect();
        self.tree.set_spared(&spared_pids);
        self.tell_kept(&spared, facts);
        if signal == KILL
            && let Some(event) = self.cgroup.as_ref().and_then(|dir| dir.kill(&spared_pids, reason))
        {
            for member in self.tree.members() {
                self.sent.note(member.identity, signal, reason, None);
            }
            facts.push(event);
        }
        let targets: Vec<Identity> =
            self.tree.members().rev().filter(|m| !m.spared && !m.zombie).map(|m| m.identity).collect();
        if reason == SignalReason::LeftBehind {
            let fresh = targets.iter().filter(|target| !self.sent.was_left_behind(target)).count();
            self.left_behind = self.left_behind.saturating_add(u32::try_from(fresh).unwrap_or(u32::MAX));
            self.left_behind_total = self.left_behind_total.saturating_add(fresh as u64);
        }
        for target in targets {
            self.signal(&target, signal, reason, around, facts);
        }
        self.next_look = Some(now + crate::unit::pace::SHORTEST);
    }

    fn tell_kept(&mut self, spared: &[(Pid, crate::knowledge::spare::Because)], facts: &mut Vec<Fact>) {
        if self.machine.phase() != UnitPhase::Ending {
            return;
        }
        self.kept = u32::try_from(spared.len()).unwrap_or(u32::MAX);
        for (pid, because) in spared {
            let Some(member) = self.tree.member(*pid) else { continue };
            facts.push(EventKind::Kept {
                target: member.identity,
                name: member.shown_name(),
                because: because.to_string(),
            });
        }
    }

    fn signal(
        &mut self,
        target: &Identity,
        signal: i32,
        reason: SignalReason,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        let name =
            self.tree.member(target.pid).map_or_else(|| self.spec.name.to_string(), Member::shown_name);
        let repeated = signal == KILL && self.sent.contains(target, signal);
        let event = deliver(&around.proc, &around.untouchable, target, &name, signal, reason);
        if let Some(EventKind::SignalSent { .. }) = event {
            self.sent.note(*target, signal, reason, self.reason_signal);
        }
        if !repeated {
            facts.extend(event);
        }
    }

    /// Notes who sent the signal that is being handled, for the certificate.
    pub(super) fn handling_signal_of(&mut self, sender: Option<i32>) {
        self.reason_signal = sender;
    }

    fn member_gone(&mut self, member: &Member, now: Duration, facts: &mut Vec<Fact>) {
        let exit = member.pidfd.as_ref().and_then(|fd| scupper_probe::pidfd::exit_status(fd.as_fd()));
        let how = match exit.map(|exit| (exit.code, exit.signal, exit.core_dumped)) {
            Some((Some(code), ..)) => HowEnded::Exited { code },
            Some((None, Some(signal), core_dumped)) => HowEnded::Signaled { signal, core_dumped },
            _ => HowEnded::Unknown,
        };
        let ending = matches!(self.machine.phase(), UnitPhase::Ending | UnitPhase::Draining);
        let by = ended_by(&self.sent, &member.identity, how, member.oom.as_ref(), ending);
        if let scupper_model::EndedBy::OomKiller { cgroup, .. } = &by {
            self.oom_kills += 1;
            self.tree.claim_oom_step(Path::new(cgroup));
        }
        // Workers are worth a certificate however they end; helpers come and go, and only a violent end is.
        let worth = match member.role {
            Role::Worker { .. } | Role::PoolWorker => true,
            Role::Main | Role::Helper => matches!(how, HowEnded::Signaled { .. }),
        };
        let expected =
            matches!(by, scupper_model::EndedBy::Scupper { .. } | scupper_model::EndedBy::Forwarded { .. });
        if worth && !expected && !ending {
            self.read_logs(facts);
            let lines = self.last_lines(how);
            let lived = now.saturating_sub(member.first_seen());
            let document = certificate(member, how, by, lived, None, lines);
            facts.push(EventKind::ProcessDied { certificate: Box::new(document) });
        }
    }

    fn read_logs(&mut self, facts: &mut Vec<Fact>) {
        for log in &mut self.logs {
            for fatal in log.read() {
                self.fatal = Some(fatal.clone());
                facts.push(EventKind::FatalMessage { fatal: Box::new(fatal) });
            }
        }
    }

    /// What the logs say of a death: nothing of one that was no failure.
    fn last_lines(&self, how: HowEnded) -> (Option<Fatal>, Vec<String>) {
        if how.is_success() {
            return (None, Vec::new());
        }
        (self.fatal.clone(), self.logs.iter().flat_map(LogTail::last_lines).collect())
    }

    /// What the command said over `NOTIFY_SOCKET`.
    pub(super) fn notified(&mut self, facts: &mut Vec<Fact>) {
        let Some(socket) = &self.notify else { return };
        while let Some(datagram) = socket.relay() {
            let message = notify::parse(&datagram);
            let status = message.status.as_deref().map(redact_line);
            if message.ready || status.is_some() {
                self.ready = Some(message.ready || self.ready == Some(true));
                if status.is_some() {
                    self.status_text.clone_from(&status);
                }
                facts.push(EventKind::Notified { ready: message.ready, status });
            }
        }
    }

    /// Answers whoever talks to the control socket.
    pub(super) fn serve(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let Some(mut server) = self.server.take() else { return };
        server.serve(now, |request| self.answer(&request, now, around, facts));
        self.server = Some(server);
    }

    /// Whether somebody is being answered.
    pub(super) fn serving(&self) -> bool {
        self.server.as_ref().is_some_and(Server::busy)
    }

    fn answer(
        &mut self,
        request: &Request,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> Reply {
        let accepted = |message: &str| Reply::Accepted { message: message.to_owned() };
        match request {
            Request::Status => {
                self.next_whole = now;
                if self.machine.phase() == UnitPhase::Running {
                    self.look(now, around, facts);
                }
                Reply::Status(Box::new(self.status(now, around)))
            }
            Request::Stop => {
                self.drive(Input::Ask(Ask::Stop(SignalReason::Stop)), now, around, facts);
                accepted("stopping")
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

    fn set(&mut self, change: crate::control::LimitChange, around: &Surrounding) -> Result<String, String> {
        let limits = change.apply(self.spec.limits);
        if let Some(why) = contradiction(&limits) {
            return Err(format!("{why}: nothing was changed"));
        }
        let mut spec = self.spec.clone();
        spec.limits = limits;
        spec.policy = change.policy.unwrap_or(spec.policy);
        self.adopt_settings(spec, around);
        Ok(format!("limits are now {}", self.spec.limits))
    }

    /// Takes over new settings of the same command while it runs.
    pub(super) fn adopt_settings(&mut self, spec: UnitSpec, around: &Surrounding) {
        self.machine.change(settings(&spec, around));
        self.spec = spec;
    }

    /// Shortens the grace: nobody is left who would wait for a long one.
    pub(super) fn hurry(&mut self) {
        let mut settings = self.machine.settings().clone();
        settings.grace = settings.grace.min(crate::unit::LEFTOVER_GRACE);
        self.machine.change(settings);
    }

    fn status(&self, now: Duration, around: &Surrounding) -> UnitStatus {
        let mut processes: Vec<ProcessStatus> = self
            .tree
            .members()
            .filter_map(|member| {
                let sample = member.sample.clone()?;
                Some(ProcessStatus {
                    sample,
                    role: member.role.name().to_owned(),
                    growth_bytes: member.history.growth(),
                    generation: member.generation,
                    command: member.shown_command(),
                })
            })
            .collect();
        processes.sort_by_key(|p| std::cmp::Reverse(p.sample.rss_bytes));
        processes.truncate(MOST_LISTED);
        let mut counts = self.machine.counts();
        counts.left_behind_ended = self.left_behind_total;
        counts.zombies_reaped = self.zombies_reaped;
        counts.oom_kills = self.oom_kills;
        counts.events = self.events;
        UnitStatus {
            record: self.record(around),
            tree: self.look.tree,
            size_bytes: self.look.size,
            growth_bytes_per_second: self.look.slope,
            limits: self.spec.limits.resolved(around.whole(&self.spec.limits)),
            processes,
            phase: self.machine.phase(),
            ready: self.ready,
            status_text: self.status_text.clone(),
            uptime_seconds: self.machine.main().map(|_| now.saturating_sub(self.started_at).as_secs_f64()),
            counts,
            next_look_ms: self
                .next_look
                .map_or(0, |next| u64::try_from(next.saturating_sub(now).as_millis()).unwrap_or(0)),
        }
    }

    fn record(&self, around: &Surrounding) -> UnitRecord {
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
            keep: self.spec.keep.clone(),
            grace: self.spec.grace,
            phase: self.machine.phase(),
            starts: self.machine.counts().starts,
            written_at: clock::wall(),
        }
    }

    /// Writes the record down when the phase has changed.
    fn write_record(&mut self, around: &Surrounding, facts: &mut Vec<Fact>) {
        let phase = self.machine.phase();
        if self.shown_phase == Some(phase) || phase == UnitPhase::Stopped {
            return;
        }
        self.shown_phase = Some(phase);
        if let Err(error) = around.records.write(&self.record(around)) {
            facts.push(EventKind::Trouble { message: crate::chain(&error) });
        }
    }

    /// An orphan that scupper adopted: is it of this unit?
    pub(super) fn claims(&self, pid: Pid, proc: &Proc) -> bool {
        let in_cgroup = || self.cgroup.as_ref().is_some_and(|dir| dir.members().contains(&pid));
        self.tree.contains(pid) || super::tree::carries_mark(proc, pid, &self.run) || in_cgroup()
    }

    /// Takes an orphan in.
    pub(super) fn adopt(&mut self, pid: Pid) {
        self.tree.adopt(pid);
    }

    /// Whether a process is a member as far as is known.
    pub(super) fn knows(&self, pid: Pid) -> bool {
        self.tree.contains(pid)
    }

    /// Counts a zombie that was waited for on the unit's behalf.
    pub(super) fn reaped(&mut self) {
        self.zombies_reaped += 1;
    }

    /// Its number within this engine: the tokens of its descriptors carry it.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// Whether its main process shares our process group, so that it gets what the terminal sends.
    pub(super) fn shares_group(&self, proc: &Proc) -> bool {
        let main = self.machine.main().and_then(|main| proc.stat(main.pid).ok().flatten());
        main.is_some_and(|stat| stat.group == rustix::process::getpgrp().as_raw_pid())
    }

    fn shown_command(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        redact_command(self.spec.command.iter().map(|argument| argument.as_bytes()))
    }

    fn spec_command(&self) -> Vec<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt;
        self.spec.command.iter().map(|argument| argument.as_bytes().to_vec()).collect()
    }

    fn environment(&self) -> Vec<Vec<u8>> {
        let value = |name: &str| {
            let own =
                self.spec.environment.iter().find(|(n, _)| n == OsStr::new(name)).map(|(_, v)| v.clone());
            own.or_else(|| std::env::var_os(name))
                .map(|value| format!("{name}={}", value.to_string_lossy()).into_bytes())
        };
        ["NODE_OPTIONS", "JAVA_TOOL_OPTIONS"].into_iter().filter_map(value).collect()
    }
}

const KILL: i32 = 9;

/// Long waits end on whole quarters of a second, so that many units are looked at in one wake-up.
fn on_the_grid(now: Duration, after: Duration) -> Duration {
    const GRID: u64 = 250;
    if after < Duration::from_secs(1) {
        return now + after;
    }
    let at = u64::try_from((now + after).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(at - at % GRID)
}

fn settings(spec: &UnitSpec, around: &Surrounding) -> Settings {
    Settings {
        grace: spec.grace,
        restart: spec.restart,
        retry_after_giving_up: spec.retry_after_giving_up,
        policy: spec.policy,
        bounds: Bounds::resolve(&spec.limits, around.whole(&spec.limits)),
        child_lifetimes: spec.child_lifetimes.clone(),
    }
}

fn below(mount: Option<&Path>, dir: &Path) -> String {
    let rest = mount.and_then(|mount| dir.strip_prefix(mount).ok()).unwrap_or(dir);
    format!("/{}", rest.display())
}

fn listen_for_notify(spec: &UnitSpec, upward: &OsStr, around: &Surrounding) -> Option<NotifySocket> {
    NotifySocket::listen(&around.records.path(&spec.name).with_extension("notify"), upward).ok()
}

/// Whether scupper's stdin or stdout is a pipe or a socket: who is at its other end is told of the end only when
/// everybody who holds it has closed it.
pub(super) fn stdio_has_another_end() -> bool {
    let is_pipe = |stat: rustix::fs::Stat| {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        matches!(kind, rustix::fs::FileType::Fifo | rustix::fs::FileType::Socket)
    };
    rustix::fs::fstat(rustix::stdio::stdin()).is_ok_and(is_pipe)
        || rustix::fs::fstat(rustix::stdio::stdout()).is_ok_and(is_pipe)
}

/// Whether the terminal that scupper was started on is still there.
pub(super) fn terminal_is_there() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The memory that 100 % of a limit means: the smallest limit of the own cgroups, else the host's memory.
fn allowance(proc: &Proc, mounts: &Mounts) -> Option<Bytes> {
    let host = proc.memory_total().ok()?;
    let own = Pid::new(rustix::process::getpid().as_raw_pid())?;
    let paths = proc.cgroup_paths(own).ok().flatten().unwrap_or_default();
    Some(cgroup::memory_allowance(mounts, &paths, host).bytes)
}
