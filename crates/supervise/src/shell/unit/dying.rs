//! Somebody of the tree ended: takes the status, writes the certificate.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use scupper_model::{EventKind, Fatal, HowEnded, UnitPhase};

use super::{Fact, Surrounding, UnitShell};
use crate::shell::death::{certificate, ended_by};
use crate::shell::guardian::reap;
use crate::shell::launch;
use crate::shell::logs::{Fresh, LogTail};
use crate::shell::tree::Member;
use crate::unit::{Input, Role};

impl UnitShell {
    /// The main process may have ended: takes its status, writes its certificate, tells the machine.
    pub(in crate::shell) fn check_main(
        &mut self,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        let Some(main) = self.machine.main() else { return };
        if !self.main_fd.as_ref().is_none_or(|fd| scupper_probe::pidfd::has_exited(fd.as_fd())) {
            return;
        }
        // A zombie still has its name: one that ends under the launcher's never became the command.
        let name = around.proc.stat(main.pid).ok().flatten().map(|stat| stat.name);
        // What was last known of it may be the launcher, or nothing.
        self.tree.refresh(&around.proc, None, now);
        let Some(status) = reap(Some(main.pid)) else { return };
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
        self.conclude(now, around, facts);
        self.tree.main_ended();
        self.next_look = Some(now);
        self.drive(Input::MainEnded(how), now, around, facts);
    }

    pub(in crate::shell) fn member_gone(&mut self, member: &Member, now: Duration, facts: &mut Vec<Fact>) {
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
            let document = certificate(member, how, by, lived, Some(&self.environment()), lines);
            facts.push(EventKind::ProcessDied { certificate: Box::new(document) });
        }
    }

    pub(in crate::shell) fn read_logs(&mut self, facts: &mut Vec<Fact>) {
        let mut fresh = Fresh::default();
        for log in &mut self.logs {
            for fatal in log.read(&mut fresh) {
                self.fatal = Some(fatal.clone());
                facts.push(EventKind::FatalMessage { fatal: Box::new(fatal) });
            }
        }
        if !self.logs.is_empty() {
            self.watch.note_log(fresh.lines, fresh.last().iter().map(String::as_str));
        }
    }

    /// What the logs say of a death: nothing of one that was no failure.
    pub(in crate::shell) fn last_lines(&self, how: HowEnded) -> (Option<Fatal>, Vec<String>) {
        if how.is_success() {
            return (None, Vec::new());
        }
        (self.fatal.clone(), self.logs.iter().flat_map(LogTail::last_lines).collect())
    }

    pub(in crate::shell) fn spec_command(&self) -> Vec<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt;
        self.spec.command.iter().map(|argument| argument.as_bytes().to_vec()).collect()
    }

    pub(in crate::shell) fn environment(&self) -> Vec<Vec<u8>> {
        let value = |name: &str| {
            let own =
                self.spec.environment.iter().find(|(n, _)| n == OsStr::new(name)).map(|(_, v)| v.clone());
            own.or_else(|| std::env::var_os(name))
                .map(|value| format!("{name}={}", value.to_string_lossy()).into_bytes())
        };
        ["NODE_OPTIONS", "JAVA_TOOL_OPTIONS"].into_iter().filter_map(value).collect()
    }
}
