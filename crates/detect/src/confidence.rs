//! How often a verdict like this one was right where it could be checked.

use crate::Verdict;
use crate::rules::Rule;

/// The share of verdicts of this kind, reached by this rule, that were right.
pub fn confidence(verdict: Verdict, rule: Option<Rule>, z: f64) -> Option<f64> {
    let _ = z;
    match (verdict, rule) {
        (Verdict::Unknown, _) => None,
        (Verdict::Leaking, Some(Rule::Grow)) => Some(1.0),
        (Verdict::Leaking, _) => Some(0.96),
        (Verdict::Growing, _) => Some(0.55),
        _ => Some(0.95),
    }
}
