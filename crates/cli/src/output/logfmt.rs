//! Events as log lines: `scupper: at=... unit=web event=limit_crossed level=soft value=450.2MiB`.
//!
//! The line is derived from the event's own JSON, so that a new event or field needs nothing here; what a key ends in
//! says how its value is shown. ASCII only, one line each, whatever a process calls itself.

use std::fmt::Write;

use scupper_model::{Bytes, Event, format_duration};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::LogFormat;

/// An event as one `key=value` line.
pub(crate) fn log_line(event: &Event) -> String {
    format!("scupper:{}", shown(event))
}

/// The same of what happened alone, where others say when and to whom.
pub(crate) fn log_fact(what: &impl Serialize) -> String {
    shown(what).trim_start().to_owned()
}

fn shown(data: &impl Serialize) -> String {
    let mut line = String::new();
    if let Ok(Value::Object(mut fields)) = serde_json::to_value(data) {
        for constant in ["schema", "id", "run"] {
            fields.shift_remove(constant);
        }
        // A soak's slope is of memory, whatever else it speaks of.
        let memory = fields.contains_key("slope_bytes_per_hour")
            || ["resource", "series"].iter().any(|key| fields.get(*key).is_some_and(|of| of == "memory"));
        add_fields(&mut line, "", &fields, memory);
    }
    line
}

/// An event as one line of JSON in ASCII.
pub(crate) fn ascii_json(event: &Event) -> String {
    escape_non_ascii(&serde_json::to_string(event).unwrap_or_default())
}

/// A remark of the program itself that is no event of a unit, as one line like the others.
pub(crate) fn remark(format: LogFormat, event: &str, message: &str) -> String {
    match format {
        LogFormat::Text => format!("scupper: event={event} message={}", quoted(message)),
        LogFormat::Json => {
            escape_non_ascii(&serde_json::json!({ "event": event, "message": message }).to_string())
        }
    }
}

fn add_fields(line: &mut String, prefix: &str, fields: &Map<String, Value>, memory: bool) {
    for (key, value) in fields {
        match value {
            Value::Null => {}
            // An identity is its pid to a person; the rest of it is in the evidence.
            Value::Object(inner) if inner.contains_key("start_time") && !inner.contains_key("how") => {
                let pid = inner.get("pid").map(ToString::to_string).unwrap_or_default();
                let _ = write!(line, " {prefix}{key}={pid}");
            }
            Value::Object(inner) if key == "certificate" => add_fields(line, prefix, inner, memory),
            Value::Object(inner) => add_fields(line, &format!("{prefix}{key}."), inner, memory),
            _ if matches!(key.as_str(), "start_time" | "boot_id" | "last_lines" | "last_gcs") => {}
            value => {
                let (key, text) = show(key, value, memory);
                let _ = write!(line, " {prefix}{key}={}", quoted(&text));
            }
        }
    }
}

/// A value as a person reads it, under a key without its unit.
fn show<'k>(key: &'k str, value: &Value, memory: bool) -> (&'k str, String) {
    let amount = |bytes: u64| Bytes(bytes).to_string().replace(' ', "");
    let whole = value.as_u64();
    if let (Some(name), Some(bytes)) = (key.strip_suffix("_bytes"), value.as_i64()) {
        let sign = if bytes < 0 { "-" } else { "" };
        return (name, format!("{sign}{}", amount(bytes.unsigned_abs())));
    }
    if let (Some(name), Some(millis)) = (key.strip_suffix("_ms"), whole) {
        let text = format_duration(std::time::Duration::from_millis(millis));
        return (name, text.replace(' ', ""));
    }
    if let (Some(name), Some(seconds)) = (key.strip_suffix("_seconds"), whole) {
        let text = format_duration(std::time::Duration::from_secs(seconds));
        return (name, text.replace(' ', ""));
    }
    if key == "slope_bytes_per_hour" {
        return ("slope_per_hour", format!("{}/h", rate(value)));
    }
    let text = match (key, value) {
        ("value" | "limit" | "culprit_value", _) if memory && whole.is_some() => {
            amount(whole.unwrap_or_default())
        }
        ("growth_per_second", _) if memory => format!("{}/s", rate(value)),
        ("slope_per_hour", _) if memory => format!("{}/h", rate(value)),
        ("slope_interval", Value::Array(ends)) if memory => {
            ends.iter().map(|end| format!("{}/h", rate(end))).collect::<Vec<_>>().join("..")
        }
        ("reasons", Value::Array(reasons)) => {
            let texts = reasons.iter().filter_map(|reason| reason.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("; ")
        }
        ("signal", _) => signal_name(value),
        (_, Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        _ => plain(value),
    };
    (key, text)
}

/// Bytes of a rate, with the sign of a fall.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded for display; saturates")]
fn rate(value: &Value) -> String {
    let rate = value.as_f64().unwrap_or_default();
    let sign = if rate < 0.0 { "-" } else { "" };
    format!("{sign}{}", Bytes(rate.abs() as u64).to_string().replace(' ', ""))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn signal_name(value: &Value) -> String {
    let name = match value.as_i64() {
        Some(1) => "HUP",
        Some(2) => "INT",
        Some(3) => "QUIT",
        Some(4) => "ILL",
        Some(6) => "ABRT",
        Some(7) => "BUS",
        Some(8) => "FPE",
        Some(9) => "KILL",
        Some(10) => "USR1",
        Some(11) => "SEGV",
        Some(12) => "USR2",
        Some(13) => "PIPE",
        Some(14) => "ALRM",
        Some(15) => "TERM",
        Some(18) => "CONT",
        Some(19) => "STOP",
        Some(20) => "TSTP",
        Some(24) => "XCPU",
        Some(25) => "XFSZ",
        Some(28) => "WINCH",
        Some(31) => "SYS",
        _ => return plain(value),
    };
    name.to_owned()
}

/// The text, quoted as JSON where it would not stand as one word.
fn quoted(text: &str) -> String {
    let word =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\'));
    if word { text.to_owned() } else { escape_non_ascii(&Value::from(text).to_string()) }
}

/// JSON text in ASCII: what is beyond it can only stand inside strings, where `\uXXXX` means the same.
fn escape_non_ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\x7f' {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scupper_detect::{Reason, Verdict};
    use scupper_model::{
        Certificate, EVENT_SCHEMA, EndedBy, EventKind, HowEnded, Identity, Judged, LimitLevel, Pid, Resource,
        RunId, SignalReason, StartTime, Timestamp, Watched,
    };

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            id: uuid::Uuid::nil(),
            at: Timestamp(0),
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind,
        }
    }

    fn identity() -> Identity {
        Identity {
            pid: Pid::new(4242).unwrap(),
            start_time: StartTime(7),
            boot_id: "6f6b0a4e-4c1f-4b8e-9c57-0d4c8f1f8f10".parse().unwrap(),
        }
    }

    #[test]
    fn a_limit_is_told_in_units_people_use() {
        let crossed = EventKind::LimitCrossed {
            resource: Resource::Memory,
            level: LimitLevel::Soft,
            value: 472_066_458,
            limit: 450 << 20,
            culprit: Some(identity()),
            culprit_name: Some("gunicorn: worker [app]".into()),
            culprit_value: Some(300 << 20),
            growth_per_second: Some(2_097_152.5),
            action: "recycle".into(),
        };
        assert_eq!(
            log_line(&event(crossed)),
            "scupper: at=1970-01-01T00:00:00.000Z unit=web event=limit_crossed resource=memory level=soft \
             value=450.2MiB limit=450.0MiB culprit=4242 culprit_name=\"gunicorn: worker [app]\" \
             culprit_value=300.0MiB growth_per_second=2.0MiB/s action=recycle"
        );
    }

    #[test]
    fn a_leak_is_told_in_units_people_use() {
        let judged = Judged {
            verdict: Verdict::Leaking,
            confidence: Some(0.93),
            slope_per_hour: Some(12_582_912.4),
            slope_interval: Some((-1024.0, 13_631_488.0)),
            time_to_limit_seconds: Some(7384),
            urgent: true,
            reasons: vec![
                Reason { tag: "rising_floor".into(), text: "the floor rose by 30 MiB".into() },
                Reason { tag: "no_flat_tail".into(), text: "and goes on".into() },
            ],
            ..Judged::default()
        };
        let changed = EventKind::VerdictChanged {
            series: Watched::Memory,
            target: Some(identity()),
            name: Some("gunicorn".into()),
            value: 300 << 20,
            previous: Verdict::Growing,
            judged: Box::new(judged),
        };
        assert_eq!(
            log_line(&event(changed)),
            "scupper: at=1970-01-01T00:00:00.000Z unit=web event=verdict_changed series=memory target=4242 \
             name=gunicorn value=300.0MiB previous=growing verdict=leaking confidence=0.93 \
             slope_per_hour=12.0MiB/h slope_interval=-1.0KiB/h..13.0MiB/h time_to_limit=2h3m4s urgent=true class=unknown \
             reasons=\"the floor rose by 30 MiB; and goes on\""
        );
    }

    #[test]
    fn the_slope_of_a_soak_is_told_as_that_of_a_verdict() {
        let soak = serde_json::json!({ "slope_bytes_per_hour": 12_582_912.4, "slope_interval": [-1024.0, 13_631_488.0] });
        assert_eq!(log_fact(&soak), "slope_per_hour=12.0MiB/h slope_interval=-1.0KiB/h..13.0MiB/h");
    }

    #[test]
    fn a_death_is_one_line() {
        let certificate = Box::new(Certificate {
            identity: identity(),
            name: "node\n\u{1f480}=\"x\"".into(),
            role: "main".into(),
            how: HowEnded::Signaled { signal: 9, core_dumped: false },
            by: EndedBy::Scupper { reason: SignalReason::HardLimit },
            lived: Duration::from_secs(90),
            last_rss_bytes: Some(Bytes::mib(3500)),
            peak_rss_bytes: None,
            growth_bytes: Some(-1024),
            heap_limit_bytes: None,
            fatal: None,
            last_lines: vec!["a".into()],
        });
        let line = log_line(&event(EventKind::UnitExited { certificate }));
        assert_eq!(
            line,
            "scupper: at=1970-01-01T00:00:00.000Z unit=web event=unit_exited pid=4242 \
             name=\"node\\n\\ud83d\\udc80=\\\"x\\\"\" role=main how=signaled signal=KILL core_dumped=false \
             by=scupper reason=hard_limit lived=\"1m 30s\" last_rss=3.4GiB growth=-1.0KiB"
        );
        assert!(line.is_ascii());
    }

    #[test]
    fn json_is_ascii_and_reads_back() {
        let trouble = event(EventKind::Trouble { message: "\u{fc}ber \u{1f480} \n".into() });
        let line = ascii_json(&trouble);
        assert!(line.is_ascii() && !line.contains('\n'));
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), trouble);
    }
}
