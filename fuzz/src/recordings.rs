//! Recordings: read in each format, judged, and read again from what was understood of them.

use std::fmt::Write as _;

use scupper_detect::{GrowRule, Horizon, Quantity, Settings, analyze};
use scupper_recording::{Format, Kind, Options, Recording, read};

/// The first byte chooses the format and the flags; the rest is the file.
pub fn recording(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let format = [None, Some(Format::Csv), Some(Format::JsonLines), Some(Format::Prometheus)];
    let options = Options {
        format: format[usize::from(first & 3)],
        time: (first & 4 != 0).then(|| "time".to_owned()),
        columns: if first & 8 == 0 { Vec::new() } else { vec!["heap".to_owned(), "fds".to_owned()] },
        quantity: (first & 16 != 0).then_some(Quantity::Count),
    };
    match read(text, &options) {
        Ok(recording) => {
            holds(&recording, &options);
            judged(&recording, first & 32 != 0);
            if first & 12 == 0 {
                survives(&recording);
            }
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains(char::is_control), "{said:?}");
            assert!(said.chars().count() < 4000, "{said:?}");
        }
    }
}

fn holds(recording: &Recording, options: &Options) {
    assert!(!recording.columns.is_empty());
    let rejected = &recording.rejected;
    assert!(rejected.first.len() <= rejected.count.min(scupper_recording::Rejections::MOST_LISTED));
    assert!(rejected.first.iter().all(|rejection| !rejection.to_string().contains(char::is_control)));
    for column in &recording.columns {
        assert!(!column.samples.is_empty());
        assert!(column.samples.iter().all(|sample| sample.value.is_finite() && sample.value >= 0.0));
        assert!(column.samples.windows(2).all(|pair| pair[0].at < pair[1].at));
        if recording.format != Format::Prometheus && !options.columns.is_empty() {
            assert!(options.columns.contains(&column.name));
        }
    }
    assert!(recording.columns.iter().any(|column| column.samples[0].at.is_zero()));
}

/// What the reader takes, the detector takes.
fn judged(recording: &Recording, short: bool) {
    for column in &recording.columns {
        let Kind::Level(quantity) = column.kind else { continue };
        let horizon = if short { Horizon::Short } else { Horizon::Long };
        let rule = GrowRule { by: 1e6, within: std::time::Duration::from_secs(60) };
        let grow = short.then_some(rule);
        let settings = Settings { quantity, horizon, limit: Some(1e9), grow };
        let analysis = analyze(settings, column.samples.iter().copied());
        assert_eq!(analysis.rejected_count, 0);
        let confidence = analysis.assessment.confidence;
        assert!(confidence.is_none_or(|confidence| (0.0..=1.0).contains(&confidence)));
        if let Some(slope) = analysis.assessment.slope {
            assert!(slope.per_hour.is_finite() && slope.low <= slope.high, "{slope:?}");
        }
        assert!(analysis.history.windows(2).all(|pair| pair[0].verdict != pair[1].verdict));
    }
}

/// Each column, written as CSV, is read as the same column.
fn survives(recording: &Recording) {
    for column in &recording.columns {
        let mut text = "seconds,\"rss_bytes\"\r\n".to_owned();
        for sample in &column.samples {
            writeln!(text, "{:?},{:?}", sample.at.as_secs_f64(), sample.value).expect("into memory");
        }
        let again = read(text.as_bytes(), &Options::default()).expect("it was read before");
        // Moments that are nearer to each other than the digits of a float become one.
        let samples = &again.columns[0].samples;
        assert_eq!(samples.len() + again.rejected.count, column.samples.len());
        let values = |samples: &[scupper_detect::Sample]| samples.iter().map(|s| s.value).collect::<Vec<_>>();
        if again.rejected.count == 0 {
            assert_eq!(values(samples), values(&column.samples));
        }
    }
}
