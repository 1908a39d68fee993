//! Columns that are equals, workers of one build, and who of them grows unlike the others.

use scupper_detect::fleet::{self, Member, Unlike};
use scupper_detect::{Quantity, Verdict};
use scupper_recording::{Format, KNOWN, Recording};

use super::finding::Finding;

/// A column that grows unlike its equals.
#[derive(Debug)]
pub(super) struct Outlier {
    pub unlike: Unlike,
    pub quantity: Quantity,
}

/// Who grows unlike the others, the fastest of each kind first.
pub(super) fn unlike(recording: &Recording, findings: &[Finding<'_>]) -> Vec<Outlier> {
    let mut kinds: Vec<((Quantity, &str), Vec<Member>)> = Vec::new();
    for finding in findings {
        let (Some(kind), Some(member)) = (kind(recording.format, finding), member(finding)) else { continue };
        match kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, members)) => members.push(member),
            None => kinds.push((kind, vec![member])),
        }
    }
    let outliers = |((quantity, _), members): ((Quantity, &str), Vec<Member>)| {
        fleet::unlike(&members, least(quantity)).into_iter().map(move |unlike| Outlier { unlike, quantity })
    };
    kinds.into_iter().flat_map(outliers).collect()
}

/// What it is an equal in: of Prometheus the metric; of other recordings every column whose name is no known one, for
/// `rss_bytes` and `tree_rss_bytes` are two numbers of one process.
fn kind<'f>(format: Format, finding: &'f Finding<'_>) -> Option<(Quantity, &'f str)> {
    let name = finding.column.name.as_str();
    let metric = match format {
        Format::Prometheus => name.split('{').next().unwrap_or_default(),
        Format::Csv | Format::JsonLines => "",
    };
    let is_known = metric.is_empty() && KNOWN.iter().any(|(known, _)| *known == name);
    finding.quantity.filter(|_| !is_known).map(|quantity| (quantity, metric))
}

/// Its slope; none where too little was seen of it.
fn member(finding: &Finding<'_>) -> Option<Member> {
    let assessment = &finding.assessment;
    let slope = assessment.slope.map(|slope| slope.per_hour);
    let slope = slope.or_else(|| (assessment.verdict == Verdict::Stable).then_some(0.0))?;
    Some(Member { id: finding.column.name.clone(), slope_per_hour: slope })
}

/// Slopes that differ by less, per hour, do not differ.
const fn least(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Bytes => 1_048_576.0,
        Quantity::Count => 1.0,
        Quantity::Percent => 0.1,
    }
}
