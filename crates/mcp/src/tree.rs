//! A file as a tree of values, each with the bytes it takes: the same tree for JSON and for TOML.

use std::borrow::Cow;
use std::ops::Range;

use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, ast};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Format;
use crate::error::{Fault, Problem};
use crate::surrogates::without_halves;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Its bytes, quotes and brackets included. Of a TOML table with a header: that of the header.
    pub span: Range<usize>,
    /// What it is.
    pub value: Value<'a>,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// Text, without its quotes and escapes.
    Text(Cow<'a, str>),
    /// A number, a truth, a date, nothing.
    Scalar,
    /// Values in order.
    List(Vec<Node<'a>>),
    /// Values with names.
    Table(Table<'a>),
}

/// Values with names, in the order of the file.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// All of them, also those of the same name.
    pub entries: Vec<Entry<'a>>,
    /// Whether it stands in braces: not so a table of TOML that has a header or dotted keys.
    pub braced: bool,
}

/// A value with its name.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// The name, without quotes and escapes.
    pub key: Cow<'a, str>,
    /// The bytes of the name; of a dotted key, those of its last part.
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node<'a>,
}

impl<'a> Table<'a> {
    /// The entry of this name. Two of them are a fault: which one counts, clients disagree about.
    pub(crate) fn get(&self, key: &str) -> Result<Option<&Entry<'a>>, Fault> {
        let mut found = self.entries.iter().filter(|entry| entry.key == key);
        let first = found.next();
        match found.next() {
            Some(second) => Err(Fault::new(second.key_span.start, Problem::Duplicate(key.to_owned()))),
            None => Ok(first),
        }
    }
}

impl<'a> Node<'a> {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn table(&self) -> Option<&Table<'a>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// What is done with the tree of a text, which cannot leave: some of it may be borrowed from a copy.
pub(crate) fn with_tree<T>(
    text: &str,
    format: Format,
    look: impl Fn(&Node<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    match format {
        Format::Toml => look(&parse_toml(text)?),
        Format::Json => match parse_json(text) {
            Ok(tree) => look(&tree),
            Err(Unread::Half) => match parse_json(&without_halves(text)) {
                Ok(tree) => look(&tree),
                Err(Unread::Half) => Err(Fault::new(0, Problem::Syntax("invalid escape".to_owned()))),
                Err(Unread::Fault(fault)) => Err(fault),
            },
            Err(Unread::Fault(fault)) => Err(fault),
        },
    }
}

/// Why there is no tree.
enum Unread {
    /// There is an escape of half a character.
    Half,
    Fault(Fault),
}

fn parse_json(text: &str) -> Result<Node<'_>, Unread> {
    // What clients that allow comments accept, and no JSON5.
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let (mark, rest) = after_mark(text);
    let parsed = jsonc_parser::parse_to_ast(rest, &CollectOptions::default(), &options);
    let parsed = parsed.map_err(|error| match error.kind() {
        ParseErrorKind::String(ParseStringErrorKind::InvalidUnicodeEscapeSequence(_)) => Unread::Half,
        kind => {
            let message = kind.to_string();
            let mut chars = message.chars();
            let first = chars.next().map(|first| first.to_ascii_lowercase());
            let message = first.into_iter().chain(chars).collect();
            Unread::Fault(Fault::new(mark + error.range().start, Problem::Syntax(message)))
        }
    })?;
    let value = parsed.value.ok_or_else(|| {
        Unread::Fault(Fault::new(text.len(), Problem::Syntax("there is nothing in it".to_owned())))
    })?;
    Ok(json_node(value, mark))
}

/// The bytes of a byte order mark, and the text behind it.
fn after_mark(text: &str) -> (usize, &str) {
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    (text.len() - rest.len(), rest)
}

/// The parser bounds how deep values are nested (512).
fn json_node(value: ast::Value<'_>, shift: usize) -> Node<'_> {
    let moved = |range: jsonc_parser::common::Range| range.start + shift..range.end + shift;
    match value {
        ast::Value::StringLit(text) => Node { span: moved(text.range), value: Value::Text(text.value) },
        ast::Value::NumberLit(number) => Node { span: moved(number.range), value: Value::Scalar },
        ast::Value::BooleanLit(truth) => Node { span: moved(truth.range), value: Value::Scalar },
        ast::Value::NullKeyword(null) => Node { span: moved(null.range), value: Value::Scalar },
        ast::Value::Array(array) => {
            let list = array.elements.into_iter().map(|element| json_node(element, shift)).collect();
            Node { span: moved(array.range), value: Value::List(list) }
        }
        ast::Value::Object(object) => {
            let entries = object.properties.into_iter().map(|property| {
                let (key, range) = match property.name {
                    ast::ObjectPropName::String(text) => (text.value, text.range),
                    ast::ObjectPropName::Word(word) => (Cow::Borrowed(word.value), word.range),
                };
                Entry { key, key_span: moved(range), node: json_node(property.value, shift) }
            });
            let table = Table { entries: entries.collect(), braced: true };
            Node { span: moved(object.range), value: Value::Table(table) }
        }
    }
}

fn parse_toml(text: &str) -> Result<Node<'_>, Fault> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Fault::new(at, Problem::Syntax(error.message().lines().collect::<Vec<_>>().join(", ")))
    })?;
    Ok(Node { span: 0..text.len(), value: Value::Table(toml_table(text, table.into_inner(), false)) })
}

/// The parser bounds how deep values are nested (80).
fn toml_node<'a>(text: &str, value: Spanned<DeValue<'a>>, braced: bool) -> Node<'a> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text),
        DeValue::Array(array) => {
            Value::List(array.into_iter().map(|element| toml_node(text, element, braced)).collect())
        }
        DeValue::Table(table) => {
            let braced = braced || text.as_bytes().get(span.start) == Some(&b'{');
            Value::Table(toml_table(text, table, braced))
        }
        _ => Value::Scalar,
    };
    Node { span, value }
}

fn toml_table<'a>(text: &str, table: DeTable<'a>, braced: bool) -> Table<'a> {
    let mut entries: Vec<Entry<'a>> = table
        .into_iter()
        .map(|(key, value)| {
            let (key_span, key) = (key.span(), key.into_inner());
            Entry { key, key_span, node: toml_node(text, value, braced) }
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries, braced }
}
