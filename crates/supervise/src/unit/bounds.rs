//! Limits resolved to numbers, and what it means to cross one.

use scupper_model::{Bytes, LimitLevel, Limits, Resource};

/// The soft and hard bound of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Drain and replace above this.
    pub soft: Option<u64>,
    /// KILL at once above this.
    pub hard: Option<u64>,
}

impl Bound {
    /// The level that a value is above; hard beats soft.
    pub fn crossed(self, value: u64) -> Option<(LimitLevel, u64)> {
        match (self.hard, self.soft) {
            (Some(hard), _) if value > hard => Some((LimitLevel::Hard, hard)),
            (_, Some(soft)) if value > soft => Some((LimitLevel::Soft, soft)),
            _ => None,
        }
    }

    /// The nearest limit that a value has not yet crossed.
    pub fn next_above(self, value: u64) -> Option<u64> {
        [self.soft, self.hard].into_iter().flatten().filter(|&limit| limit >= value).min()
    }
}

/// All bounds of a unit, in the order of [`Resource::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds([Bound; 5]);

impl Bounds {
    /// Resolves percentages against `whole`: the memory limit of the own cgroup, or the host's memory. A percentage
    /// of an unknown whole is no bound.
    pub fn resolve(limits: &Limits, whole: Option<Bytes>) -> Self {
        Self(Resource::ALL.map(|resource| match resource {
            Resource::Memory => {
                let bytes =
                    |size: Option<scupper_model::Size>| size.and_then(|s| s.resolve(whole)).map(|b| b.0);
                Bound { soft: bytes(limits.mem_soft), hard: bytes(limits.mem_hard) }
            }
            other => {
                let (soft, hard) = limits.counts(other);
                Bound { soft, hard }
            }
        }))
    }

    /// The bound of one resource.
    pub fn of(&self, resource: Resource) -> Bound {
        self.0[resource as usize]
    }

    /// Whether a resource other than memory is limited, so that it has to be counted at every look.
    pub fn counts(&self, resource: Resource) -> bool {
        self.of(resource) != Bound::default()
    }
}

/// Why a pair of limits makes no sense, if it does not: soft above hard.
pub fn contradiction(limits: &Limits) -> Option<String> {
    use scupper_model::Size::{Absolute, Percent};
    match (limits.mem_soft, limits.mem_hard) {
        (Some(Absolute(soft)), Some(Absolute(hard))) if soft > hard => {
            return Some(format!("the soft memory limit ({soft}) is above the hard one ({hard})"));
        }
        (Some(Percent(soft)), Some(Percent(hard))) if soft > hard => {
            return Some(format!("the soft memory limit ({soft}%) is above the hard one ({hard}%)"));
        }
        _ => {}
    }
    Resource::ALL.into_iter().find_map(|resource| match limits.counts(resource) {
        (Some(soft), Some(hard)) if soft > hard => {
            Some(format!("the soft limit of {resource} ({soft}) is above the hard one ({hard})"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use scupper_model::Size;

    #[test]
    fn hard_beats_soft_and_the_limit_itself_is_allowed() {
        let bound = Bound { soft: Some(100), hard: Some(200) };
        assert_eq!(bound.crossed(100), None);
        assert_eq!(bound.crossed(101), Some((LimitLevel::Soft, 100)));
        assert_eq!(bound.crossed(200), Some((LimitLevel::Soft, 100)));
        assert_eq!(bound.crossed(201), Some((LimitLevel::Hard, 200)));
        assert_eq!(bound.next_above(150), Some(200));
    }

    /// R043: percent of cgroup or host, or bytes.
    #[test]
    fn percentages_are_of_the_whole() {
        let limits = Limits {
            mem_soft: Some(Size::Percent(50.0)),
            mem_hard: Some(Size::Absolute(Bytes(900))),
            ..Limits::default()
        };
        let bound = Bounds::resolve(&limits, Some(Bytes(1000))).of(Resource::Memory);
        assert_eq!(bound, Bound { soft: Some(500), hard: Some(900) });
        assert_eq!(Bounds::resolve(&limits, None).of(Resource::Memory).soft, None);
    }

    #[test]
    fn soft_above_hard_is_a_contradiction() {
        let limits = Limits { fds: (Some(10), Some(5)), ..Limits::default() };
        assert!(contradiction(&limits).is_some_and(|text| text.contains("descriptors")));
        assert_eq!(contradiction(&Limits::default()), None);
    }
}
