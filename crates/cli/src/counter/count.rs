//! A count that may begin again: of a program that was started anew. What it had counted before is kept.

/// The last value of one count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    last: Option<f64>,
}

impl Count {
    /// How many more there are. A count that fell began at zero again.
    pub(super) fn more(&mut self, value: f64) -> f64 {
        match self.last.replace(value) {
            Some(last) if value >= last => value - last,
            _ => value,
        }
    }
}

/// A number that can count: finite, and not negative.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)
}

/// Whole operations.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
pub(super) const fn whole(all: f64) -> u64 {
    // What was added up may lack the last bit of a whole number.
    (all + 1e-6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_falls_adds_on() {
        let mut count = Count::default();
        let all: f64 = [5.0, 7.0, 7.0, 2.0, 3.0, 0.0, 4.0].map(|value| count.more(value)).iter().sum();
        assert_eq!(whole(all), 7 + 3 + 4);
    }

    #[test]
    fn what_counts_is_a_number_of_things() {
        assert_eq!(number(" 1.55e3\n"), Some(1550.0));
        for wrong in ["", "NaN", "-1", "inf", "1 2", "x"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        assert_eq!((whole(0.1 + 0.2 + 0.7), whole(0.9), whole(1e300)), (1, 0, u64::MAX));
    }
}
