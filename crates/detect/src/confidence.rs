//! How often a verdict like this one was right where it could be checked.
//!
//! Shares that were counted, not probabilities that were derived: for services on the tuning seeds of the synthetic series, asked
//! every six hours (`detect-bench calibration`), for short runs on the recorded programs (`detect-bench corpus`). They hold for a
//! world in which leaks are as frequent as there: 8 of 21 services, 2 of 5 programs.

use crate::Verdict;
use crate::rules::Rule;

/// The share of verdicts of this kind, reached by this rule, that were right; `None` where nothing is claimed.
pub const fn confidence(verdict: Verdict, rule: Option<Rule>) -> Option<f64> {
    match (verdict, rule) {
        (Verdict::Unknown, _) => None,
        // A rule of the operator is broken or not.
        (Verdict::Leaking, Some(Rule::Grow)) => Some(1.0),
        // Not counted on anything: it claims no more than `growing` does.
        (Verdict::Leaking, Some(Rule::Operations)) => Some(0.41),
        // Of the programs that were called in a short run 60 of 61 leaked: no more is claimed than the held-out ones bear.
        (Verdict::Leaking, Some(Rule::Short)) => Some(0.97),
        (Verdict::Leaking, _) => Some(0.99),
        // Of the 35 tuning programs that rose at some moment of a run that went on, 22 leaked.
        (Verdict::Growing, Some(Rule::Short)) => Some(0.63),
        (Verdict::Growing, _) => Some(0.41),
        (_, Some(Rule::Short)) => Some(0.96),
        (Verdict::Stable, _) => Some(0.93),
        (Verdict::WarmingUp | Verdict::Step, _) => Some(0.92),
    }
}
