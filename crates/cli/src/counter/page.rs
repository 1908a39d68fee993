//! A page of metrics in the text format of Prometheus: which samples of it count, and what they say.

use std::str::FromStr;

use super::count::number;

/// Label sets that are followed, at most.
pub(super) const MOST_SERIES: usize = 10_000;

/// A metric, and the labels its samples have to have: `requests_total{code="200"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    name: String,
    labels: Vec<(String, String)>,
}

impl Selector {
    /// The samples of a page that count, each with its labels as they are written.
    pub(super) fn samples<'p>(&self, page: &'p str) -> Vec<(&'p str, f64)> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| self.sample(line)).take(MOST_SERIES).collect()
    }

    fn sample<'p>(&self, line: &'p str) -> Option<(&'p str, f64)> {
        let rest = line.trim_start().strip_prefix(self.name.as_str())?;
        let (labels, rest) = if rest.starts_with('{') { rest.split_at(end(rest)?) } else { ("", rest) };
        if labels.is_empty() && !rest.starts_with([' ', '\t']) {
            return None;
        }
        let has = parse(labels)?;
        let wanted = self.labels.iter().all(|label| has.contains(label));
        let value = number(rest.split_whitespace().next()?)?;
        wanted.then_some((labels, value))
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let labels: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if labels.is_empty() { Ok(()) } else { write!(f, "{{{}}}", labels.join(",")) }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, labels) = text.split_at(text.find('{').unwrap_or(text.len()));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let sound = !name.is_empty() && name.chars().all(is_name);
        let labels =
            if labels.is_empty() || end(labels) == Some(labels.len()) { parse(labels) } else { None };
        match (sound, labels) {
            (true, Some(labels)) => Ok(Self { name: name.to_owned(), labels }),
            _ => {
                Err(format!("`{text}` is no metric: write requests_total or requests_total{{code=\"200\"}}"))
            }
        }
    }
}

/// Where a set of labels ends, which begins with a brace.
fn end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `{a="x",b="y"}`, or nothing.
fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    let mut rest = text.strip_prefix('{').map_or("", |rest| rest.strip_suffix('}').unwrap_or(rest)).trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.push((name.trim().to_owned(), value));
        let after = after.trim_start();
        rest = after.strip_prefix(',').or(after.is_empty().then_some(after))?.trim_start();
    }
    Some(labels)
}

/// A quoted text at the beginning, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 2..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP done_total Done.\n# TYPE done_total counter\n\
        done_total{worker=\"1\",path=\"/a}b\\\"\"} 10\ndone_total{worker=\"2\",path=\"\"} 5.0 1700000000\n\
        done_total_bytes 99\ndone_created 1\nplain 7 # {trace=\"x\"} 1\nbad NaN\n";

    fn sum(selector: &str) -> f64 {
        let selector: Selector = selector.parse().unwrap();
        selector.samples(PAGE).iter().map(|(_, value)| value).sum()
    }

    #[test]
    fn samples_of_all_labels_are_found_and_those_of_some() {
        assert!((sum("done_total") - 15.0).abs() < 1e-9);
        assert!((sum("done_total{worker=\"2\"}") - 5.0).abs() < 1e-9);
        assert!((sum("done_total{path=\"/a}b\\\"\", worker=\"1\"}") - 10.0).abs() < 1e-9);
        assert!((sum("plain") - 7.0).abs() < 1e-9);
        for nothing in ["done_total{worker=\"3\"}", "done", "bad", "total"] {
            assert!(nothing.parse::<Selector>().unwrap().samples(PAGE).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for wrong in
            ["", "{a=\"b\"}", "a b", "a{b}", "a{b=c}", "a{b=\"c\"", "a{b=\"c\"}d", "a{b=\"c\" d=\"e\"}"]
        {
            assert!(wrong.parse::<Selector>().is_err(), "{wrong}");
        }
        let selector: Selector = "a{ b = \"c\\\"\" , d=\"e\",}".parse().unwrap();
        assert_eq!(selector.to_string(), "a{b=\"c\\\"\",d=\"e\"}");
    }
}
