//! JSON lines: an object per look. One that cannot be read costs one line; in an array it ends the reading, since
//! nothing says where the next one begins.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::BufRead;

use scupper_model::printable;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cell::Role;
use crate::collect::{Collector, Row};
use crate::input::Lines;
use crate::json::any_other;
use crate::{Format, Options, Place, Recording, Unreadable, Why};

/// So many keys are remembered, to say what there is.
const MOST_KEYS: usize = 64;

pub(crate) fn read_lines(input: impl BufRead, options: &Options) -> Result<Recording, Unreadable> {
    let mut lines = Lines::new(input);
    let mut reader = Reader::new(options);
    while let Some((number, line)) = lines.next()? {
        let place = Place::Line(number);
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let read = RowSeed(&mut reader).deserialize(&mut deserializer);
        reader.check()?;
        match read.and_then(|is_object| deserializer.end().map(|()| is_object)) {
            Ok(true) => reader.row(place)?,
            Ok(false) => reader.collector.rejected.add(1, place, None, Why::NotA("JSON object")),
            Err(error) => reader.collector.rejected.add(1, place, None, Why::NotJson(in_line(&error))),
        }
    }
    reader.finish()
}

pub(crate) fn read_array(input: impl BufRead, options: &Options) -> Result<Recording, Unreadable> {
    let mut reader = Reader::new(options);
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let read = ArraySeed(&mut reader).deserialize(&mut deserializer);
    reader.check()?;
    read.and_then(|()| deserializer.end())?;
    reader.finish()
}

/// What is wrong in a line, without the line that the parser counts in it.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    printable(format!("{what} (column {})", error.column()).as_bytes(), 120)
}

struct Reader<'o> {
    options: &'o Options,
    collector: Collector,
    row: Row,
    keys: BTreeSet<String>,
    /// Whether an object had the time.
    timed: bool,
    /// Objects that were whole.
    objects: u64,
    /// What stops the reading from inside the parser.
    stopped: Option<Unreadable>,
}

impl<'o> Reader<'o> {
    fn new(options: &'o Options) -> Self {
        let collector = Collector::new(Format::JsonLines);
        Self {
            options,
            collector,
            row: Row::new(),
            keys: BTreeSet::new(),
            timed: false,
            objects: 0,
            stopped: None,
        }
    }

    fn check(&mut self) -> Result<(), Unreadable> {
        self.stopped.take().map_or(Ok(()), Err)
    }

    fn finish(self) -> Result<Recording, Unreadable> {
        let names = || self.keys.iter().map(String::as_str);
        // Of what broke off, its reasons say more.
        if self.objects > 0 && !self.keys.is_empty() {
            if !self.timed {
                return Err(Unreadable::no_time(self.options.time.as_deref(), names()));
            }
            if let Some(missing) = self.options.columns.iter().find(|wanted| !self.keys.contains(*wanted)) {
                return Err(Unreadable::no_column(missing, names()));
            }
            if !names().any(|name| self.options.wanted(name).is_some()) {
                return Err(Unreadable::no_known_column(names()));
            }
        }
        self.collector.finish(self.options)
    }

    /// Takes the object that was read.
    fn row(&mut self, place: Place) -> Result<(), Unreadable> {
        self.objects += 1;
        self.collector.row(place, &self.row)
    }

    /// Takes one entry of an object.
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, entries: &mut A) -> Result<(), A::Error> {
        let wanted = self.options.wanted(key);
        if !self.keys.contains(key) && (wanted.is_some() || self.keys.len() < MOST_KEYS) {
            self.keys.insert(key.to_owned());
        }
        if self.options.is_time(key) {
            self.timed = true;
            self.row.time = entries.next_value_seed(Role::Time)?;
        } else if let Some(kind) = wanted {
            let cell = entries.next_value_seed(Role::Amount)?;
            let column = self.collector.column(key, kind).map_err(|why| {
                self.stopped = Some(why);
                A::Error::custom("too many columns")
            })?;
            self.row.cells.push((column, cell));
        } else {
            entries.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Fills the reader's row; whether it was an object.
struct RowSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        self.0.row.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            self.0.entry(&key, &mut entries)?;
        }
        Ok(true)
    }

    any_other!(|_| false; bool null number text array);
}

/// A key, borrowed where the parser can.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Gives the reader every element of an array.
struct ArraySeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for ArraySeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ArraySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut number = 0;
        while let Some(is_object) = items.next_element_seed(RowSeed(reader))? {
            number += 1;
            let place = Place::Element(number);
            if is_object {
                if let Err(why) = reader.row(place) {
                    reader.stopped = Some(why);
                    return Err(A::Error::custom("too many samples"));
                }
            } else {
                reader.collector.rejected.add(1, place, None, Why::NotA("JSON object"));
            }
        }
        Ok(())
    }
}
