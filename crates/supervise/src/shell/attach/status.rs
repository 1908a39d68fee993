//! What is said of a watched tree: its record, its status for `ps` and the metrics page, and answers to who asks.

use scupper_model::{Policy, Profile, RECORD_SCHEMA, UnitPhase, UnitRecord};

use super::Watcher;
use crate::control::{Reply, Request, UnitCounts, UnitStatus};
use crate::shell::clock;
use crate::shell::listed::listed;

impl Watcher {
    /// Its record. It has no main process, no cgroup, and a run that marks nobody: when this scupper is killed and the
    /// record stays, nothing in it says that Scupper owned the tree.
    pub(super) fn written_down(&self) -> UnitRecord {
        UnitRecord {
            schema: RECORD_SCHEMA.to_owned(),
            unit: self.setup.name.clone(),
            run: self.run,
            supervisor: self.own,
            guardian: None,
            main: None,
            command: self.command.clone(),
            cgroup: None,
            profile: Profile::default(),
            policy: Policy::Observe,
            limits: self.setup.limits,
            agent: None,
            keep: Vec::new(),
            grace: std::time::Duration::ZERO,
            phase: UnitPhase::Running,
            starts: 0,
            written_at: clock::wall(),
        }
    }

    /// Answers whoever talks to the control socket.
    pub(super) fn serve(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.serve(self.clock.now(), |request| self.answer(&request));
        self.server = Some(server);
    }

    fn answer(&mut self, request: &Request) -> Reply {
        match request {
            Request::Status => {
                let now = self.clock.now();
                self.next_whole = now;
                self.take_look(now);
                Reply::Status(Box::new(self.as_it_is()))
            }
            Request::Stop => {
                self.stop = true;
                Reply::Accepted { message: "not watching it any more; it runs on".to_owned() }
            }
            Request::Restart | Request::Recycle | Request::Set { .. } => {
                let message = "scupper only watches it, and did not start it".to_owned();
                Reply::Refused { message }
            }
        }
    }

    fn as_it_is(&mut self) -> UnitStatus {
        let now = self.clock.now();
        let (helpers, helper_counts) = self.watch.helpers(&self.look);
        UnitStatus {
            record: self.written_down(),
            tree: self.look.tree,
            size_bytes: self.look.size,
            growth_bytes_per_second: self.look.slope,
            limits: self.setup.limits.resolved(self.memory),
            processes: listed(self.following.members(), &mut self.watch, &self.nearer, now),
            helpers,
            helper_counts,
            standing: self.watch.standing(now),
            series: self.watch.all(now),
            phase: UnitPhase::Running,
            held: None,
            ready: None,
            status_text: None,
            uptime_seconds: Some((self.age + now).as_secs_f64()),
            counts: UnitCounts { looks: self.looks, events: self.events, ..UnitCounts::default() },
            next_look_ms: u64::try_from(self.next_look.saturating_sub(now).as_millis()).unwrap_or(0),
        }
    }
}
