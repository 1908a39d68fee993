//! The answer of a Prometheus range query (`/api/v1/query_range`), or its `data` alone. Samples are taken as the parser
//! comes to them: the document as a whole is never in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cell::{Cell, Role};
use crate::collect::{Collector, Row};
use crate::error::shown;
use crate::json::any_other;
use crate::{Format, Kind, Options, Place, Recording, Unreadable, Why};

/// So many names are remembered, to say what there is.
const MOST_NAMES: usize = 64;

pub(crate) fn read(input: impl BufRead, options: &Options) -> Result<Recording, Unreadable> {
    let mut reader = Reader {
        options,
        collector: Collector::new(Format::Prometheus),
        answer: Answer::default(),
        names: Vec::new(),
        found: BTreeSet::new(),
        series: 0,
        stopped: None,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let read = AnswerSeed(&mut reader).deserialize(&mut deserializer);
    if let Some(why) = reader.stopped.take() {
        return Err(why);
    }
    read.and_then(|()| deserializer.end())?;
    reader.finish()
}

/// What the document says about itself.
#[derive(Default)]
struct Answer {
    status: Option<String>,
    error_type: Option<String>,
    error: Option<String>,
    kind: Option<String>,
    /// Whether there was a `result`.
    has_result: bool,
    /// Whether a series had one value only.
    has_moment: bool,
}

struct Reader<'o> {
    options: &'o Options,
    collector: Collector,
    answer: Answer,
    /// The first names, to say what there is.
    names: Vec<String>,
    /// The names, short and full, of the series that were taken.
    found: BTreeSet<String>,
    series: usize,
    /// What stops the reading from inside the parser.
    stopped: Option<Unreadable>,
}

impl Reader<'_> {
    fn stop<E: serde::de::Error>(&mut self, why: Unreadable) -> E {
        self.stopped = Some(why);
        E::custom("stopped")
    }

    fn finish(self) -> Result<Recording, Unreadable> {
        let answer = self.answer;
        if answer.error.is_some() || answer.status.as_deref().is_some_and(|status| status != "success") {
            let parts = [answer.error_type, answer.error.or(answer.status)];
            let message = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
            return Err(Unreadable::Refused { message: scupper_model::printable(message.as_bytes(), 300) });
        }
        match answer.kind {
            Some(kind) if kind != "matrix" => return Err(Unreadable::NoRange { kind: shown(&kind) }),
            None if answer.has_moment => return Err(Unreadable::NoRange { kind: "vector".to_owned() }),
            _ if !answer.has_result => return Err(Unreadable::NoResult),
            _ if self.series == 0 => return Err(Unreadable::NoSeries),
            _ => {}
        }
        if let Some(missing) = self.options.columns.iter().find(|wanted| !self.found.contains(*wanted)) {
            return Err(Unreadable::no_column(missing, self.names.iter().map(String::as_str)));
        }
        self.collector.finish(self.options)
    }
}

/// `{"status":..., "data":{...}}` and `{"resultType":..., "result":[...]}`: their keys do not clash.
struct AnswerSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for AnswerSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnswerSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let reader = self.0;
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "status" => reader.answer.status = entries.next_value_seed(Text)?,
                "errorType" => reader.answer.error_type = entries.next_value_seed(Text)?,
                "error" => reader.answer.error = entries.next_value_seed(Text)?,
                "resultType" => reader.answer.kind = entries.next_value_seed(Text)?,
                "data" => entries.next_value_seed(AnswerSeed(reader))?,
                "result" => {
                    reader.answer.has_result = true;
                    entries.next_value_seed(ResultSeed(reader))?;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    any_other!(|_| (); bool null number text array);
}

/// Every series of a result.
struct ResultSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for ResultSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ResultSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(SeriesSeed(self.0))?.is_some() {}
        Ok(())
    }

    any_other!(|_| (); bool null number text object);
}

/// One series: its labels and its values.
struct SeriesSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for SeriesSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SeriesSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let reader = self.0;
        reader.series += 1;
        let mut metric = None;
        // The labels come before the values; where they do not, the values are taken and left out again.
        let before = reader.collector.rejected.clone();
        let column = reader.collector.new_column("", Kind::Counter).map_err(|why| reader.stop(why))?;
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "metric" => metric = Some(Metric::of(&entries.next_value()?)),
                "values" if metric.as_ref().is_none_or(|metric| metric.is_wanted(reader.options)) => {
                    entries.next_value_seed(ValuesSeed { reader, column })?;
                }
                "value" => {
                    reader.answer.has_moment = true;
                    entries.next_value::<IgnoredAny>()?;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        let metric = metric.unwrap_or_else(|| Metric::of(&BTreeMap::new()));
        if reader.names.len() < MOST_NAMES {
            reader.names.push(metric.full.clone());
        }
        if metric.is_wanted(reader.options) {
            let kind = reader.options.kind(&metric.short);
            reader.found.extend([metric.short, metric.full.clone()]);
            reader.collector.name_last(metric.full, kind);
        } else {
            reader.collector.drop_last();
            reader.collector.rejected = before;
        }
        Ok(())
    }

    any_other!(|_| (); bool null number text array);
}

/// What a series is called.
struct Metric {
    /// `process_open_fds`.
    short: String,
    /// `process_open_fds{instance="web:9464"}`.
    full: String,
}

impl Metric {
    fn of(labels: &BTreeMap<String, String>) -> Self {
        const NAME: &str = "__name__";
        let short = labels.get(NAME).cloned().unwrap_or_default();
        let mut full = short.clone();
        let mut between = "{";
        for (label, value) in labels.iter().filter(|(label, _)| *label != NAME) {
            let _ = write!(full, "{between}{label}={value:?}");
            between = ",";
        }
        if between == "," {
            full.push('}');
        }
        if full.is_empty() {
            // What `sum(...)` gives.
            full.push_str("value");
        }
        Self { short, full }
    }

    fn is_wanted(&self, options: &Options) -> bool {
        let wanted = &options.columns;
        wanted.is_empty() || wanted.iter().any(|wanted| *wanted == self.full || *wanted == self.short)
    }
}

/// The values of one series.
struct ValuesSeed<'r, 'o> {
    reader: &'r mut Reader<'o>,
    column: usize,
}

impl<'de> DeserializeSeed<'de> for ValuesSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { reader, column } = self;
        let mut row = Row::new();
        let mut number = 0;
        while let Some(pair) = items.next_element_seed(Pair)? {
            number += 1;
            let place = Place::Value { series: reader.series, number };
            let Some((time, value)) = pair else {
                reader.collector.rejected.add(1, place, None, Why::NotA("pair of time and value"));
                continue;
            };
            row.clear();
            row.time = time;
            row.cells.push((column, value));
            reader.collector.row(place, &row).map_err(|why| reader.stop(why))?;
        }
        Ok(())
    }

    any_other!(|_| (); bool null number text object);
}

/// `[seconds, "value"]`.
struct Pair;

impl<'de> DeserializeSeed<'de> for Pair {
    type Value = Option<(Cell, Cell)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pair {
    type Value = Option<(Cell, Cell)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let time = items.next_element_seed(Role::Time)?;
        let value = items.next_element_seed(Role::Amount)?;
        let mut more = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(time.zip(value).filter(|_| !more))
    }

    any_other!(|_| None; bool null number text object);
}

/// Text, where it is text.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    any_other!(|_| None; bool null number array object);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_called_by_its_labels() {
        let of = |labels: &[(&str, &str)]| {
            Metric::of(&labels.iter().map(|&(label, value)| (label.to_owned(), value.to_owned())).collect())
        };
        let metric = of(&[("job", "web"), ("__name__", "fds"), ("instance", "a\"b")]);
        assert_eq!(metric.full, r#"fds{instance="a\"b",job="web"}"#);
        assert_eq!(metric.short, "fds");
        assert_eq!(of(&[]).full, "value");
        assert_eq!(of(&[("job", "web")]).full, r#"{job="web"}"#);
    }
}
