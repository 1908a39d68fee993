//! The curve of what is suspected first, with its fit, its forecast and what happened meanwhile.

use std::path::Path;

use anyhow::Context;
use scupper_casebook::report::curve::Curve;
use scupper_casebook::suspects::{Cause, Ranking, Suspect};
use scupper_model::{Event, Watched, printable};

use crate::chart;
use crate::documents;
use crate::failure::Failure;

/// Characters of a name that a process gave itself.
const NAME: usize = 40;

/// Writes the picture. Where nothing was recorded of what is suspected first, another series is drawn, and it is said which.
pub(super) fn svg(path: &Path, events: &[Event], ranking: &Ranking) -> Result<Option<String>, Failure> {
    let curves = Curve::all(events);
    let fits = |curve: &Curve| ranking.first().is_some_and(|first| is_of(curve, first));
    let (suspected, others): (Vec<&Curve>, Vec<&Curve>) = curves.iter().partition(|curve| fits(curve));
    let mut ordered = suspected.into_iter().chain(others);
    let Some((curve, drawn)) = ordered.find_map(|curve| Some((curve, chart::recorded(curve, None)?))) else {
        return Err(Failure::usage("nothing to draw: no series of it was recorded")
            .hint("series are recorded when they grow, and when a unit ends"));
    };
    let picture = chart::svg(&[drawn]).context("cannot draw the chart")?;
    documents::write(path, &picture)?;
    Ok((!fits(curve)).then(|| {
        let whose = match (&curve.name, &curve.target) {
            (Some(name), Some(target)) => format!("{} ({target})", printable(name.as_bytes(), NAME)),
            (None, Some(target)) => target.to_string(),
            (_, None) => "the tree".to_owned(),
        };
        format!(
            "of what is suspected first no series was recorded: the picture is of the {} of {whose}",
            curve.series.name().replace('_', " ")
        )
    }))
}

/// Whether a curve is of what is suspected.
fn is_of(curve: &Curve, suspect: &Suspect) -> bool {
    use Watched as Of;
    let series = match suspect.cause {
        Cause::Sockets => {
            matches!(curve.series, Of::Sockets | Of::CloseWait | Of::FinWait2 | Of::Descriptors)
        }
        Cause::ChildTree => {
            matches!(curve.series, Of::Children | Of::Zombies | Of::Browsers | Of::StdioChildren)
        }
        Cause::Threads => curve.series == Of::Threads,
        Cause::DeletedFiles | Cause::Pipes | Cause::Descriptors => curve.series == Of::Descriptors,
        _ => curve.series == Of::Memory,
    };
    let whose = |target| suspect.processes.iter().any(|process| process.identity == target);
    series && curve.points.len() > 2 && curve.target.is_none_or(whose)
}
