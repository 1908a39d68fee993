//! `ps`: the units that run. From their records and their own answers, evidence or not.

mod helpers;

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{
    Bytes, Class, Resource, SignalReason, Size, UnitPhase, UnitRecord, Watched, format_duration, printable,
};
use scupper_supervise::control::{ProcessStatus, SeriesStatus, Standing, UnitStatus};
use serde::Serialize;

use super::live::{self, Supervisor};
use crate::args::PsArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::{Printer, Table};
use crate::paths;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    units: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    unit: String,
    /// `answers`, `silent` or `gone`.
    supervisor: &'static str,
    message: Option<String>,
    phase: UnitPhase,
    record: UnitRecord,
    /// As it answered; `null` where it did not.
    status: Option<Box<UnitStatus>>,
}

pub(super) fn run(args: &PsArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let records = paths::records()?;
    let (mut found, any_bad) = live::list(&records, printer)?;
    if let Some(wanted) = &args.unit {
        if !found.iter().any(|record| wanted.matches(&record.unit)) {
            return Err(live::unknown(wanted, &found));
        }
        found.retain(|record| wanted.matches(&record.unit));
    }
    let units: Vec<Shown> =
        found.into_iter().map(|record| unit(live::look(&records, &record), record)).collect();
    let findings = any_bad || units.iter().any(|unit| unit.supervisor != "answers");
    if args.json {
        printer.json(&Report { schema: "scupper.ps/1", units })?;
    } else if units.is_empty() {
        printer.note("no units run; start one with `scupper run -- COMMAND`");
    } else {
        printer.line(&table(&units).to_string())?;
        if args.processes {
            for unit in units.iter().filter_map(|unit| unit.status.as_deref()) {
                printer.line(&format!("\n{}\n{}", unit.record.unit, processes(unit)))?;
                if let Some(table) = helpers::table(unit) {
                    printer.line(&format!("\n{table}"))?;
                }
            }
        }
        for unit in &units {
            unit.message.iter().for_each(|message| printer.note(&format!("{}: {message}", unit.unit)));
            let held =
                unit.held().map(|why| format!("held: {}; it stands still until it may act", why.describe()));
            if let Some(held) = held {
                printer.note(&format!("{}: {held}", unit.unit));
            }
            let why = unit.status.iter().flat_map(|status| why(status));
            why.for_each(|why| printer.note(&format!("{}: {why}", unit.unit)));
            let helpers = unit.status.iter().flat_map(|status| helpers::notes(status));
            helpers.for_each(|note| printer.note(&format!("{}: {note}", unit.unit)));
        }
    }
    Ok(if findings { FINDINGS } else { 0 })
}

impl Shown {
    /// Why its tree stands still, as far as it has answered.
    fn held(&self) -> Option<SignalReason> {
        self.status.as_ref().and_then(|status| status.held)
    }
}

fn unit(supervisor: Supervisor, record: UnitRecord) -> Shown {
    let (supervisor, message, status) = match supervisor {
        Supervisor::Answers(status) => ("answers", None, Some(status)),
        Supervisor::Silent(message) => ("silent", Some(message), None),
        Supervisor::Gone => {
            let message = "its scupper is gone; starting it again under this name cleans up after it";
            ("gone", Some(message.to_owned()), None)
        }
    };
    let phase = status.as_ref().map_or(record.phase, |status| status.phase);
    Shown { unit: record.unit.to_string(), supervisor, message, phase, record, status }
}

fn table(units: &[Shown]) -> Table {
    let mut table = Table::new(
        &["UNIT", "PHASE", "SIZE", "LIMIT", "VERDICT", "SLOPE", "TO-LIMIT", "PROCS", "RESTARTS", "UPTIME"],
        &["SIZE", "LIMIT", "SLOPE", "TO-LIMIT", "PROCS", "RESTARTS", "UPTIME"],
    );
    for unit in units {
        let phase = match unit.supervisor {
            "gone" => "supervisor gone".to_owned(),
            "silent" => "no answer".to_owned(),
            _ if unit.held().is_some() => "held".to_owned(),
            _ => word(unit.phase),
        };
        let status = unit.status.as_deref();
        let of = |show: &dyn Fn(&UnitStatus) -> Option<String>| status.and_then(show).unwrap_or_else(unknown);
        let limits = status.map_or(&unit.record.limits, |status| &status.limits);
        table.row(vec![
            unit.unit.clone(),
            phase,
            of(&|status| Some(status.size_bytes.to_string())),
            limits.mem_soft.or(limits.mem_hard).map_or_else(unknown, limit),
            of(&|status| verdict(&status.standing)),
            of(&|status| status.standing.slope_bytes_per_hour.map(slope)),
            of(&|status| to_limit(&status.standing)),
            of(&|status| Some(status.tree.processes.to_string())),
            of(&|status| Some(status.counts.starts.saturating_sub(1).to_string())),
            of(&|status| status.uptime_seconds.map(seconds)),
        ]);
    }
    table
}

fn processes(unit: &UnitStatus) -> Table {
    let mut table = Table::new(
        &[
            "PID",
            "ROLE",
            "GEN",
            "RSS",
            "GROWTH",
            "VERDICT",
            "SLOPE",
            "TO-LIMIT",
            "FDS",
            "CLOSE-WAIT",
            "THREADS",
            "COMMAND",
        ],
        &["PID", "GEN", "RSS", "GROWTH", "SLOPE", "TO-LIMIT", "FDS", "CLOSE-WAIT", "THREADS"],
    );
    for ProcessStatus { sample, role, connections, growth_bytes, standing, generation, command } in
        &unit.processes
    {
        let count = |n: Option<u64>| n.map_or_else(unknown, |n| n.to_string());
        let command = if command.is_empty() { &sample.name } else { command };
        table.row(vec![
            sample.identity.pid.to_string(),
            role.clone(),
            generation.to_string(),
            sample.rss_bytes.map_or_else(unknown, |rss| rss.to_string()),
            growth_bytes.map_or_else(unknown, signed),
            verdict(standing).unwrap_or_else(unknown),
            standing.slope_bytes_per_hour.map_or_else(unknown, slope),
            to_limit(standing).unwrap_or_else(unknown),
            count(sample.fds),
            count(connections.map(|connections| connections.close_wait)),
            count(sample.threads),
            printable(command.as_bytes(), 80),
        ]);
    }
    table
}

fn unknown() -> String {
    "-".to_owned()
}

fn word(phase: UnitPhase) -> String {
    serde_json::to_value(phase).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(unknown)
}

fn limit(size: Size) -> String {
    match size {
        Size::Absolute(bytes) => Resource::Memory.show(bytes.0),
        Size::Percent(_) => size.to_string(),
    }
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{}", Bytes(bytes.unsigned_abs()))
}

fn verdict(standing: &Standing) -> Option<String> {
    let word = standing.verdict?.to_string();
    Some(if standing.urgent { format!("{word}!") } else { word })
}

#[expect(clippy::cast_possible_truncation, reason = "rounded for display; saturates")]
fn slope(per_hour: f64) -> String {
    // Below 1 KiB an hour nothing is seen of it in a year.
    if per_hour.abs() < 1024.0 { "0".to_owned() } else { format!("{}/h", signed(per_hour as i64)) }
}

fn to_limit(standing: &Standing) -> Option<String> {
    Some(short(Duration::from_secs(standing.time_to_limit_seconds?)))
}

/// What grows, and why that is thought: one line for each series. What is thought of the tree for the very reasons for
/// which it is thought of one of its processes is said of that one.
fn why(unit: &UnitStatus) -> impl Iterator<Item = String> {
    let said = |series: &SeriesStatus| (series.series, series.judged.verdict, series.judged.reasons.clone());
    let processes: Vec<_> = unit.series.iter().filter(|series| series.target.is_some()).map(said).collect();
    let grows = unit.series.iter().filter(move |series| {
        series.judged.verdict >= Verdict::Growing
            && (series.target.is_some() || !processes.contains(&said(series)))
    });
    grows.map(|series| {
        let whose = match (&series.target, &series.name) {
            (Some(target), Some(name)) => format!(" of {name} ({target})"),
            _ => String::new(),
        };
        let reasons: Vec<&str> = series.judged.reasons.iter().map(|reason| reason.text.as_str()).collect();
        let because = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        let class = match series.judged.class {
            Class::Unknown | Class::NotALeak => String::new(),
            class => format!(" ({class})"),
        };
        // The table has the time that is left of memory alone.
        let left = series.judged.time_to_limit_seconds.filter(|_| series.series != Watched::Memory);
        let left = left.map_or_else(String::new, |left| {
            format!("; at its limit in {}", short(Duration::from_secs(left)))
        });
        format!("{}{whose} is {}{class}{because}{left}", series.series, series.judged.verdict)
    })
}

fn seconds(uptime: f64) -> String {
    short(Duration::from_secs(Duration::try_from_secs_f64(uptime).unwrap_or_default().as_secs()))
}

/// In its two largest units.
fn short(duration: Duration) -> String {
    let text = format_duration(duration);
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(seconds(93_784.9), "1day 2h");
        assert_eq!(seconds(0.4), "0s");
        assert_eq!(slope(2_097_152.0), "+2.0 MiB/h");
        assert_eq!(slope(-2_097_152.0), "-2.0 MiB/h");
        assert_eq!(slope(3.0), "0");
    }
}
