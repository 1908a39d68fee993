//! A unit's status as tests of this page need it.

use scupper_detect::Verdict;
use scupper_model::{
    Bytes, Class, Connections, Identity, Limits, Pid, Policy, ProcessSample, ProcessState, Profile,
    RECORD_SCHEMA, RunId, Size, StartTime, Timestamp, Total, TreeSample, UnitPhase, UnitRecord,
};
use scupper_supervise::control::{ProcessStatus, Standing, UnitCounts, UnitStatus};
use scupper_supervise::helpers::{Account, Group};

pub(super) fn status(unit: &str) -> UnitStatus {
    let identity = |pid| Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(1),
        boot_id: "6f6b0a4e-4c1f-4b8e-9c57-0d4c8f1f8f10".parse().unwrap(),
    };
    let limits = Limits { mem_soft: Some(Size::Absolute(Bytes::mib(450))), ..Limits::default() };
    let mut tree = TreeSample { processes: 3, ..TreeSample::default() };
    tree.sockets.add(None);
    let process = |pid, role: &str, rss| ProcessStatus {
        sample: ProcessSample {
            identity: identity(pid),
            parent: None,
            name: "gunicorn".into(),
            state: ProcessState::Alive,
            rss_bytes: Some(Bytes::mib(rss)),
            rss_anon_bytes: None,
            swap_bytes: None,
            pss_bytes: None,
            fds: Some(12),
            sockets: None,
            threads: None,
            cpu: None,
        },
        role: role.into(),
        connections: Some(Connections { close_wait: 7, ..Connections::default() }),
        growth_bytes: None,
        standing: Standing::default(),
        generation: 2,
        command: "gunicorn app:app".into(),
    };
    UnitStatus {
        record: UnitRecord {
            schema: RECORD_SCHEMA.to_owned(),
            unit: unit.parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            supervisor: identity(i32::try_from(std::process::id()).unwrap()),
            guardian: None,
            main: None,
            command: "gunicorn app:app".into(),
            cgroup: None,
            profile: Profile::Web,
            policy: Policy::Kill,
            limits,
            agent: None,
            keep: Vec::new(),
            grace: std::time::Duration::from_secs(30),
            phase: UnitPhase::Running,
            starts: 3,
            written_at: Timestamp(0),
        },
        tree,
        size_bytes: Bytes::mib(300),
        growth_bytes_per_second: Some(1024.5),
        standing: Standing {
            verdict: Some(Verdict::Growing),
            slope_bytes_per_hour: Some(1_048_576.0),
            time_to_limit_seconds: Some(7200),
            class: Some(Class::ChildTree),
            ..Standing::default()
        },
        series: Vec::new(),
        limits,
        processes: vec![process(4242, "worker", 200), process(4241, "main", 30)],
        helpers: Vec::new(),
        helper_counts: vec![Account {
            started_by: Some(identity(4242)),
            kind: Some(Group::Browser),
            helpers: 3,
            processes: 24,
            rss_bytes: Total { known: 600 << 20, unreadable: 0 },
            outliving: 2,
        }],
        phase: UnitPhase::Running,
        held: None,
        ready: None,
        status_text: None,
        uptime_seconds: Some(75.5),
        counts: UnitCounts { starts: 3, recycle_restarts: 2, looks: 1000, ..UnitCounts::default() },
        next_look_ms: 1000,
    }
}
