//! What scripts and commands answer, read without trust: whatever is not as expected is an error that says where.

use redis::Value;

use crate::StoreError;

/// An answer that is not understood.
pub(super) struct Odd;

pub(super) type Read<T> = Result<T, Odd>;

/// A list.
pub(super) fn list(value: Value) -> Read<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Odd),
    }
}

/// Bytes; a status and a number count as their text.
pub(super) fn bytes(value: &Value) -> Read<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.clone()),
        Value::SimpleString(text) => Ok(text.clone().into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        Value::Int(n) => Ok(n.to_string().into_bytes()),
        _ => Err(Odd),
    }
}

/// Text.
pub(super) fn text(value: &Value) -> Read<String> {
    String::from_utf8(bytes(value)?).map_err(|_| Odd)
}

/// A whole number that is not negative.
pub(super) fn number(value: &Value) -> Read<u64> {
    match value {
        Value::Int(n) => u64::try_from(*n).map_err(|_| Odd),
        other => whole(&text(other)?),
    }
}

/// The same from text; a score of a sorted set may come as `1795333740123` or `1.795333740123e+12`.
pub(super) fn whole(text: &str) -> Read<u64> {
    if let Ok(n) = text.parse() {
        return Ok(n);
    }
    let n: f64 = text.parse().map_err(|_| Odd)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, below 2^53")]
    if n.is_finite() && (0.0..9e15).contains(&n) { Ok(n as u64) } else { Err(Odd) }
}

/// The parts of a list, in their order.
pub(super) struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    /// Of an answer.
    pub(super) fn of(value: Value) -> Read<Self> {
        Ok(Self(list(value)?.into_iter()))
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Read<Value> {
        self.0.next().ok_or(Odd)
    }

    /// The next one, as text.
    pub(super) fn text(&mut self) -> Read<String> {
        text(&self.next()?)
    }

    /// The next one, as text, where it is not empty.
    pub(super) fn some_text(&mut self) -> Read<Option<String>> {
        Ok(Some(self.text()?).filter(|text| !text.is_empty()))
    }

    /// The next one, read; `None` where it is empty.
    pub(super) fn some<T: std::str::FromStr>(&mut self) -> Read<Option<T>> {
        self.some_text()?.map(|text| text.parse().map_err(|_| Odd)).transpose()
    }

    /// The next one, where it is there and understood.
    pub(super) fn known<T: std::str::FromStr>(&mut self) -> Read<Option<T>> {
        Ok(self.some_text()?.and_then(|text| text.parse().ok()))
    }

    /// The next one, read.
    pub(super) fn parse<T: std::str::FromStr>(&mut self) -> Read<T> {
        self.text()?.parse().map_err(|_| Odd)
    }

    /// The next one, as a number.
    pub(super) fn number(&mut self) -> Read<u64> {
        number(&self.next()?)
    }

    /// The next one, as a number, where it is not empty.
    pub(super) fn some_number(&mut self) -> Read<Option<u64>> {
        self.some_text()?.map(|text| whole(&text)).transpose()
    }

    /// The next one, as bytes.
    pub(super) fn bytes(&mut self) -> Read<Vec<u8>> {
        bytes(&self.next()?)
    }

    /// All that are left, each of them a list.
    pub(super) fn rest(self) -> impl Iterator<Item = Read<Self>> {
        self.0.map(Self::of)
    }
}

/// The error of an answer that is not understood.
pub(super) fn damaged(url: &str, doing: &str) -> StoreError {
    StoreError::Damaged {
        url: url.to_owned(),
        at: format!("its answer while {doing}"),
        what: "it is not understood".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_expected_is_an_error_and_no_panic() {
        assert!(list(Value::Nil).is_err() && text(&Value::Array(vec![])).is_err());
        assert!(text(&Value::BulkString(vec![0xff])).is_err());
        for (text, n) in
            [("0", 0), ("1795333740123", 1_795_333_740_123), ("1.795333740123e+12", 1_795_333_740_123)]
        {
            assert_eq!(whole(text).ok(), Some(n));
        }
        for text in ["", "-1", "inf", "nan", "1e300", "x"] {
            assert!(whole(text).is_err(), "{text}");
        }
        assert!(number(&Value::Int(-1)).is_err());
        assert!(Parts::of(Value::Array(vec![])).ok().unwrap().next().is_err());
    }
}
