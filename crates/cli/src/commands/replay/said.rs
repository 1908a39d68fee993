//! What would have happened, as a person reads it: a line for each event in the words of `scupper events`, then the sum.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_detect::Quantity;
use scupper_model::{Resource, format_duration};
use scupper_supervise::replay::{Heights, Moment, ResourceFigures, Stopped, Timeline};

use super::Clock;
use crate::output::figures::{amount, span};
use crate::output::log_fact;

/// `2026-11-01T10:00:00.000Z +1h28m30s event=...`, or `5310s` for a clock of the recording's own.
pub(super) fn moment(moment: &Moment, clock: Clock) -> String {
    let reading = clock
        .timestamp(moment.at)
        .map_or_else(|| format!("{}s", seconds(clock.reading(moment.at))), |timestamp| timestamp.to_string());
    let since = format_duration(moment.at).replace(' ', "");
    format!("{reading} +{since} {}", log_fact(&moment.kind))
}

/// Without a fraction that says nothing.
fn seconds(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn summary(timeline: &Timeline, lasts: Duration) -> String {
    let figures = &timeline.figures;
    let mut out = String::from("\n");
    if timeline.more > 0 {
        let _ = writeln!(out, "and {} more events", timeline.more);
    }
    let _ = writeln!(out, "replayed: {} of {}{}", span(figures.replayed), span(lasts), why(timeline.stopped));
    let _ = writeln!(out, "done: {}", done(timeline));
    for resource in figures.resources.iter().filter(|of| is_told(of)) {
        let _ = writeln!(out, "{}: {}", resource.resource, heights(resource));
    }
    let at =
        |time: Option<Duration>| time.map_or_else(|| "never".to_owned(), |time| format!("at {}", span(time)));
    let _ = writeln!(
        out,
        "first warning: {}, first urgent: {}, first leaking: {}",
        at(figures.first_warning),
        at(figures.first_urgent),
        figures
            .first_leaking
            .map_or_else(|| "never".to_owned(), |(time, series)| format!("{} ({series})", at(Some(time))))
    );
    if let Some(verdict) = figures.standing.verdict {
        let left = figures.standing.time_to_limit_seconds.map(Duration::from_secs);
        let left = left.map_or_else(String::new, |left| format!(", its limit in {}", span(left)));
        let _ = writeln!(out, "in the end: {verdict}{left}");
    }
    out
}

fn why(stopped: Stopped) -> String {
    match stopped {
        Stopped::Recording => String::new(),
        Stopped::Unit(code) => format!("; then the unit would have ended with exit code {code}"),
        Stopped::FirstSignal => "; what comes after the first signal was not asked for".to_owned(),
        Stopped::TooMuch => {
            "; more would have happened than is replayed: replay a shorter stretch".to_owned()
        }
    }
}

fn done(timeline: &Timeline) -> String {
    let figures = &timeline.figures;
    if figures.terms + figures.kills == 0 {
        return "nothing".to_owned();
    }
    let mut parts = vec![
        format!("{} TERM, {} KILL", figures.terms, figures.kills),
        format!(
            "{} recycled, {} started after a hard limit",
            figures.recycle_restarts, figures.limit_restarts
        ),
    ];
    if figures.gave_up > 0 {
        parts.push(format!("restart budget spent {} times", figures.gave_up));
    }
    if !figures.down.is_zero() {
        parts.push(format!("down for {}", span(figures.down)));
    }
    parts.join("; ")
}

/// Memory always; a count where it is limited.
fn is_told(figures: &ResourceFigures) -> bool {
    figures.resource == Resource::Memory || figures.bound.soft.or(figures.bound.hard).is_some()
}

/// `peak 512 MiB recorded, 151 MiB replayed; above soft 150 MiB for 2 h recorded, 1 s replayed; ...`.
fn heights(figures: &ResourceFigures) -> String {
    let quantity = if figures.resource == Resource::Memory { Quantity::Bytes } else { Quantity::Count };
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    let shown = |value: u64| amount(quantity, value as f64);
    let both = |of: &dyn Fn(&Heights) -> String| {
        format!("{} recorded, {} replayed", of(&figures.recorded), of(&figures.replayed))
    };
    let mut parts = vec![format!("peak {}", both(&|of| of.peak.map_or_else(|| "unknown".to_owned(), shown)))];
    if let Some(soft) = figures.bound.soft {
        parts.push(format!("above soft {} for {}", shown(soft), both(&|of| span(of.above_soft))));
    }
    if let Some(hard) = figures.bound.hard {
        let crossed = |of: &Heights| {
            of.hard_crossed_at.map_or_else(|| "never".to_owned(), |at| format!("at {}", span(at)))
        };
        parts.push(format!("above hard {} {}", shown(hard), both(&crossed)));
    }
    parts.join("; ")
}
