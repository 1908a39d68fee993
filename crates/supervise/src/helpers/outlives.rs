//! Whether a helper has outlived what it was started for.
//!
//! From outside nobody sees the end of a request. What is seen: that the worker is gone and the helper is not; that their
//! number grows with every request; that all others of its kind came and went. One helper that is started once and used
//! again looks like one that was forgotten, until something is served without another one being started.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::format_duration;
use serde::{Deserialize, Serialize};

use super::request::{Moment, Request};

/// So many others have to have come and gone.
const LEAST_ENDED: u32 = 3;
/// What lives so many times as long as the longest of them was forgotten ...
const TIMES_LONGEST: u32 = 4;
/// ... where it lives at least this long.
const LEAST_LIFE: Duration = Duration::from_secs(10);
/// After so many operations without another one of its kind, it is used again and again.
const REUSED_AFTER: u64 = 20;

/// The helpers of one kind that a worker has had and has no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lives {
    ended: u32,
    longest: Duration,
}

impl Lives {
    pub(super) fn ended(&mut self, age: Duration) {
        self.ended = self.ended.saturating_add(1);
        self.longest = self.longest.max(age);
    }
}

/// Whether a helper outlives its request. `None` where nobody can say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlives {
    /// The answer.
    pub outlives: Option<bool>,
    /// Why that is thought.
    pub because: Option<String>,
}

/// What the answer is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// Whether who started it is there; `None` where it is not known who did.
    pub(super) owner_is_there: Option<bool>,
    pub(super) age: Duration,
    pub(super) request: &'a Request,
    pub(super) served: &'a Moment,
    /// Those of its kind and worker that have ended.
    pub(super) lives: Lives,
    /// What is thought of their number.
    pub(super) number: Verdict,
    /// Others of its kind and worker by the same name that were started after it, and are there.
    pub(super) younger: usize,
    /// Whether any other of its kind was started by its worker after it, there or not.
    pub(super) followed: bool,
}

impl Outlives {
    fn yes(because: String) -> Self {
        Self { outlives: Some(true), because: Some(because) }
    }

    fn no(because: String) -> Self {
        Self { outlives: Some(false), because: Some(because) }
    }

    pub(super) fn of(case: &Case<'_>) -> Self {
        let Case { age, lives, number, .. } = *case;
        if case.owner_is_there == Some(false) {
            return Self::yes("the worker that started it has ended".to_owned());
        }
        if number >= Verdict::Growing && case.younger > 0 {
            return Self::yes(format!("their number grows: {} more were started after it", case.younger));
        }
        if lives.ended >= LEAST_ENDED && age > LEAST_LIFE.max(lives.longest * TIMES_LONGEST) {
            let shown = |time: Duration| format_duration(Duration::from_secs(time.as_secs().max(1)));
            return Self::yes(format!(
                "{} others like it lived {} at most, this one {}",
                lives.ended,
                shown(lives.longest),
                shown(age)
            ));
        }
        if number >= Verdict::Growing || lives.ended > 0 {
            return Self::default();
        }
        match case.request.since(case.served) {
            Some(since) if since >= REUSED_AFTER && !case.followed => {
                Self::no(format!("{since} operations were served since, and no other was started"))
            }
            _ if number == Verdict::Stable => Self::no("their number does not grow".to_owned()),
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn case<'a>(request: &'a Request, served: &'a Moment) -> Case<'a> {
        Case {
            owner_is_there: Some(true),
            age: SECOND * 60,
            request,
            served,
            lives: Lives::default(),
            number: Verdict::Unknown,
            younger: 0,
            followed: false,
        }
    }

    #[test]
    fn r029_who_is_used_again_does_not_outlive_and_who_is_followed_by_more_does() {
        let request = Request { operations_seen: Some(5), ..Request::default() };
        let served = Moment { operations: Some(30), ..Moment::default() };
        let case = case(&request, &served);
        assert_eq!(Outlives::of(&case).outlives, Some(false));
        let grown = Case { number: Verdict::Growing, younger: 3, followed: true, ..case };
        assert_eq!(Outlives::of(&grown).outlives, Some(true));
        // The newest may be at work, and one that others came after may be one of a pool.
        assert_eq!(Outlives::of(&Case { number: Verdict::Leaking, ..case }).outlives, None);
        assert_eq!(Outlives::of(&Case { followed: true, ..case }).outlives, None);
        assert_eq!(
            Outlives::of(&Case { followed: true, number: Verdict::Stable, ..case }).outlives,
            Some(false)
        );
    }

    #[test]
    fn r030_who_stays_where_others_came_and_went_was_forgotten() {
        let (request, served) = (Request::default(), Moment::default());
        let mut lives = Lives::default();
        for seconds in [2, 5, 3] {
            assert_eq!(Outlives::of(&Case { lives, ..case(&request, &served) }).outlives, None);
            lives.ended(SECOND * seconds);
        }
        let case = Case { lives, ..case(&request, &served) };
        let answer = Outlives::of(&case);
        assert_eq!(answer.outlives, Some(true));
        assert_eq!(answer.because.unwrap(), "3 others like it lived 5s at most, this one 1m");
        assert_eq!(Outlives::of(&Case { age: SECOND * 20, ..case }).outlives, None);
        let orphan = Case { owner_is_there: Some(false), age: SECOND, ..case };
        assert_eq!(Outlives::of(&orphan).outlives, Some(true));
    }

    #[test]
    fn nothing_known_is_unknown() {
        let (request, served) = (Request::default(), Moment::default());
        assert_eq!(Outlives::of(&case(&request, &served)), Outlives::default());
    }
}
