//! What holds for every input: no panic, and what was written is what is read.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use scupper_detect::Quantity;
use scupper_recording::{Format, Options, Recording, read};

use crate::columns;

const NAMES: [&str; 3] = ["rss_bytes", "fds", "requests"];

/// Milliseconds since the sample before, and a value for each column, where it has one.
type Look = (u32, [Option<f64>; 3]);

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let value = prop_oneof![
        2 => Just(None),
        4 => (0_u64..=u64::MAX).prop_map(|n| Some(n as f64)),
        4 => (0.0_f64..1e9).prop_map(Some),
        1 => Just(Some(1e24)),
    ];
    prop::collection::vec((1_u32..1_000_000_000, prop::array::uniform3(value)), 1..60)
}

fn milliseconds(looks: &[Look], origin: u64) -> Vec<u64> {
    let mut at = origin;
    looks
        .iter()
        .map(|(passed, _)| {
            at += u64::from(*passed);
            at
        })
        .collect()
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

fn csv(looks: &[Look], times: &[u64]) -> String {
    let mut text = format!("seconds,{}\n", NAMES.join(","));
    for ((_, values), at) in looks.iter().zip(times) {
        let cells = values.map(|value| value.map(|value| value.to_string()).unwrap_or_default());
        writeln!(text, "{},{}", seconds(*at), cells.join(",")).unwrap();
    }
    text
}

fn objects(looks: &[Look], times: &[u64]) -> Vec<String> {
    let object = |((_, values), at): (&Look, &u64)| {
        let mut text = format!("{{\"seconds\":{}", seconds(*at));
        for (name, value) in NAMES.iter().zip(values) {
            match value {
                Some(value) => write!(text, ",\"{name}\":\"{value}\"").unwrap(),
                None => write!(text, ",\"{name}\":null").unwrap(),
            }
        }
        text + "}"
    };
    looks.iter().zip(times).map(object).collect()
}

fn prometheus(looks: &[Look], times: &[u64]) -> String {
    let series = |n: usize| {
        let values = looks
            .iter()
            .zip(times)
            .filter_map(|((_, values), at)| values[n].map(|value| format!("[{},\"{value}\"]", seconds(*at))));
        let values: Vec<String> = values.collect();
        format!(r#"{{"metric":{{"__name__":"{}"}},"values":[{}]}}"#, NAMES[n], values.join(","))
    };
    let all: Vec<String> = (0..NAMES.len()).map(series).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, all.join(","))
}

fn check(recording: &Recording) {
    assert!(!recording.columns.is_empty() && recording.samples() > 0);
    assert!(recording.columns.iter().any(|column| column.samples[0].at == Duration::ZERO));
    for column in &recording.columns {
        assert!(column.samples.iter().all(|sample| sample.value.is_finite() && sample.value >= 0.0));
        assert!(column.samples.windows(2).all(|pair| pair[0].at < pair[1].at));
    }
    assert!(recording.rejected.first.len() <= recording.rejected.count);
}

/// Pieces that recordings are made of, put together at random: nearer to the readers than bytes are.
fn almost() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("seconds,rss_bytes,fds\n".to_owned()),
        Just("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[".to_owned()),
        Just("{\"metric\":{\"__name__\":\"fds\"},\"values\":[".to_owned()),
        Just("{\"seconds\":1,\"rss_bytes\":".to_owned()),
        Just("NaN".to_owned()),
        Just("\u{feff}".to_owned()),
        "[\\[\\]{},:;\"\r\n\t]{1,4}",
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?(e[0-9]{1,3})?",
        any::<f64>().prop_map(|n| n.to_string()),
        ".{0,5}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn options() -> impl Strategy<Value = Options> {
    let format =
        prop::option::of(prop::sample::select(vec![Format::Csv, Format::JsonLines, Format::Prometheus]));
    let columns =
        prop::collection::vec(prop::sample::select(vec!["fds".to_owned(), "heap".to_owned()]), 0..2);
    (format, columns, any::<bool>()).prop_map(|(format, columns, other)| Options {
        format,
        time: other.then(|| "fds".to_owned()),
        columns,
        quantity: other.then_some(Quantity::Percent),
    })
}

proptest! {
    #[test]
    fn every_format_gives_the_same_columns(looks in looks(), origin in prop_oneof![Just(0_u64), Just(1_700_000_000_000)]) {
        prop_assume!(looks.iter().any(|(_, values)| values.iter().any(Option::is_some)));
        let times = milliseconds(&looks, origin);
        let objects = objects(&looks, &times);
        let mut all = Vec::new();
        for text in [
            csv(&looks, &times),
            csv(&looks, &times).replace('\n', "\r\n"),
            objects.join("\n"),
            format!("[{}]", objects.join(",")),
            prometheus(&looks, &times),
        ] {
            let recording = read(text.as_bytes(), &Options::default()).unwrap();
            check(&recording);
            prop_assert_eq!(recording.rejected.count, 0);
            all.push(recording);
        }
        let expected: Vec<Vec<f64>> = (0..NAMES.len())
            .map(|n| looks.iter().filter_map(|(_, values)| values[n]).collect::<Vec<f64>>())
            .filter(|values| !values.is_empty())
            .collect();
        for recording in &all {
            prop_assert_eq!(&recording.columns, &all[0].columns);
            let values: Vec<Vec<f64>> = columns(recording)
                .into_iter()
                .map(|(_, samples)| samples.into_iter().map(|(_, value)| value).collect())
                .collect();
            prop_assert_eq!(&values, &expected);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), options in options()) {
        if let Ok(recording) = read(bytes.as_slice(), &options) {
            check(&recording);
        }
    }

    #[test]
    fn nothing_near_a_recording_panics(text in almost(), options in options()) {
        match read(text.as_bytes(), &options) {
            Ok(recording) => check(&recording),
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{}", error),
        }
    }
}
