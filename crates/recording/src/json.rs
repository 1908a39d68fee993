//! What the JSON formats share: cells and rows taken from the parser as they come, whatever their shape.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cell::{Cell, Role};

/// A visitor's methods for values of a shape that was not asked for; what is inside them is skipped.
macro_rules! any_other {
    ($value:expr; $($shape:ident)+) => { $(any_other!(@ $shape $value);)+ };
    (@ bool $value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($value(self)) }
    };
    (@ null $value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value(self)) }
    };
    (@ number $value:expr) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($value(self)) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($value(self)) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($value(self)) }
    };
    (@ text $value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($value(self)) }
    };
    (@ array $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value(self))
        }
    };
    (@ object $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value(self))
        }
    };
}
pub(crate) use any_other;

impl<'de> DeserializeSeed<'de> for Role {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Role {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Ok(None))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell, E> {
        Ok(self.number(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "the detector counts in f64")]
    fn visit_i64<E>(self, number: i64) -> Result<Cell, E> {
        Ok(self.number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "the detector counts in f64")]
    fn visit_u64<E>(self, number: u64) -> Result<Cell, E> {
        Ok(self.number(number as f64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(self.text(text))
    }

    any_other!(Self::other; bool array object);
}
