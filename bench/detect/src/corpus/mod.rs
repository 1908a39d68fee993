//! Runs of about two minutes of real programs in several languages, recorded once and kept: leaking ones and others that
//! only look so for a while. Every resource of a program is judged, and the worst verdict is that of the program, as it is
//! where a test run is watched.

mod rules;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use scupper_detect::{Horizon, Quantity, Settings, Verdict, analyze_counted};
use scupper_recording::{Kind, Recording};

use self::rules::{RULES, Rule, after_the_start};
use crate::recording;
use crate::statistics::wilson;
use crate::synthetic::Point;
use crate::table::Table;

const SETS: [&str; 2] = ["tuning", "heldout"];

/// A line of a manifest.
#[derive(Debug, PartialEq)]
struct Program {
    name: String,
    leaks: bool,
    resource: String,
}

/// What was said of a program.
struct Judged {
    program: Program,
    verdict: Verdict,
    column: String,
    since: Option<Duration>,
    /// Whether it was called a leak at any moment of the run, also if that was taken back.
    ever: bool,
    /// Other columns that are no better than growing.
    also: Vec<String>,
    /// What the rules of others say of the whole run, and of the run without its start.
    others: [Called; 2],
}

type Called = [bool; RULES.len()];

/// What of the corpus is judged, and how it is told.
pub struct Request<'a> {
    /// The folder with the manifests and the recordings.
    pub folder: &'a Path,
    /// One set only.
    pub set: Option<&'a str>,
    /// The detector is also told how many requests were served.
    pub operations: bool,
    /// Every program, not only the totals.
    pub list: bool,
    /// Tables as Markdown.
    pub markdown: bool,
}

/// Judges every recording that is there.
pub fn run(out: &mut dyn Write, request: &Request) -> Result<()> {
    let &Request { folder, set: only, operations, list, markdown } = request;
    for set in SETS.into_iter().filter(|set| only.is_none_or(|only| only == *set)) {
        let manifest = folder.join(set).join("manifest.csv");
        if !manifest.is_file() {
            writeln!(out, "{set}: no manifest ({}), skipped", manifest.display())?;
            continue;
        }
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("read the manifest {}", manifest.display()))?;
        let mut judged = Vec::new();
        let mut absent = Vec::new();
        for program in parse(&text).with_context(|| format!("read the manifest {}", manifest.display()))? {
            let file = folder.join("recordings").join(set).join(format!("{}.csv.gz", program.name));
            if file.is_file() {
                judged.push(judge(program, &recording::read(&file, None)?, operations));
            } else {
                absent.push(program.name);
            }
        }
        writeln!(out, "{set}: {} programs", judged.len())?;
        if !absent.is_empty() {
            let some = absent.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            writeln!(out, "not recorded: {} ({some} ...)", absent.len())?;
        }
        writeln!(out)?;
        if judged.is_empty() {
            continue;
        }
        if list {
            rows(out, &judged, markdown)?;
        }
        totals(out, &judged, markdown)?;
    }
    Ok(())
}

/// The first three columns of a manifest are plain words; what follows them is for people and for the recorder.
fn parse(manifest: &str) -> Result<Vec<Program>> {
    let mut lines = manifest.lines();
    let head = lines.next().context("it is empty")?;
    if !head.starts_with("name,label,resource") {
        bail!("its columns do not begin with name, label and resource: {head}");
    }
    let program = |line: &str| {
        let mut cells = line.splitn(4, ',').map(str::to_owned);
        let (Some(name), Some(label), Some(resource)) = (cells.next(), cells.next(), cells.next()) else {
            bail!("not a program: {line}");
        };
        let leaks = match label.as_str() {
            "leak" => true,
            "clean" => false,
            other => bail!("{name}: a label is leak or clean, not {other:?}"),
        };
        Ok(Program { name, leaks, resource })
    };
    lines.filter(|line| !line.is_empty()).map(program).collect()
}

/// Requests and CPU seconds are counters: they grow by what they are.
fn judge(program: Program, recording: &Recording, operations: bool) -> Judged {
    let mut judged = Judged {
        program,
        verdict: Verdict::Stable,
        column: String::new(),
        since: None,
        ever: false,
        also: Vec::new(),
        others: [[false; RULES.len()]; 2],
    };
    let requests = if operations { recording.requests() } else { &[] };
    for column in &recording.columns {
        let Kind::Level(quantity) = column.kind else { continue };
        let settings = Settings { quantity, horizon: Horizon::Short, ..Settings::default() };
        let analysis = analyze_counted(settings, column.counted(requests));
        judged.ever |= analysis.history.iter().any(|change| change.verdict == Verdict::Leaking);
        let verdict = analysis.assessment.verdict;
        if verdict > judged.verdict || judged.column.is_empty() {
            (judged.verdict, judged.column) = (verdict, column.name.clone());
            judged.since = analysis.history.last().map(|change| change.at);
        }
        if verdict >= Verdict::Growing {
            judged.also.push(format!("{} {verdict}", column.name));
        }
        if column.name != "rss_bytes" && column.name != "rss_anon_bytes" {
            let points = recording::points(&column.samples);
            let [whole, later] = &mut judged.others;
            others(whole, &points, quantity);
            others(later, after_the_start(&points), quantity);
        }
    }
    judged
}

/// Memory is that of the tree for the rules of others, so that they are not asked three times about the same bytes.
fn others(called: &mut Called, points: &[Point], quantity: Quantity) {
    for (called, rule) in called.iter_mut().zip(&RULES) {
        *called |= (quantity == Quantity::Bytes || !rule.memory_only) && (rule.calls)(points);
    }
}

fn rows(out: &mut dyn Write, judged: &[Judged], markdown: bool) -> Result<()> {
    let mut table = Table::new(&["program", "label", "resource", "verdict", "", "column", "since s", "also"]);
    for one in judged {
        let wrong = one.program.leaks != (one.verdict == Verdict::Leaking);
        table.row([
            one.program.name.clone(),
            if one.program.leaks { "leak" } else { "clean" }.into(),
            one.program.resource.clone(),
            one.verdict.to_string(),
            if wrong { "wrong" } else { "" }.into(),
            one.column.clone(),
            one.since.map_or_else(String::new, |since| since.as_secs().to_string()),
            one.also.join("; "),
        ]);
    }
    table.write(out, markdown)
}

fn totals(out: &mut dyn Write, judged: &[Judged], markdown: bool) -> Result<()> {
    let mut table = Table::new(&["rule", "leaks called", "95 %", "false alarms", "95 %"]);
    let mut row = |name: &str, calls: &dyn Fn(&Judged) -> bool| {
        let called = |leaks: bool| {
            let of = judged.iter().filter(|one| one.program.leaks == leaks);
            let (k, n) = (of.clone().filter(|one| calls(one)).count(), of.count());
            let (low, high) = wilson(k, n);
            [format!("{k} of {n}"), format!("{low:.2} to {high:.2}")]
        };
        table.row(std::iter::once(name.to_string()).chain(called(true)).chain(called(false)));
    };
    row("ours: leaking", &|one| one.verdict == Verdict::Leaking);
    row("ours: leaking at some moment", &|one| one.ever);
    row("ours: growing or leaking", &|one| one.verdict >= Verdict::Growing);
    for (place, Rule { name, .. }) in RULES.iter().enumerate() {
        row(name, &|one| one.others[0][place]);
        row(&format!("{name}; not the first fifth"), &|one| one.others[1][place]);
    }
    table.write(out, markdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read() {
        let text =
            "name,label,resource,language,what,command\na,leak,memory,c,\"x, y\",cmd\nb,clean,fds,c,z,cmd\n";
        let programs = parse(text).unwrap();
        assert_eq!(programs[0], Program { name: "a".into(), leaks: true, resource: "memory".into() });
        assert!(!programs[1].leaks);
        assert!(parse("name,label,resource\na,maybe,fds\n").is_err());
    }

    #[test]
    fn rules_in_megabytes_are_not_asked_about_descriptors() {
        let points: Vec<Point> =
            (0..99).map(|second| Point { at: f64::from(second), value: f64::from(second) * 1e7 }).collect();
        let mut called = [false; RULES.len()];
        others(&mut called, &points, Quantity::Count);
        assert_eq!(called, [false, false, true, true]);
    }
}
