//! `plan`: an inbox of notes, and a plan for each.

use std::path::PathBuf;

use clap::Args;
use scupper_model::Timestamp;

use super::STATE_HELP;

/// What `plan` is told.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "Examples:\n  \
    scupper plan ~/AI_Employee_Vault --dry-run\n  \
    scupper plan ~/AI_Employee_Vault\n  \
    scupper plan vault --watch\n  \
    scupper plan vault --json | jq '.notes[] | {file, task_type, priority, needs_triage}'\n  \
    scupper plan vault --compat --now '2026-02-27 10:45:30'")]
pub(crate) struct PlanArgs {
    /// The folder that holds Inbox/
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// Go on: make a plan for each note as it comes, until TERM or ^C
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Judge and write as the tool did that made the first plans, to the byte
    #[arg(long)]
    pub compat: bool,
    /// Take this for the local time
    #[arg(long, value_name = "YYYY-MM-DD HH:MM:SS", value_parser = moment)]
    pub now: Option<Moment>,
    /// Print JSON; with --watch one object a line
    #[arg(long)]
    pub json: bool,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

/// A moment as it was written, and as all else counts it.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// `YYYY-MM-DD HH:MM:SS`.
    pub text: String,
    pub at: Timestamp,
}

fn moment(text: &str) -> Result<Moment, String> {
    let advice = || format!("`{text}` is no time: write '2026-02-27 10:45:30'");
    let form = "dddd-dd-dd dd:dd:dd";
    let fits = text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            mark => byte == mark,
        });
    if !fits {
        return Err(advice());
    }
    let local: jiff::civil::DateTime = text.parse().map_err(|_| advice())?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::system()).map_err(|_| advice())?;
    let at = u64::try_from(zoned.timestamp().as_millisecond()).map_err(|_| advice())?;
    Ok(Moment { text: text.to_owned(), at: Timestamp(at) })
}

/// A moment of the wall clock as local time, `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn local(at: Timestamp) -> Moment {
    let milliseconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    let stamp = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    let text = stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    Moment { text, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_one_form() {
        assert_eq!(moment("2026-02-27 10:45:30").unwrap().text, "2026-02-27 10:45:30");
        for text in [
            "2026-02-27",
            "2026-02-27T10:45:30",
            "2026-02-30 10:45:30",
            "2026-02-27 10:45:61",
            "1969-01-01 00:00:00",
            "x",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
        let noon = moment("2026-02-27 12:00:00").unwrap();
        assert_eq!(local(noon.at).text, noon.text);
    }
}
