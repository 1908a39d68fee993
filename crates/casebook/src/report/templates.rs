//! Templates: those of the house, and those that an operator puts in their place. Whatever a template shows is escaped unless
//! it says otherwise, and none can run without end.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::facts::Kind;
use super::markdown;
use super::page::Page;

/// Steps that one template may take.
const FUEL: u64 = 5_000_000;
/// The largest template that is taken.
pub const LARGEST_BYTES: usize = 1 << 20;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template is wrong.
    #[error("the template of the {} report is wrong{}", kind.name(), line.map(|line| format!(" in line {line}")).unwrap_or_default())]
    Template {
        /// Of which report.
        kind: Kind,
        /// In which line, where that is known.
        line: Option<usize>,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A template is too large.
    #[error("the template of the {} report has more than 1 MiB", .0.name())]
    TooLarge(Kind),
    /// The incident is not over, and the report was to say so.
    #[error("{id} is `{state}` and not proved to be done, so the report cannot be RESOLVED")]
    NotDone {
        /// The incident.
        id: String,
        /// Its state.
        state: String,
    },
}

/// The template of the house.
pub const fn built_in(kind: Kind) -> &'static str {
    match kind {
        Kind::Audit => include_str!("templates/audit.md"),
        Kind::Delta => include_str!("templates/delta.md"),
        Kind::Postmortem => include_str!("templates/postmortem.md"),
        Kind::Issue => include_str!("templates/issue.md"),
    }
}

/// Which kind of report a text is, by the heading that the templates of the house give it.
pub fn kind_of(text: &str) -> Option<Kind> {
    let title = text.lines().find(|line| line.starts_with("# "))?;
    Kind::ALL.into_iter().find(|kind| {
        let begins = built_in(*kind).split("{{").next().unwrap_or_default();
        !begins.is_empty() && title.starts_with(begins.trim_end())
    })
}

/// Writes a page with a template.
pub fn render(page: &Page, template: &str) -> Result<String, ReportError> {
    let kind = page.kind;
    if template.len() > LARGEST_BYTES {
        return Err(ReportError::TooLarge(kind));
    }
    let wrong = |source: Error| ReportError::Template { kind, line: source.line(), source: Box::new(source) };
    let environment = environment().map_err(wrong)?;
    let text = environment.render_str(template, Value::from(Serde(page))).map_err(wrong)?;
    Ok(text)
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_formatter(|out, _, value| {
        let text = shown(value)?;
        out.write_str(&text).map_err(|_| Error::new(ErrorKind::WriteFailure, "cannot write"))
    });
    environment.add_filter("code", |text: &str| Value::from_safe_string(markdown::code(text)));
    environment.add_filter("cell", |text: &str| Value::from_safe_string(markdown::cell(text)));
    environment.add_filter("fence", |text: &str, options: Kwargs| -> Result<Value, Error> {
        let language = options.get::<Option<String>>("language")?.unwrap_or_default();
        let indent = options.get::<Option<usize>>("indent")?.unwrap_or(0).min(40);
        options.assert_all_used()?;
        Ok(Value::from_safe_string(markdown::fence(text, &language, indent)))
    });
    environment.add_filter("cited", |line: &Value| -> Result<Value, Error> {
        let text = markdown::inline(&line.get_attr("text")?.to_string());
        Ok(Value::from_safe_string(format!("{text}{}", citation(line)?)))
    });
    environment.add_filter("ids", |line: &Value| -> Result<Value, Error> {
        Ok(Value::from_safe_string(evidence(line)?.join(", ")))
    });
    Ok(environment)
}

fn evidence(line: &Value) -> Result<Vec<String>, Error> {
    let ids = line.get_attr("evidence")?;
    Ok(ids.try_iter()?.map(|id| format!("`{}`", id.to_string().replace('`', ""))).collect())
}

/// ` (evidence: ...)`, or ` (assumption)`.
fn citation(line: &Value) -> Result<String, Error> {
    if line.get_attr("assumption")?.is_true() {
        return Ok(" *(assumption)*".to_owned());
    }
    let ids = evidence(line)?;
    Ok(if ids.is_empty() { String::new() } else { format!(" (evidence: {})", ids.join(", ")) })
}

/// What a value looks like: text is escaped, nothing is unknown.
fn shown(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None => "unknown".to_owned(),
        ValueKind::String if value.is_safe() => value.to_string(),
        ValueKind::String => markdown::inline(value.as_str().unwrap_or_default()),
        ValueKind::Number | ValueKind::Bool => value.to_string(),
        ValueKind::Undefined => return Err(Error::new(ErrorKind::UndefinedError, "there is no such value")),
        _ => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a list or a map is no text: show what is in it",
            ));
        }
    })
}
