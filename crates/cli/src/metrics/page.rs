//! The metrics page: units as they are now, as `OpenMetrics` text.
//!
//! Names follow `scupper_<noun>_<what>[_<unit>]`. Labels are bounded: units are few, and of processes only workers
//! appear, at most [`MAX_WORKERS`] of each unit. What is unknown is absent, never 0.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use scupper_detect::Verdict;
use scupper_model::{Class, Connections, Size};
use scupper_supervise::control::{ProcessStatus, UnitCounts, UnitStatus};
use scupper_supervise::helpers::{Account, Group};

/// Workers of one unit that get series of their own: the largest ones.
const MAX_WORKERS: usize = 50;

/// How the page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4, for readers that do not know `OpenMetrics`: counters are declared with their `_total`.
    Plain,
}

impl Format {
    /// What a reader accepts: `OpenMetrics` where it names that itself, and does not refuse it (`q=0`). Whoever says
    /// nothing, or `*/*`, may know the older format alone.
    pub(crate) fn accepted(accept: &str) -> Self {
        let takes = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let named =
                parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let weight = parts
                .filter_map(|part| part.split_once('='))
                .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
            named
                && weight
                    .is_none_or(|(_, weight)| weight.trim().parse::<f64>().is_ok_and(|weight| weight > 0.0))
        };
        if accept.split(',').any(takes) { Self::OpenMetrics } else { Self::Plain }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A page of `OpenMetrics` in this format.
    pub(super) fn of(self, page: String) -> String {
        match self {
            Self::OpenMetrics => page,
            Self::Plain => plain(&page),
        }
    }
}

/// The page.
pub(super) fn render(units: Vec<UnitStatus>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("scupper");
    registry.register_collector(Box::new(Page { units }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(format.of(text))
}

/// The same in the older format: no UNIT and EOF, the declared name of a counter is that of its samples, and what is
/// unknown there is untyped here.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len() + 512);
    for (at, line) in lines.iter().enumerate() {
        let declared = |line: &str| line.split(' ').nth(2).map(str::to_owned);
        let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        let counter = is_counter(line)
            || line.starts_with("# HELP ") && lines.get(at + 1).is_some_and(|next| is_counter(next));
        match declared(line).filter(|_| counter) {
            Some(name) => out.push_str(&line.replacen(&name, &format!("{name}_total"), 1)),
            None if line.starts_with("# UNIT ") || *line == "# EOF" => continue,
            None => match line.strip_suffix(" unknown").filter(|line| line.starts_with("# TYPE ")) {
                Some(typed) => out.extend([typed, " untyped"]),
                None => out.push_str(line),
            },
        }
        out.push('\n');
    }
    out
}

#[derive(Debug)]
struct Page {
    units: Vec<UnitStatus>,
}

pub(super) type Label = (&'static str, String);
type Count = fn(&UnitCounts) -> u64;
type Counted = (&'static str, Count);
type Waiting = fn(&Connections) -> u64;

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out { encoder, units: &self.units };
        out.gauges(
            "unit_memory",
            "Size of the tree: PSS where it was read, else the sum of RSS.",
            BYTES,
            |unit| Some(to_i64(unit.size_bytes.0)),
        )?;
        out.gauges("unit_memory_growth", "Growth of the size, bytes per second.", None, |unit| {
            unit.growth_bytes_per_second
        })?;
        out.verdicts()?;
        out.classes()?;
        out.gauges("unit_slope_bytes_per_hour", "Growth of the floor of its memory.", None, |unit| {
            unit.standing.slope_bytes_per_hour
        })?;
        out.gauges(
            "unit_time_to_limit",
            "Time until its memory reaches the limit at this rate.",
            Some(&Unit::Seconds),
            |unit| unit.standing.time_to_limit_seconds.map(to_i64),
        )?;
        out.limits()?;
        out.gauges("unit_processes", "Living processes of the tree.", None, |unit| {
            Some(i64::from(unit.tree.processes))
        })?;
        out.gauges("unit_zombies", "Processes that ended and were not waited for.", None, |unit| {
            Some(i64::from(unit.tree.zombies))
        })?;
        out.gauges("unit_descriptors", "Open descriptors of the tree.", None, |unit| {
            unit.tree.fds.exact().map(to_i64)
        })?;
        out.gauges("unit_sockets", "Open sockets of the tree.", None, |unit| {
            unit.tree.sockets.exact().map(to_i64)
        })?;
        out.gauges("unit_threads", "Threads of the tree.", None, |unit| {
            unit.tree.threads.exact().map(to_i64)
        })?;
        out.connections()?;
        out.helpers("unit_helpers", "Helpers that its workers started, by kind.", |account| account.helpers)?;
        out.helpers(
            "unit_helpers_outliving",
            "Helpers among them that outlive what they were started for.",
            |account| account.outliving,
        )?;
        out.gauges("unit_uptime", "Time since the main process started.", Some(&Unit::Seconds), |unit| {
            unit.uptime_seconds
        })?;
        out.workers("worker_memory", "Resident memory of a worker.", BYTES, |worker| {
            worker.sample.rss_bytes.map(|rss| to_i64(rss.0))
        })?;
        out.workers("worker_descriptors", "Open descriptors of a worker.", None, |worker| {
            worker.sample.fds.map(to_i64)
        })?;
        out.counts()
    }
}

const BYTES: Option<&Unit> = Some(&Unit::Bytes);

struct Out<'e, 'u> {
    encoder: DescriptorEncoder<'e>,
    units: &'u [UnitStatus],
}

impl Out<'_, '_> {
    fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        value: impl Fn(&UnitStatus) -> Option<V>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, of, MetricType::Gauge)?;
        for unit in self.units {
            if let Some(value) = value(unit) {
                gauge(&mut metric, &[named(unit)], value)?;
            }
        }
        Ok(())
    }

    /// One sample for each word there is, 1 for the one that holds: an alert asks for `verdict="leaking"`.
    fn verdicts(&mut self) -> fmt::Result {
        let help = "Whether it leaks: the worst of its series.";
        let mut metric = self.encoder.encode_descriptor("unit_verdict", help, None, MetricType::Gauge)?;
        for unit in self.units {
            let Some(verdict) = unit.standing.verdict else { continue };
            for word in Verdict::ALL {
                let labels = [named(unit), ("verdict", word.name().to_owned())];
                gauge(&mut metric, &labels, i64::from(word == verdict))?;
            }
        }
        Ok(())
    }

    /// The same for the kind of leak it is.
    fn classes(&mut self) -> fmt::Result {
        let help = "What kind of leak it is, as far as that can be told from outside.";
        let mut metric = self.encoder.encode_descriptor("unit_leak_class", help, None, MetricType::Gauge)?;
        for unit in self.units {
            let Some(class) = unit.standing.class else { continue };
            for word in Class::ALL {
                let labels = [named(unit), ("class", word.name().to_owned())];
                gauge(&mut metric, &labels, i64::from(word == class))?;
            }
        }
        Ok(())
    }

    /// Connections that wait for one side to close them, where those of every process are known.
    fn connections(&mut self) -> fmt::Result {
        let help = "TCP connections that one side alone has closed, by state.";
        let mut metric = self.encoder.encode_descriptor("unit_connections", help, None, MetricType::Gauge)?;
        let states: [(&str, Waiting); 2] =
            [("close_wait", |it| it.close_wait), ("fin_wait2", |it| it.fin_wait2)];
        for unit in self.units {
            let all: Option<Vec<Connections>> =
                unit.processes.iter().map(|process| process.connections).collect();
            let Some(all) = all.filter(|all| !all.is_empty()) else { continue };
            for (state, pick) in states {
                let labels = [named(unit), ("state", state.to_owned())];
                gauge(&mut metric, &labels, to_i64(all.iter().map(pick).fold(0, u64::saturating_add)))?;
            }
        }
        Ok(())
    }

    fn helpers(&mut self, name: &str, help: &str, pick: fn(&Account) -> u32) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for unit in self.units {
            for kind in [Group::Browser, Group::Stdio, Group::Other] {
                let of_kind: Vec<&Account> =
                    unit.helper_counts.iter().filter(|account| account.kind == Some(kind)).collect();
                if !of_kind.is_empty() {
                    let sum = of_kind.into_iter().map(pick).fold(0, u32::saturating_add);
                    gauge(&mut metric, &[named(unit), ("kind", kind.name().to_owned())], i64::from(sum))?;
                }
            }
        }
        Ok(())
    }

    fn limits(&mut self) -> fmt::Result {
        let help = "Memory limit in force.";
        let mut metric = self.encoder.encode_descriptor("unit_limit", help, BYTES, MetricType::Gauge)?;
        for unit in self.units {
            for (level, limit) in [("soft", unit.limits.mem_soft), ("hard", unit.limits.mem_hard)] {
                if let Some(Size::Absolute(bytes)) = limit {
                    gauge(&mut metric, &[named(unit), ("level", level.to_owned())], to_i64(bytes.0))?;
                }
            }
        }
        Ok(())
    }

    fn workers<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        of: Option<&Unit>,
        value: impl Fn(&ProcessStatus) -> Option<V>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, of, MetricType::Gauge)?;
        for unit in self.units {
            let workers = unit.processes.iter().filter(|process| process.role == "worker");
            for worker in workers.take(MAX_WORKERS) {
                let labels = [
                    named(unit),
                    ("pid", worker.sample.identity.pid.to_string()),
                    ("generation", worker.generation.to_string()),
                ];
                if let Some(value) = value(worker) {
                    gauge(&mut metric, &labels, value)?;
                }
            }
        }
        Ok(())
    }

    fn counts(&mut self) -> fmt::Result {
        self.counters("unit_starts", "Starts of the command.", None, &[("", |c| c.starts)])?;
        let causes: &[Counted] = &[
            ("crash", |c| c.crash_restarts),
            ("recycle", |c| c.recycle_restarts),
            ("limit", |c| c.limit_restarts),
        ];
        self.counters("unit_restarts", "Starts after the first, by cause.", Some("cause"), causes)?;
        let levels: &[Counted] = &[("soft", |c| c.soft_limits_crossed), ("hard", |c| c.hard_limits_crossed)];
        self.counters("unit_limit_crossings", "Limits crossed.", Some("level"), levels)?;
        let one: [(&str, &str, Count); 7] = [
            ("unit_workers_recycled", "Workers replaced.", |c| c.workers_recycled),
            ("unit_helpers_ended", "Helpers ended.", |c| c.helpers_ended),
            ("unit_oom_kills", "Processes ended by the kernel's OOM killer.", |c| c.oom_kills),
            ("unit_left_behind_ended", "Processes ended after their command had ended.", |c| {
                c.left_behind_ended
            }),
            ("unit_zombies_reaped", "Adopted zombies reaped.", |c| c.zombies_reaped),
            ("unit_events", "Events recorded.", |c| c.events),
            ("looks", "Looks at the tree.", |c| c.looks),
        ];
        one.iter().try_for_each(|&(name, help, count)| self.counters(name, help, None, &[("", count)]))
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: Option<&'static str>,
        counts: &[Counted],
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for unit in self.units {
            for (value, count) in counts {
                let extra = label.map(|label| (label, (*value).to_owned()));
                let labels: Vec<Label> = std::iter::once(named(unit)).chain(extra).collect();
                counter(&mut metric, &labels, count(&unit.counts))?;
            }
        }
        Ok(())
    }
}

fn named(unit: &UnitStatus) -> (&'static str, String) {
    ("unit", unit.record.unit.to_string())
}

pub(super) fn gauge<V: EncodeGaugeValue>(
    metric: &mut MetricEncoder,
    labels: &[Label],
    value: V,
) -> fmt::Result {
    ConstGauge::new(value).encode(metric.encode_family(&labels)?)
}

pub(super) fn counter<V: EncodeCounterValue>(
    metric: &mut MetricEncoder,
    labels: &[Label],
    value: V,
) -> fmt::Result {
    ConstCounter::new(value).encode(metric.encode_family(&labels)?)
}

pub(super) fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::metrics::fixture;

    #[test]
    fn the_page_is_what_the_units_answered() {
        let mut second = fixture::status("api");
        second.growth_bytes_per_second = None;
        second.processes.clear();
        let page = render(vec![fixture::status("web"), second], Format::OpenMetrics).unwrap();
        for line in [
            "# TYPE scupper_unit_memory_bytes gauge",
            "# UNIT scupper_unit_memory_bytes bytes",
            "scupper_unit_memory_bytes{unit=\"web\"} 314572800",
            "scupper_unit_limit_bytes{unit=\"web\",level=\"soft\"} 471859200",
            "scupper_unit_verdict{unit=\"web\",verdict=\"growing\"} 1",
            "scupper_unit_verdict{unit=\"web\",verdict=\"leaking\"} 0",
            "scupper_unit_leak_class{unit=\"web\",class=\"child_tree\"} 1",
            "scupper_unit_connections{unit=\"web\",state=\"close_wait\"} 14",
            "scupper_unit_helpers{unit=\"web\",kind=\"browser\"} 3",
            "scupper_unit_helpers_outliving{unit=\"web\",kind=\"browser\"} 2",
            "scupper_unit_slope_bytes_per_hour{unit=\"web\"} 1048576.0",
            "scupper_unit_time_to_limit_seconds{unit=\"web\"} 7200",
            "scupper_worker_memory_bytes{unit=\"web\",pid=\"4242\",generation=\"2\"} 209715200",
            "scupper_unit_restarts_total{unit=\"web\",cause=\"recycle\"} 2",
            "scupper_unit_limit_crossings_total{unit=\"web\",level=\"hard\"} 0",
            "scupper_unit_oom_kills_total{unit=\"api\"} 0",
            "scupper_looks_total{unit=\"web\"} 1000",
            "# EOF",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        for absent in
            ["level=\"hard\"} 4", "growth{unit=\"api\"", "sockets{unit", "worker_memory_bytes{unit=\"api\""]
        {
            assert!(!page.contains(absent), "{absent}\n{page}");
        }
    }

    #[test]
    fn workers_are_bounded() {
        let mut unit = fixture::status("web");
        unit.processes = vec![unit.processes[0].clone(); 200];
        let page = render(vec![unit], Format::OpenMetrics).unwrap();
        assert_eq!(page.matches("scupper_worker_memory_bytes{").count(), MAX_WORKERS);
    }

    #[test]
    fn readers_get_the_format_they_know() {
        for plain in [
            "",
            "*/*",
            "text/plain;version=0.0.4",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=1.0.0;q=0.000,text/plain",
            "application/openmetrics-text;q=x",
            "application/*",
        ] {
            assert_eq!(Format::accepted(plain), Format::Plain, "{plain}");
        }
        for open in [
            "application/openmetrics-text,text/plain;q=0.5",
            "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8; Q=0.1",
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1,application/openmetrics-text;version=1.0.0;q=0.6",
        ] {
            assert_eq!(Format::accepted(open), Format::OpenMetrics, "{open}");
        }
    }

    /// R052. Where the package `prometheus` is installed.
    #[test]
    fn r052_promtool_finds_nothing_to_say() {
        let mut promtool = Command::new("promtool");
        promtool
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Ok(mut promtool) = promtool.spawn() else { return };
        let page = render(vec![fixture::status("web"), fixture::status("api")], Format::Plain).unwrap();
        promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let answer = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
        assert!(answer.status.success() && said.is_empty(), "{said}\n{page}");
    }
}
