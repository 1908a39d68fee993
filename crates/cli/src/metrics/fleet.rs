//! The fleet as one coordinator knows it, as `OpenMetrics` text.
//!
//! Seed 004's names stay, for dashboards that have them, beside well-formed ones under `scupper_fleet_`. Two of the seed's
//! are not well formed: `agent_count_total` is no counter, and `agent_orphan_cleanup_count` is one that does not end in
//! `_total`. Declared as what they are, `OpenMetrics` would rename the second and promtool objects to both; declared as
//! `unknown` they keep their names and every reader takes them.
//!
//! Agents are named in labels where they take most, at most [`LARGEST_LIMIT`]; the rest is one sum and a count. What is
//! unknown is absent, never 0: while the registry is away nobody knows how many members there are.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use scupper_detect::Verdict;
use scupper_fleet::coordinator::{LARGEST_LIMIT, Memory, View};
use scupper_fleet::{AgentId, Phase, Reason};
use scupper_model::{Bytes, Timestamp};

use super::page::{Format, Label, counter, gauge, to_i64};

/// Every reason there is: a rate needs the 0 before the first one.
const REASONS: [Reason; 4] =
    [Reason::MissingHeartbeat, Reason::StaleHeartbeat, Reason::Shutdown, Reason::TakenOver];

/// The page of one coordinator.
pub(crate) fn render(view: View, format: Format) -> Result<String, fmt::Error> {
    // Without a prefix: seed 004's names have none.
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page { view }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(format.of(text))
}

#[derive(Debug)]
struct Page {
    view: View,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let view = &self.view;
        let mut out = Out { encoder };
        // What was known before the registry went away is not known now.
        let answers = view.store.is_some() && view.lost_since.is_none();
        let known = answers.then_some(view);
        let memory = known.and_then(|view| view.memory.as_ref());
        out.seed(view, known, memory)?;
        out.registry(view, answers)?;
        out.members(known)?;
        out.work(view, known)?;
        out.processes(view)?;
        out.memory(memory)
    }
}

struct Out<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl Out<'_> {
    /// Seed 004's five (R109).
    fn seed(&mut self, view: &View, known: Option<&View>, memory: Option<&Memory>) -> fmt::Result {
        let active =
            known.and_then(|view| view.members).map(|n| (vec![("state", word("active"))], to_i64(n)));
        self.unknown(
            "agent_count_total",
            "Members of the registry: a gauge, whatever its name says. Well formed: scupper_fleet_members.",
            active,
        )?;
        let cleaned = by_reason(&view.done.cleaned).map(|(labels, count)| (labels, to_i64(count)));
        self.unknown(
            "agent_orphan_cleanup_count",
            "Cleanups this coordinator completed: a counter. Well formed: scupper_fleet_cleanups_completed_total.",
            cleaned,
        )?;
        let largest = memory.into_iter().flat_map(named);
        self.gauges(
            "agent_memory_usage",
            "What the agents that take most take; of the others scupper_fleet_unnamed_memory_bytes is the sum.",
            BYTES,
            largest.map(|(id, bytes)| (vec![("agent_id", id.to_string())], to_i64(bytes.0))),
        )?;
        let growth = memory.and_then(|memory| memory.growth);
        self.one(
            "memory_growth",
            "Growth within the leak window (5 minutes unless said otherwise) of the members that were there then and are there now.",
            BYTES,
            growth.map(|growth| growth.growth),
        )?;
        let leak = memory.map(|memory| (vec![("threshold", word("100MB"))], i64::from(memory.leaking)));
        self.gauges("memory_leak_detected", "Whether that growth is more than 100 MiB.", None, leak)
    }

    /// The registry, and who looks at it.
    fn registry(&mut self, view: &View, answers: bool) -> fmt::Result {
        let names = vec![
            ("coordinator", view.coordinator.to_string()),
            ("host", view.host.to_string()),
            ("registry", view.registry.clone()),
            ("store", view.store.clone().unwrap_or_default()),
        ];
        self.gauges(
            "scupper_fleet_coordinator_info",
            "Who renders this page; always 1.",
            None,
            [(names, 1)],
        )?;
        self.one(
            "scupper_fleet_registry_up",
            "Whether the registry answers.",
            None,
            Some(i64::from(answers)),
        )?;
        self.total(
            "scupper_fleet_registry_failures",
            "Calls of the registry that failed.",
            None,
            view.failures,
        )
    }

    fn members(&mut self, known: Option<&View>) -> fmt::Result {
        let of = |pick: fn(&View) -> Option<u64>| known.and_then(pick).map(to_i64);
        self.one("scupper_fleet_members", "Members of the registry.", None, of(|view| view.members))?;
        self.one(
            "scupper_fleet_suspects",
            "Members that have not been heard of for two and a half heartbeats.",
            None,
            of(|view| view.suspects),
        )?;
        self.one(
            "scupper_fleet_expired",
            "Members whose lease is over and who are not claimed.",
            None,
            of(|view| view.expired),
        )?;
        self.one(
            "scupper_fleet_claims",
            "Cleanups in progress, of all coordinators.",
            None,
            of(|view| view.claims),
        )?;
        self.one(
            "scupper_fleet_coordinators",
            "Coordinators whose lease holds.",
            None,
            known.and_then(known_coordinators),
        )?;
        // One sample for each word there is, 1 for the one that holds: an alert asks for `phase="hold"`.
        let phases = known.and_then(|view| view.phase.as_ref()).into_iter().flat_map(|phase| {
            [
                ("open", matches!(phase, Phase::Open)),
                ("grace", matches!(phase, Phase::Grace { .. })),
                ("hold", matches!(phase, Phase::Hold { .. })),
            ]
        });
        self.gauges(
            "scupper_fleet_phase",
            "Whether orphans are claimed: open, in grace after an outage, or held by the brake.",
            None,
            phases.map(|(name, holds)| (vec![("phase", word(name))], i64::from(holds))),
        )
    }

    /// Sweeps, and what came of them.
    fn work(&mut self, view: &View, known: Option<&View>) -> fmt::Result {
        let done = &view.done;
        self.one(
            "scupper_fleet_cleanups",
            "Cleanups this coordinator has not finished.",
            None,
            Some(to_i64(view.cleanups)),
        )?;
        self.one(
            "scupper_fleet_agents_here",
            "Agents this coordinator beats for.",
            None,
            Some(to_i64(view.agents_here)),
        )?;
        self.total(
            "scupper_fleet_beats",
            "Heartbeats that it sent and that were answered.",
            None,
            view.beats,
        )?;
        self.total(
            "scupper_fleet_beats_fenced",
            "Heartbeats among them that were refused: of incarnations that are over.",
            None,
            view.fenced,
        )?;
        self.total("scupper_fleet_sweeps", "Sweeps that were answered.", None, view.sweeps)?;
        self.total(
            "scupper_fleet_sweeps_duration",
            "Time those sweeps took together.",
            SECONDS,
            view.sweeps_took.as_secs_f64(),
        )?;
        self.one(
            "scupper_fleet_last_sweep_duration",
            "Time the last sweep took.",
            SECONDS,
            view.last_sweep_took.map(|took| took.as_secs_f64()),
        )?;
        self.one(
            "scupper_fleet_last_sweep_timestamp",
            "When the last sweep was, by the store's clock, since 1970.",
            SECONDS,
            view.last_sweep.map(seconds),
        )?;
        self.totals(
            "scupper_fleet_orphans_detected",
            "Orphans that were claimed first here.",
            by_reason(&done.detected),
        )?;
        self.totals(
            "scupper_fleet_cleanups_completed",
            "Cleanups completed here.",
            by_reason(&done.cleaned),
        )?;
        for (name, help, count) in [
            ("scupper_fleet_keys_deleted", "Keys deleted in cleanups.", done.keys_deleted),
            ("scupper_fleet_cleanups_aborted", "Cleanups aborted because the agent lives.", done.aborted),
            ("scupper_fleet_cleanups_stale", "Cleanups that another coordinator had taken on.", done.stale),
            (
                "scupper_fleet_cleanup_retries",
                "Steps of cleanups that failed and were tried again.",
                done.retried,
            ),
            (
                "scupper_fleet_cleanups_given_up",
                "Cleanups left to others after too many failures.",
                done.given_up,
            ),
            ("scupper_fleet_objections", "Objections to cleanups of others.", done.objections),
            (
                "scupper_fleet_coordinators_lost",
                "Coordinators whose end was seen here.",
                done.coordinators_lost,
            ),
            ("scupper_fleet_graces", "Times that an outage held claiming back.", done.graces),
            ("scupper_fleet_holds", "Times that the brake held claiming back.", done.holds),
        ] {
            self.total(name, help, None, count)?;
        }
        let store = known.and_then(|view| view.memory.as_ref()).and_then(|memory| memory.stats.redis_memory);
        self.one("scupper_fleet_store_memory", "What the registry itself takes.", BYTES, store.map(bytes))
    }

    fn processes(&mut self, view: &View) -> fmt::Result {
        let done = &view.done;
        let outcomes = [
            ("ended", done.processes_ended),
            ("left", done.processes_left),
            ("delegated", done.processes_delegated),
        ];
        self.totals(
            "scupper_fleet_processes",
            "Orphans' processes: ended on this host, left alone on it, or told to another host.",
            outcomes.map(|(outcome, count)| (vec![("outcome", word(outcome))], count)),
        )
    }

    fn memory(&mut self, memory: Option<&Memory>) -> fmt::Result {
        let total = memory.map(|memory| memory.stats.total_rss);
        self.one("scupper_fleet_memory", "What all members take.", BYTES, total.map(bytes))?;
        self.one(
            "scupper_fleet_heap_used",
            "What the heaps of all members use, where they say so.",
            BYTES,
            memory.and_then(|memory| memory.stats.total_heap_used).map(bytes),
        )?;
        self.one(
            "scupper_fleet_memory_timestamp",
            "When that was summed up, by the store's clock, since 1970.",
            SECONDS,
            memory.map(|memory| seconds(memory.at)),
        )?;
        self.one(
            "scupper_fleet_leak_window",
            "How far back memory_growth_bytes looks.",
            SECONDS,
            memory.map(|memory| memory.window.time().as_secs_f64()),
        )?;
        let growth = memory.and_then(|memory| memory.growth);
        self.one(
            "scupper_fleet_memory_growth_ratio",
            "memory_growth_bytes as a part of what the same members took then.",
            None,
            growth.map(|growth| growth.growth_percent / 100.0),
        )?;
        let unnamed = memory.map(unnamed);
        self.one(
            "scupper_fleet_unnamed_memory",
            "What the members take that have no agent_memory_usage_bytes.",
            BYTES,
            unnamed.map(|(sum, _)| bytes(sum)),
        )?;
        self.one(
            "scupper_fleet_unnamed",
            "How many they are.",
            None,
            unnamed.map(|(_, count)| to_i64(count)),
        )?;
        let verdicts = memory.filter(|memory| !memory.verdicts.is_empty()).into_iter().flat_map(|memory| {
            Verdict::ALL.iter().map(|verdict| {
                let count = memory.verdicts.get(verdict).copied().unwrap_or_default();
                (vec![("verdict", verdict.name().to_owned())], to_i64(count))
            })
        });
        self.gauges(
            "scupper_fleet_verdicts",
            "Members by what is thought of them where they run.",
            None,
            verdicts,
        )?;
        let leaks = memory.into_iter().flat_map(|memory| memory.leaks.iter().take(LARGEST_LIMIT));
        self.gauges(
            "scupper_fleet_agent_leaking",
            "Agents that leak, as is thought where they run; always 1.",
            None,
            leaks.map(|id| (vec![("agent_id", id.to_string())], 1)),
        )
    }

    /// A gauge without labels.
    fn one<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        value: Option<V>,
    ) -> fmt::Result {
        let metric = self.encoder.encode_descriptor(name, help, of, MetricType::Gauge)?;
        value.map_or(Ok(()), |value| ConstGauge::new(value).encode(metric))
    }

    fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        samples: impl IntoIterator<Item = (Vec<Label>, V)>,
    ) -> fmt::Result {
        self.samples(MetricType::Gauge, name, help, of, samples)
    }

    /// Of a type that promises nothing, so that its name may be anything.
    fn unknown(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label>, i64)>,
    ) -> fmt::Result {
        self.samples(MetricType::Unknown, name, help, None, samples)
    }

    fn samples<V: EncodeGaugeValue>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        samples: impl IntoIterator<Item = (Vec<Label>, V)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, of, kind)?;
        samples.into_iter().try_for_each(|(labels, value)| gauge(&mut metric, &labels, value))
    }

    /// A counter without labels.
    fn total<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        count: V,
    ) -> fmt::Result {
        let metric = self.encoder.encode_descriptor(name, help, of, MetricType::Counter)?;
        ConstCounter::new(count).encode(metric)
    }

    fn totals(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (Vec<Label>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        counts.into_iter().try_for_each(|(labels, count)| counter(&mut metric, &labels, count))
    }
}

const BYTES: Option<&Unit> = Some(&Unit::Bytes);
const SECONDS: Option<&Unit> = Some(&Unit::Seconds);

fn by_reason(counts: &BTreeMap<Reason, u64>) -> impl Iterator<Item = (Vec<Label>, u64)> {
    let count = |reason| counts.get(&reason).copied().unwrap_or_default();
    REASONS.into_iter().map(move |reason| (vec![("reason", word(reason.as_str()))], count(reason)))
}

/// Those whose lease holds; unknown until the registry was asked for them, which is after the first sweep.
fn known_coordinators(view: &View) -> Option<i64> {
    (!view.coordinators.is_empty()).then(|| to_i64(view.coordinators.len() as u64))
}

/// Who is named with what it takes.
fn named(memory: &Memory) -> impl Iterator<Item = &(AgentId, Bytes)> {
    memory.largest.iter().take(LARGEST_LIMIT)
}

/// What the members take that are not named, and how many they are.
fn unnamed(memory: &Memory) -> (Bytes, u64) {
    let sum = named(memory).map(|(_, bytes)| bytes.0).fold(0, u64::saturating_add);
    let count = memory.stats.total_agents.saturating_sub(named(memory).count() as u64);
    (Bytes(memory.stats.total_rss.0.saturating_sub(sum)), count)
}

fn word(text: &str) -> String {
    text.to_owned()
}

fn bytes(bytes: Bytes) -> i64 {
    to_i64(bytes.0)
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.0).as_secs_f64()
}

#[cfg(test)]
pub(super) mod tests;
