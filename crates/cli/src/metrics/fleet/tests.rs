//! The page of a fleet, and what promtool says of it.

use std::io::Write;
use std::process::{Command, Stdio};

use scupper_fleet::coordinator::FleetGrowth;
use scupper_fleet::{CoordinatorView, LeakWindow, MemoryStats};

use super::*;

/// A coordinator that has seen everything there is to see.
pub(in crate::metrics) fn view() -> View {
    let id = |text: &str| text.parse().unwrap();
    let mut view = View::new("build-7".parse().unwrap(), "build-7".parse().unwrap(), "redis://r:6379".into());
    view.store = Some("redis 7.0.15".into());
    view.phase = Some(Phase::Open);
    (view.members, view.suspects, view.expired, view.claims) = (Some(12), Some(2), Some(1), Some(3));
    view.coordinators =
        vec![CoordinatorView { id: "build-7".parse().unwrap(), host: None, until: Timestamp(5) }];
    view.done.cleaned.insert(Reason::StaleHeartbeat, 7);
    view.done.detected.insert(Reason::StaleHeartbeat, 8);
    view.done.processes_left = 4;
    (view.beats, view.fenced) = (500, 2);
    (view.sweeps, view.sweeps_took) = (100, Duration::from_millis(1500));
    view.last_sweep = Some(Timestamp(1_767_225_600_500));
    view.last_sweep_took = Some(Duration::from_millis(4));
    view.memory = Some(Memory {
        at: Timestamp(1_767_225_600_000),
        stats: MemoryStats {
            total_agents: 12,
            total_heap_used: Some(Bytes(50)),
            total_rss: Bytes(1000),
            redis_memory: Some(Bytes(2_000_000)),
            timestamp: 0,
        },
        window: LeakWindow::DEFAULT,
        growth: Some(FleetGrowth {
            baseline: Bytes(400),
            current: Bytes(500),
            growth: 100,
            growth_percent: 25.0,
            members: 10,
        }),
        leaking: true,
        largest: vec![(id("coder-1"), Bytes(600)), (id("coder-2"), Bytes(300))],
        verdicts: BTreeMap::from([(Verdict::Stable, 11), (Verdict::Leaking, 1)]),
        leaks: vec![id("coder-1")],
    });
    view
}

fn page(view: View) -> String {
    render(view, Format::OpenMetrics).unwrap()
}

#[test]
fn r109_the_seeds_names_and_labels_stand() {
    let page = page(view());
    for line in [
        "# TYPE agent_count_total unknown",
        "agent_count_total{state=\"active\"} 12",
        "agent_orphan_cleanup_count{reason=\"stale_heartbeat\"} 7",
        "agent_orphan_cleanup_count{reason=\"missing_heartbeat\"} 0",
        "agent_memory_usage_bytes{agent_id=\"coder-1\"} 600",
        "memory_growth_bytes 100",
        "memory_leak_detected{threshold=\"100MB\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn the_page_is_what_the_coordinator_knows() {
    let page = page(view());
    for line in [
        "scupper_fleet_registry_up 1",
        "scupper_fleet_members 12",
        "scupper_fleet_suspects 2",
        "scupper_fleet_expired 1",
        "scupper_fleet_claims 3",
        "scupper_fleet_coordinators 1",
        "scupper_fleet_phase{phase=\"open\"} 1",
        "scupper_fleet_phase{phase=\"hold\"} 0",
        "scupper_fleet_sweeps_total 100",
        "scupper_fleet_beats_total 500",
        "scupper_fleet_beats_fenced_total 2",
        "scupper_fleet_sweeps_duration_seconds_total 1.5",
        "scupper_fleet_last_sweep_duration_seconds 0.004",
        "scupper_fleet_last_sweep_timestamp_seconds 1767225600.5",
        "scupper_fleet_orphans_detected_total{reason=\"stale_heartbeat\"} 8",
        "scupper_fleet_cleanups_completed_total{reason=\"stale_heartbeat\"} 7",
        "scupper_fleet_processes_total{outcome=\"left\"} 4",
        "scupper_fleet_memory_bytes 1000",
        "scupper_fleet_memory_growth_ratio 0.25",
        "scupper_fleet_leak_window_seconds 300.0",
        "scupper_fleet_store_memory_bytes 2000000",
        "scupper_fleet_unnamed_memory_bytes 100",
        "scupper_fleet_unnamed 10",
        "scupper_fleet_verdicts{verdict=\"leaking\"} 1",
        "scupper_fleet_verdicts{verdict=\"growing\"} 0",
        "scupper_fleet_agent_leaking{agent_id=\"coder-1\"} 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn r109_a_leak_that_is_over_is_0_again() {
    let mut view = view();
    if let Some(memory) = &mut view.memory {
        (memory.leaking, memory.leaks) = (false, Vec::new());
    }
    let page = page(view);
    assert!(page.contains("memory_leak_detected{threshold=\"100MB\"} 0\n"), "{page}");
    assert!(!page.contains("agent_leaking{"), "{page}");
}

#[test]
fn what_is_unknown_is_absent() {
    let mut away = view();
    away.lost_since = Some(Timestamp(1));
    let fresh = View::new("c".parse().unwrap(), "h".parse().unwrap(), "embedded".into());
    for page in [page(away), page(fresh)] {
        assert!(page.contains("scupper_fleet_registry_up 0\n"), "{page}");
        for absent in
            ["agent_count_total{", "\nscupper_fleet_members ", "memory_leak_detected{", "fleet_phase{"]
        {
            assert!(!page.contains(absent), "{absent}\n{page}");
        }
    }
}

#[test]
fn r109_agents_in_labels_are_bounded_and_the_rest_is_counted() {
    let mut view = view();
    if let Some(memory) = &mut view.memory {
        memory.largest =
            (0..LARGEST_LIMIT * 3).map(|n| (format!("a{n}").parse().unwrap(), Bytes(1))).collect();
        memory.stats.total_agents = 100_000;
    }
    let page = page(view);
    assert_eq!(page.matches("agent_memory_usage_bytes{").count(), LARGEST_LIMIT);
    assert!(page.contains("scupper_fleet_unnamed 99950\n"), "{page}");
    assert!(page.contains("scupper_fleet_unnamed_memory_bytes 950\n"), "{page}");
}

/// What a registry says of itself may be anything.
#[test]
fn odd_values_are_escaped() {
    let mut odd = view();
    odd.store = Some("redis \"7\"\\\n# TYPE forged gauge\nforged 1".into());
    let page = page(odd.clone());
    assert!(page.contains("store=\"redis \\\"7\\\"\\\\\\n# TYPE forged gauge\\nforged 1\""), "{page}");
    assert!(!page.lines().any(|line| line.starts_with("forged")), "{page}");
    assert_promtool_is_content(&render(odd, Format::Plain).unwrap());
}

/// R109, R052. Where the package `prometheus` is installed.
#[test]
fn r109_promtool_finds_nothing_to_say() {
    assert_promtool_is_content(&render(view(), Format::Plain).unwrap());
    let fresh = View::new("c".parse().unwrap(), "h".parse().unwrap(), "embedded".into());
    assert_promtool_is_content(&render(fresh, Format::Plain).unwrap());
}

fn assert_promtool_is_content(page: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else { return };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let answer = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
    assert!(answer.status.success() && said.is_empty(), "{said}\n{page}");
}
