//! Many workers of one build: who grows unlike the others, and what a sum over them really grew (R105).
//!
//! One worker that grows where its equals do not has met something they have not. All that grow alike have a leak in
//! common, or a load in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::{median, to_f64};

/// Equals it takes to say what is usual among them.
const LEAST_MEMBERS: usize = 4;
/// An outlier by the modified z-score, 0.6745 (x - median) / MAD, above 3.5 (Iglewicz & Hoaglin 1993).
const UNLIKE: f64 = 3.5;
/// The median absolute deviation of a normal distribution, by its standard deviation.
const MAD: f64 = 0.6745;

/// How a member grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub id: String,
    /// Its slope, in units per hour.
    pub slope_per_hour: f64,
}

/// A member that grows unlike the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unlike {
    /// Who.
    pub id: String,
    /// Its slope, in units per hour.
    pub slope_per_hour: f64,
    /// The median slope of all.
    pub usual_per_hour: f64,
    /// Its modified z-score.
    pub score: f64,
}

/// Members that grow faster than the others do, the fastest first. Slopes that differ by less than `least` units per hour do not
/// differ.
pub fn unlike(members: &[Member], least: f64) -> Vec<Unlike> {
    let mut slopes: Vec<f64> = members.iter().map(|m| m.slope_per_hour).filter(|s| s.is_finite()).collect();
    if slopes.len() < LEAST_MEMBERS {
        return Vec::new();
    }
    let Some(usual) = median(&mut slopes) else { return Vec::new() };
    let mut deviations: Vec<f64> = slopes.iter().map(|slope| (slope - usual).abs()).collect();
    // Where more than half are equal the median deviation is 0: the mean deviation, scaled alike, takes its place.
    let mean = deviations.iter().sum::<f64>() / to_f64(deviations.len()) * 1.2533 * MAD;
    let spread = median(&mut deviations).filter(|mad| *mad > 0.0).unwrap_or(mean);
    let mut found: Vec<Unlike> = members
        .iter()
        .filter(|member| member.slope_per_hour - usual >= least && spread > 0.0)
        .map(|member| Unlike {
            id: member.id.clone(),
            slope_per_hour: member.slope_per_hour,
            usual_per_hour: usual,
            score: MAD * (member.slope_per_hour - usual) / spread,
        })
        .filter(|found| found.score > UNLIKE)
        .collect();
    found.sort_by(|a, b| b.slope_per_hour.total_cmp(&a.slope_per_hour));
    found
}

/// What a fleet grew by between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Sum over the members present at both.
    pub baseline: u64,
    /// The same members now.
    pub current: u64,
    /// The difference.
    pub growth: i64,
    /// In percent of the baseline; 0 where the baseline is.
    pub growth_percent: f64,
    /// Members present at both.
    pub members: usize,
    /// Members that came.
    pub joined: usize,
    /// Members that went.
    pub left: usize,
}

impl Growth {
    /// The growth from `before` to `now`. Who came or went in between has not grown: it came or went.
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    pub fn between(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Self {
        let both = || before.iter().filter_map(|(id, before)| Some((*before, *now.get(id)?)));
        let baseline = both().fold(0_u64, |sum, (before, _)| sum.saturating_add(before));
        let current = both().fold(0_u64, |sum, (_, now)| sum.saturating_add(now));
        let growth = i64::try_from(i128::from(current) - i128::from(baseline));
        let growth = growth.unwrap_or(if current > baseline { i64::MAX } else { i64::MIN });
        let members = both().count();
        Self {
            baseline,
            current,
            growth,
            growth_percent: if baseline == 0 { 0.0 } else { growth as f64 / baseline as f64 * 100.0 },
            members,
            joined: now.len() - members,
            left: before.len() - members,
        }
    }

    /// Whether that is more than is allowed; as much as is allowed is not.
    pub fn exceeds(&self, allowed: u64) -> bool {
        u64::try_from(self.growth).is_ok_and(|growth| growth > allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn members(slopes: &[f64]) -> Vec<Member> {
        slopes
            .iter()
            .enumerate()
            .map(|(i, slope)| Member { id: i.to_string(), slope_per_hour: *slope })
            .collect()
    }

    #[test]
    fn the_one_that_grows_unlike_the_others_is_named() {
        let found = unlike(&members(&[0.1 * MB, -0.2 * MB, 40.0 * MB, 0.3 * MB, 0.0, 0.2 * MB]), MB);
        assert_eq!(found.iter().map(|u| u.id.as_str()).collect::<Vec<_>>(), ["2"]);
        assert!(found[0].score > 50.0 && (found[0].usual_per_hour / MB - 0.15).abs() < 1e-9);
    }

    #[test]
    fn all_that_grow_alike_have_no_outlier_and_few_are_no_fleet() {
        assert_eq!(unlike(&members(&[40.0 * MB, 41.0 * MB, 39.0 * MB, 40.5 * MB]), MB), []);
        assert_eq!(unlike(&members(&[0.0, 0.0, 40.0 * MB]), MB), []);
        assert_eq!(
            unlike(&members(&[0.0, 0.0, f64::NAN, 1.0, 0.5 * MB]), MB),
            [],
            "less than is worth a word"
        );
    }

    #[test]
    fn equal_ones_and_one_unlike_them() {
        let found = unlike(&members(&[0.0, 0.0, 0.0, 0.0, 0.0, 9.0 * MB]), MB);
        assert_eq!(found.len(), 1);
    }

    fn fleet(sizes: &[(&str, u64)]) -> BTreeMap<String, u64> {
        sizes.iter().map(|(id, size)| ((*id).to_owned(), *size)).collect()
    }

    #[test]
    fn r105_members_that_come_are_no_growth() {
        const ALLOWED: u64 = 104_857_600;
        let before = fleet(&[("a", 1000), ("b", 2000), ("gone", 5_000_000_000)]);
        let mut now = fleet(&[("a", 1000), ("b", 2000 + ALLOWED)]);
        for i in 0..5 {
            now.insert(format!("new-{i}"), 1_000_000_000);
        }
        let growth = Growth::between(&before, &now);
        assert_eq!((growth.members, growth.joined, growth.left), (2, 5, 1));
        assert_eq!(growth.growth, 104_857_600);
        assert!(!growth.exceeds(ALLOWED), "strictly more");
        now.insert("b".into(), 2001 + ALLOWED);
        assert!(Growth::between(&before, &now).exceeds(ALLOWED));
    }

    #[test]
    fn r105_the_percentage_is_safe_at_zero() {
        let growth = Growth::between(&fleet(&[("a", 0)]), &fleet(&[("a", 500)]));
        assert_eq!((growth.growth, growth.growth_percent), (500, 0.0));
        let most = Growth::between(&fleet(&[("a", u64::MAX), ("b", 1)]), &fleet(&[("a", 0), ("b", 0)]));
        assert_eq!(most.growth, i64::MIN);
        assert_eq!(Growth::between(&fleet(&[]), &fleet(&[])), Growth::default());
    }
}
