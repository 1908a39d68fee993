//! Which columns of a recording hold what a unit's policy is about.

use scupper_detect::{Quantity, Sample};
use scupper_recording::{Column, Kind, Recording};
use scupper_supervise::replay::Recorded;

/// The numbers of the recording, or why they cannot be told apart.
pub(super) fn choose(recording: &Recording) -> Result<Recorded<'_>, String> {
    let columns = &recording.columns;
    let count = |name, endings| named(columns, name, endings, Kind::Level(Quantity::Count));
    let recorded = Recorded {
        memory: memory(columns)?,
        descriptors: count("fds", &["open_fds"])?,
        threads: count("threads", &["_threads"])?,
        children: count("children", &["_children"])?,
        sockets: count("sockets", &["_sockets"])?,
        zombies: count("zombies", &["_zombies"])?,
        cpu_seconds: named(columns, "cpu_seconds", &["cpu_seconds_total"], Kind::Counter)?,
    };
    if recorded.samples() == recorded.cpu_seconds.len() + recorded.zombies.len() {
        return Err("it has no column of memory, descriptors, threads, children or sockets; name one with \
                    --column"
            .to_owned());
    }
    Ok(recorded)
}

/// The tree's memory, else the process', else the one column that there is of bytes.
fn memory(columns: &[Column]) -> Result<&[Sample], String> {
    let known = |name| columns.iter().find(|column| column.name == name);
    if let Some(column) = known("tree_rss_bytes").or_else(|| known("rss_bytes")) {
        return Ok(&column.samples);
    }
    let of_bytes: Vec<&Column> =
        columns.iter().filter(|column| column.kind == Kind::Level(Quantity::Bytes)).collect();
    only(&of_bytes, "memory")
}

/// The column of this name, else the one whose metric ends like this.
fn named<'r>(
    columns: &'r [Column],
    name: &str,
    endings: &[&str],
    kind: Kind,
) -> Result<&'r [Sample], String> {
    if let Some(column) = columns.iter().find(|column| column.name == name) {
        return Ok(&column.samples);
    }
    // Of a series `process_open_fds{instance="a"}` the metric.
    let metric = |column: &Column| column.name.split('{').next().unwrap_or_default().to_owned();
    let ends = |column: &&Column| endings.iter().any(|ending| metric(column).ends_with(ending));
    let found: Vec<&Column> = columns.iter().filter(|column| column.kind == kind).filter(ends).collect();
    only(&found, name)
}

fn only<'r>(found: &[&'r Column], what: &str) -> Result<&'r [Sample], String> {
    match found {
        [] => Ok(&[]),
        [column] => Ok(&column.samples),
        [first, second, ..] => Err(format!(
            "which of {} series is the unit's {what} cannot be known: `{}` or `{}`? Name it with --column",
            found.len(),
            scupper_model::printable(first.name.as_bytes(), 100),
            scupper_model::printable(second.name.as_bytes(), 100),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scupper_recording::{Format, Rejections};

    use super::*;

    /// The how many-th column it is.
    fn place(samples: &[Sample]) -> u32 {
        (0..100).find(|place| (f64::from(*place) - samples[0].value).abs() < 0.5).unwrap()
    }

    fn recording(columns: &[(&str, Kind)]) -> Recording {
        let column = |(value, (name, kind)): (u32, &(&str, Kind))| Column {
            name: (*name).to_owned(),
            kind: *kind,
            samples: vec![Sample { at: Duration::ZERO, value: value.into() }],
        };
        Recording {
            format: Format::Csv,
            origin: Duration::ZERO,
            columns: (0..).zip(columns).map(column).collect(),
            rejected: Rejections::default(),
        }
    }

    const BYTES: Kind = Kind::Level(Quantity::Bytes);
    const COUNT: Kind = Kind::Level(Quantity::Count);

    #[test]
    fn the_tree_wins_over_its_main_process() {
        let both = recording(&[("rss_bytes", BYTES), ("rss_anon_bytes", BYTES), ("tree_rss_bytes", BYTES)]);
        let chosen = |recording| place(choose(recording).unwrap().memory);
        assert_eq!(chosen(&both), 2);
        let main = recording(&[("rss_anon_bytes", BYTES), ("rss_bytes", BYTES)]);
        assert_eq!(chosen(&main), 1);
    }

    #[test]
    fn series_of_prometheus_are_known_by_their_metric() {
        let scraped = recording(&[
            ("process_resident_memory_bytes{job=\"web\"}", BYTES),
            ("process_open_fds{job=\"web\"}", COUNT),
            ("process_max_fds{job=\"web\"}", COUNT),
            ("process_cpu_seconds_total{job=\"web\"}", Kind::Counter),
        ]);
        let recorded = choose(&scraped).unwrap();
        let places = [recorded.memory, recorded.descriptors, recorded.cpu_seconds].map(place);
        assert_eq!(places, [0, 1, 3]);
        let two = recording(&[("rss{pod=\"a\"}", BYTES), ("rss{pod=\"b\"}", BYTES)]);
        let said = choose(&two).unwrap_err();
        assert!(said.contains("`rss{pod=\"a\"}` or `rss{pod=\"b\"}`? Name it with --column"), "{said}");
    }

    #[test]
    fn processor_time_alone_is_nothing_to_replay() {
        assert!(choose(&recording(&[("cpu_seconds", Kind::Counter)])).is_err());
        assert!(choose(&recording(&[("fds", COUNT)])).is_ok());
    }
}
