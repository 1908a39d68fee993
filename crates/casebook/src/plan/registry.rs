//! `logs/processed.json`: which notes have plans, in the form of the tool that made the first ones, and of the one before
//! it. What it does not know stays in it.

use serde_json::{Map, Value};

/// The registry of a vault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    /// Keys beside the list.
    rest: Map<String, Value>,
    entries: Vec<Value>,
    /// Whether it was read in the older form.
    migrated: bool,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is no JSON.
    #[error("is no JSON")]
    Json(#[source] serde_json::Error),
    /// It is something else.
    #[error("has no list `processed_files`")]
    Form,
}

impl Registry {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let Value::Object(mut rest) = serde_json::from_str(text).map_err(RegistryError::Json)? else {
            return Err(RegistryError::Form);
        };
        if let Some(Value::Array(entries)) = rest.remove("processed_files") {
            let is_entry = |entry: &Value| entry.get("filename").is_some_and(Value::is_string);
            return if entries.iter().all(is_entry) {
                Ok(Self { rest, entries, migrated: false })
            } else {
                Err(RegistryError::Form)
            };
        }
        let Some(Value::Array(names)) = rest.remove("processed") else { return Err(RegistryError::Form) };
        let mut registry = Self { rest, entries: Vec::new(), migrated: true };
        for name in names {
            let Value::String(name) = name else { return Err(RegistryError::Form) };
            registry.set(&name, "unknown (migrated)", &format!("Plan_{}.md", super::stem(&name)));
        }
        Ok(registry)
    }

    /// Whether it was in the older form, and is to be written anew.
    pub const fn migrated(&self) -> bool {
        self.migrated
    }

    /// How many notes it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names of all notes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.get("filename")?.as_str())
    }

    /// Notes, in one go: of each name the last counts. `(filename, processed_at, plan_created)`
    pub fn set_all<'a>(&mut self, notes: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
        let mut places: std::collections::HashMap<String, usize> =
            self.names().map(str::to_owned).zip(0..).collect();
        for (name, at, plan) in notes {
            let entry = entry(name, at, plan);
            match places.get(name).and_then(|place| self.entries.get_mut(*place)) {
                Some(Value::Object(old)) => {
                    if let Value::Object(new) = entry {
                        old.extend(new);
                    }
                }
                Some(old) => *old = entry,
                None => {
                    places.insert(name.to_owned(), self.entries.len());
                    self.entries.push(entry);
                }
            }
        }
    }

    /// One note.
    pub fn set(&mut self, name: &str, at: &str, plan: &str) {
        self.set_all(std::iter::once((name, at, plan)));
    }

    /// A note has another name now.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.entries.retain(|entry| entry.get("filename").and_then(Value::as_str) != Some(to));
        for entry in &mut self.entries {
            if let Some(Value::String(name)) =
                entry.get_mut("filename").filter(|name| name.as_str() == Some(from))
            {
                to.clone_into(name);
            }
        }
    }

    /// The file, indented by two.
    pub fn text(&self) -> String {
        let mut all = Map::new();
        all.insert("processed_files".to_owned(), Value::Array(self.entries.clone()));
        all.extend(self.rest.clone());
        let mut text = serde_json::to_string_pretty(&Value::Object(all)).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn entry(name: &str, at: &str, plan: &str) -> Value {
    let mut entry = Map::new();
    for (key, value) in [("filename", name), ("processed_at", at), ("plan_created", plan)] {
        entry.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R016.

    use super::*;

    #[test]
    fn r015_the_older_form_is_taken_over() {
        let registry = Registry::parse(r#"{"processed": ["a.md", "B.MD"], "version": 1}"#).unwrap();
        assert!(registry.migrated());
        let again = Registry::parse(&registry.text()).unwrap();
        assert!(!again.migrated());
        assert_eq!(again.names().collect::<Vec<_>>(), ["a.md", "B.MD"]);
        assert!(registry.text().contains("\"plan_created\": \"Plan_B.md\""), "{}", registry.text());
        assert!(registry.text().contains("\"version\": 1"));
    }

    #[test]
    fn r016_what_it_does_not_know_stays() {
        let text = r#"{"processed_files": [{"filename": "a.md", "processed_at": "x", "plan_created": "P", "tag": 7}], "more": []}"#;
        let mut registry = Registry::parse(text).unwrap();
        registry.set("a.md", "y", "Plan_a.md");
        registry.set("b.md", "z", "Plan_b.md");
        registry.rename("b.md", "c.md");
        let text = registry.text();
        for part in ["\"tag\": 7", "\"more\": []", "\"processed_at\": \"y\"", "\"filename\": \"c.md\""] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn r016_what_is_no_registry_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"processed_files": [1]}"#,
            r#"{"processed_files": 1}"#,
            r#"{"processed": [1]}"#,
        ] {
            assert!(Registry::parse(text).is_err(), "{text}");
        }
    }
}
