//! `why`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use scupper_model::{Pid, RunId, UnitName, parse_duration};

use super::STATE_HELP;

/// Say what may be leaking, and why that is thought.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper why web                          # the last run of a unit, running or over\n  \
    scupper why 4242                         # one process\n  \
    scupper why ISS-0007                     # what an incident was opened for\n  \
    scupper why web --since 24h              # all its runs of a day\n  \
    scupper why web --svg why.svg            # draw the curve of what is suspected first\n  \
    scupper why web --json | jq '.suspects[0]'\n\n\
    A score is a sum of evidence, no probability.\n\n\
    Exit codes: 0 nothing leaks, 1 something is suspected, 2 it cannot be told, or could not look.")]
pub(crate) struct WhyArgs {
    /// A unit, a process, an incident (ISS-0007) or a run (its id)
    #[arg(value_name = "UNIT|PID|ID")]
    pub asked: Asked,
    /// Of a unit: every run of the last TIME, such as 24h, instead of the last run
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// Draw the curve of what is suspected first
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
    /// Where incidents are kept [default: `incidents` in the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
}

/// What is asked about. A number is a process, `ISS-` begins an incident, 32 hexadecimal digits are a run, and all else is a
/// unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A process.
    Process(Pid),
    /// An incident.
    Incident(String),
    /// A run of a unit.
    Run(RunId),
    /// A unit.
    Unit(UnitName),
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(number) = text.strip_prefix("ISS-") {
            let digits =
                !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit());
            return if digits {
                Ok(Self::Incident(text.to_owned()))
            } else {
                Err("an incident is ISS- and a number, such as ISS-0007".to_owned())
            };
        }
        if text.len() == 32
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && let Ok(run) = text.parse()
        {
            return Ok(Self::Run(run));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Self::Process).map_err(|error| format!("{error}"));
        }
        text.parse().map(Self::Unit).map_err(|error| format!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_told_by_its_form() {
        let parse = |text: &str| text.parse::<Asked>();
        assert_eq!(parse("4242"), Ok(Asked::Process(Pid::new(4242).unwrap())));
        assert_eq!(parse("ISS-0007"), Ok(Asked::Incident("ISS-0007".into())));
        assert_eq!(parse("web-2"), Ok(Asked::Unit("web-2".parse().unwrap())));
        let run = "0199f0aa0199f0aa0199f0aa0199f0aa";
        assert_eq!(parse(run), Ok(Asked::Run(run.parse().unwrap())));
        for bad in ["", "0", "99999999999999", "ISS-", "ISS-x", "ISS-../../etc", "a b", ".hidden", "-x"] {
            assert!(parse(bad).is_err() || bad == "-x", "{bad}");
        }
    }
}
