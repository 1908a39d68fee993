//! Front matter as it is read: values, and where each of them stands.
//!
//! The parser is a full one; where it says that a key begins is what the edits go by. Anything that could make reading dear
//! (aliases of aliases, deep nesting, long values) is bounded here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned};

use super::{DocumentError, Value, lines};

/// The longest value that is read.
pub(super) const LARGEST_VALUE_BYTES: usize = 1 << 20;
const LONG_VALUE: &str = "a value is too long";
/// How deep lists and maps may stand in each other.
const DEEPEST: usize = 16;
/// The most values, those counted again that an alias stands for.
const MOST_NODES: usize = 50_000;
const MOST_ALIASES: usize = 64;

/// Where a value stands, in bytes from the beginning of the front matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Of a key, its beginning; of an item of a list, the beginning of its value.
    pub key_at: usize,
    pub key_end: usize,
    /// Where the value begins and ends. The end is known of scalars alone.
    pub value_at: usize,
    pub value_end: usize,
    /// Of a map its entries, of a list its items, in their order.
    pub inside: Vec<Self>,
}

/// The entries of some front matter, and where each stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Front {
    pub entries: Vec<(String, Value)>,
    pub places: Vec<Place>,
}

/// The number of its first line: one line of dashes stands before it.
const FIRST_LINE: usize = 2;

/// Reads what stands between the two lines of three dashes.
pub(super) fn read(text: &str) -> Result<Front, DocumentError> {
    let budget = serde_saphyr::budget! {
        max_depth: DEEPEST,
        flow_nesting_limit: DEEPEST,
        max_nodes: MOST_NODES,
        max_events: MOST_NODES * 4,
        max_aliases: MOST_ALIASES,
        max_anchors: MOST_ALIASES,
        max_documents: 1,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let node: Option<Spanned<Node>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| refused(&error))?;
    match node.map(|node| node.value.0) {
        None | Some(Kind::Scalar(Value::Null)) => Ok(Front::default()),
        Some(Kind::Map(entries)) => {
            let (entries, places) = settle(entries);
            check_tabs(text, &places)?;
            Ok(Front { entries, places })
        }
        Some(_) => Err(DocumentError::FrontMatter {
            line: FIRST_LINE,
            problem: "it is no list of `key: value`".to_owned(),
        }),
    }
}

/// What the parser found, without its words for places. Values from aliases stand where the alias does.
fn settle(entries: Vec<(Spanned<String>, Spanned<Node>)>) -> (Vec<(String, Value)>, Vec<Place>) {
    let mut values = Vec::with_capacity(entries.len());
    let mut places = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let (key_at, key_end) = span(&key.referenced);
        let (value, place) = settle_node(node);
        values.push((key.value, value));
        places.push(Place { key_at, key_end, ..place });
    }
    (values, places)
}

fn settle_node(node: Spanned<Node>) -> (Value, Place) {
    let (value_at, value_end) = span(&node.referenced);
    let (value, inside) = match node.value.0 {
        Kind::Scalar(value) => (value, Vec::new()),
        Kind::List(items) => {
            let (values, places): (Vec<_>, Vec<_>) = items.into_iter().map(settle_node).unzip();
            (Value::List(values), places)
        }
        Kind::Map(entries) => {
            let (entries, places) = settle(entries);
            (Value::Map(entries), places)
        }
    };
    (value, Place { key_at: value_at, key_end: value_at, value_at, value_end, inside })
}

/// Beginning and end, in bytes.
fn span(location: &Location) -> (usize, usize) {
    let span = location.span();
    let number = |n: Option<u64>, unknown| n.map_or(unknown, |n| usize::try_from(n).unwrap_or(unknown));
    let at = number(span.byte_offset(), usize::MAX);
    (at, at.saturating_add(number(span.byte_len(), 0)))
}

/// What the parser found wrong, in words for somebody who has the file open.
fn refused(error: &serde_saphyr::Error) -> DocumentError {
    let line = error.location().map_or(FIRST_LINE, |location| {
        usize::try_from(location.line()).unwrap_or(0).saturating_sub(1).saturating_add(FIRST_LINE)
    });
    let said = error.without_snippet().to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    if said.starts_with("tabs disallowed") {
        return DocumentError::Tab { line };
    }
    if said == LONG_VALUE {
        return DocumentError::LongValue { line };
    }
    let problem = if let Some(key) = said.strip_prefix("duplicate mapping key: ") {
        let key: String = key.split(", set ").next().unwrap_or_default().chars().take(80).collect();
        format!("the key `{key}` stands there twice")
    } else if said.contains("Depth {") || said.contains("recursion limit") {
        format!("lists and maps stand in each other more than {DEEPEST} deep")
    } else if said.contains("Documents {") {
        "a line `...` or `---` ends it in the middle".to_owned()
    } else if said.starts_with("budget breached") || said.contains("alias") && said.contains("limit") {
        format!("it has more than {MOST_NODES} values, or aliases that make as many")
    } else {
        said.to_owned()
    };
    DocumentError::FrontMatter { line, problem }
}

/// A tab in front of a key, which this parser takes for a space and others refuse.
fn check_tabs(text: &str, places: &[Place]) -> Result<(), DocumentError> {
    for place in places {
        let start = lines::start(text, place.key_at);
        let before = text.get(start..place.key_at).unwrap_or_default();
        if before.contains('\t') && before.trim().is_empty() {
            return Err(DocumentError::Tab { line: lines::number(text, start) - 1 + FIRST_LINE });
        }
        check_tabs(text, &place.inside)?;
    }
    Ok(())
}

#[derive(Debug)]
struct Node(Kind);

#[derive(Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Null)))
    }
    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Bool(value))))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Integer(value))))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(
            i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer),
        )))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Text(value.to_string()))))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Text(value.to_string()))))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node(Kind::Scalar(Value::Float(value))))
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.visit_string(value.to_owned())
    }
    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Node, E> {
        if value.len() > LARGEST_VALUE_BYTES {
            return Err(E::custom(LONG_VALUE));
        }
        Ok(Node(Kind::Scalar(Value::Text(value))))
    }
    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Node, E> {
        self.visit_string(String::from_utf8_lossy(value).into_owned())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node(Kind::List(items)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node(Kind::Map(entries)))
    }
}
