//! Many workers of one build: who grows unlike the others (R105).
//!
//! One worker that grows where its equals do not has met something they have not. All that grow alike have a leak in
//! common, or a load in common.

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
}
