//! The curve of what is suspected first, with its fit, its forecast and what happened meanwhile.

use std::path::Path;

use anyhow::Context;
use scupper_casebook::report::curve::Curve;
use scupper_casebook::suspects::{Cause, Ranking, Suspect};
use scupper_model::{Event, Watched};

use crate::chart;
use crate::documents;
use crate::failure::Failure;

/// Writes the picture.
pub(super) fn svg(path: &Path, events: &[Event], ranking: &Ranking) -> Result<(), Failure> {
    let curves = Curve::all(events);
    let fits = |curve: &&Curve| ranking.first().is_some_and(|first| is_of(curve, first));
    let ordered = curves.iter().filter(fits).chain(curves.iter().filter(|curve| !fits(curve)));
    let Some(drawn) = ordered.into_iter().find_map(|curve| chart::recorded(curve, None)) else {
        return Err(Failure::usage("nothing to draw: no series of it was recorded")
            .hint("series are recorded when they grow, and when a unit ends"));
    };
    let picture = chart::svg(&[drawn]).context("cannot draw the chart")?;
    documents::write(path, &picture)?;
    Ok(())
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
