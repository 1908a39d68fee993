//! The history of an incident: every move, each with a digest over itself and the one before it. Whoever changes, removes
//! or inserts a line of it breaks the chain.

use scupper_model::Timestamp;

use super::{sha256, state::State};
use crate::document::Value;

/// Lines that a history may have; what comes back more often than this gets a record of its own.
pub const MOST_MOVES: usize = 200;

/// One move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// From where; `None` for the first.
    pub from: Option<State>,
    /// To where.
    pub to: State,
    /// Why, as it was given.
    pub reason: Option<String>,
    /// What it rests on: a change, the id of an event.
    pub about: Option<String>,
    /// What a soak has to show from this move on, where that changed with it.
    pub needs: Option<String>,
    /// Whether it was made although it is not allowed.
    pub forced: bool,
    /// The digest over this and the digest before.
    pub sha256: String,
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The move, counted from 1; 0 where there is none.
    pub position: usize,
    /// In which way.
    pub breach: Breach,
    /// What is wrong, in words.
    pub problem: String,
}

/// In which way a history does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// There is none.
    Missing,
    /// A move cannot be read.
    Unreadable,
    /// A digest does not fit.
    Digest,
    /// A move does not begin where the one before it ended, or the record does not stand where the last one ended.
    Gap,
    /// A move happened before the one before it.
    Time,
    /// The table has no such move, and nobody forced it.
    Transition,
    /// What the moves rest on is not what it was: what a soak has to show, evidence, a change, who moved it when.
    Basis,
}

impl Moved {
    /// With its digest, behind the move that has this one.
    pub(super) fn chained(mut self, before: Option<&Self>) -> Self {
        self.sha256 = self.digest(before.map(|moved| moved.sha256.as_str()));
        self
    }

    fn digest(&self, before: Option<&str>) -> String {
        let flag = if self.forced { "forced" } else { "" };
        let at = self.at.to_string();
        let mut words = vec![
            before,
            Some(at.as_str()),
            Some(self.by.as_str()),
            self.from.map(State::name),
            Some(self.to.name()),
            self.reason.as_deref(),
            self.about.as_deref(),
            Some(flag),
        ];
        // Moves of before it was kept have none.
        words.extend(self.needs.as_deref().map(Some));
        let words = words.into_iter().map(|word| word.map(str::to_owned));
        sha256(words.collect::<serde_json::Value>().to_string().as_bytes())
    }

    /// As it stands in a file.
    pub(super) fn value(&self) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut map = vec![("at".to_owned(), text(&self.at.to_string())), ("by".to_owned(), text(&self.by))];
        let mut optional = |key: &str, value: Option<&str>| {
            map.extend(value.map(|value| (key.to_owned(), text(value))));
        };
        optional("from", self.from.map(State::name));
        optional("to", Some(self.to.name()));
        optional("reason", self.reason.as_deref());
        optional("about", self.about.as_deref());
        optional("needs", self.needs.as_deref());
        if self.forced {
            map.push(("forced".to_owned(), Value::Bool(true)));
        }
        map.push(("sha256".to_owned(), text(&self.sha256)));
        Value::Map(map)
    }

    /// Reads it. What is missing makes it unreadable: a chain has no gaps.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let Value::Map(map) = value else { return Err("it is no map".to_owned()) };
        let text = |key: &str| {
            map.iter().find(|(name, _)| name == key).and_then(|(_, value)| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
        };
        let need = |key: &str| text(key).ok_or_else(|| format!("it has no `{key}`"));
        let state = |text: &str| text.parse::<State>().map_err(|error| error.to_string());
        Ok(Self {
            at: need("at")?.parse().map_err(|_| "its `at` is no time".to_owned())?,
            by: need("by")?.to_owned(),
            from: text("from").map(state).transpose()?,
            to: state(need("to")?)?,
            reason: text("reason").map(str::to_owned),
            about: text("about").map(str::to_owned),
            needs: text("needs").map(str::to_owned),
            forced: map.iter().any(|(key, value)| key == "forced" && *value == Value::Bool(true)),
            sha256: need("sha256")?.to_owned(),
        })
    }
}

/// Every place where a chain breaks: a digest that does not fit, a move that does not begin where the last one ended, one
/// that the table does not have and nobody forced, time that goes backwards.
pub fn check(history: &[Moved]) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut before: Option<&Moved> = None;
    for (index, moved) in history.iter().enumerate() {
        let mut say = |breach, problem: String| broken.push(Broken { position: index + 1, breach, problem });
        if moved.digest(before.map(|before| before.sha256.as_str())) != moved.sha256 {
            say(
                Breach::Digest,
                "its digest does not fit: it, or the one before it, was changed after it was written"
                    .to_owned(),
            );
        }
        if moved.from != before.map(|before| before.to) {
            say(Breach::Gap, "it does not begin where the one before it ended".to_owned());
        }
        if before.is_some_and(|before| before.at > moved.at) {
            say(Breach::Time, "it happened before the one before it".to_owned());
        }
        if let Some(from) = moved.from.filter(|_| !moved.forced)
            && from.step_to(moved.to).is_none()
        {
            say(Breach::Transition, format!("{from} -> {} is not allowed, and it was not forced", moved.to));
        }
        before = Some(moved);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(at: u64, from: Option<State>, to: State) -> Moved {
        let by = "ana".to_owned();
        let (reason, about) = (Some("because".to_owned()), None);
        let (needs, sha256) = (None, String::new());
        Moved { at: Timestamp(at), by, from, to, reason, about, needs, forced: false, sha256 }
    }

    fn chain() -> Vec<Moved> {
        use State::{Active, Planning, ReadyForQa};
        let mut chain: Vec<Moved> = Vec::new();
        for one in
            [moved(1, None, Planning), moved(2, Some(Planning), Active), moved(3, Some(Active), ReadyForQa)]
        {
            let next = one.chained(chain.last());
            chain.push(next);
        }
        chain
    }

    #[test]
    fn r059_a_chain_that_nobody_touched_holds_also_after_it_was_written_and_read() {
        assert_eq!(check(&chain()), []);
        let read: Vec<Moved> = chain().iter().map(|moved| Moved::read(&moved.value()).unwrap()).collect();
        assert_eq!(read, chain());
    }

    #[test]
    fn r059_whoever_changes_removes_or_inserts_a_move_breaks_it() {
        let spoil = |change: &dyn Fn(&mut Vec<Moved>)| {
            let mut spoilt = chain();
            change(&mut spoilt);
            check(&spoilt).len()
        };
        assert!(spoil(&|chain| chain[1].reason = Some("other".into())) > 0);
        assert!(spoil(&|chain| chain[1].by = "bob".into()) > 0);
        assert!(spoil(&|chain| chain[0].at = Timestamp(0)) > 0);
        assert!(spoil(&|chain| chain[2].about = Some("x".into())) > 0);
        assert!(spoil(&|chain| chain[2].forced = true) > 0);
        assert!(spoil(&|chain| chain[0].needs = Some("seconds 1".into())) > 0);
        assert!(spoil(&|chain| drop(chain.remove(1))) > 0);
        assert!(spoil(&|chain| drop(chain.remove(0))) > 0);
        assert!(spoil(&|chain| chain.swap(1, 2)) > 0);
        assert!(spoil(&|chain| chain.insert(1, chain[0].clone())) > 0);
        // A move that was chained well and is none.
        assert!(
            spoil(&|chain| {
                let lie = moved(4, Some(State::ReadyForQa), State::Done).chained(chain.last());
                chain.push(lie);
            }) > 0
        );
    }
}
