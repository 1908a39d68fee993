//! `replay`: a unit's policy on what was recorded.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use scupper_model::{Bytes, UnitName, parse_duration};
use scupper_supervise::replay::{After, Drains};

use super::analyze::FormatWord;
use super::run::UnitFlags;

/// What `replay` is told.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper replay [FLAGS] FILE|-",
    after_help = "Examples:\n  \
        scupper replay rss.csv --mem-soft 450M --mem-hard 600M\n  \
        scupper replay rss.csv --recycle on-leak --mem-hard 2G --json | jq .summary\n  \
        scupper replay week.csv --unit web --mem-soft 80% --host-memory 4G    # web of scupper.toml\n  \
        scupper replay rss.csv --mem-soft 450M --drains-in never --grace 10s\n  \
        curl -s 'http://localhost:9090/api/v1/query_range?query=process_resident_memory_bytes&...' \\\n    \
        | scupper replay - --mem-hard 1G --restart always"
)]
pub(crate) struct ReplayArgs {
    /// The recording; - for stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Take the settings of this unit of scupper.toml; flags win over them
    #[arg(long, value_name = "NAME")]
    pub unit: Option<UnitName>,
    /// The file in which --unit is looked for
    #[arg(long, value_name = "FILE", requires = "unit", default_value = crate::config::DEFAULT_FILE)]
    pub config: PathBuf,
    /// What the recording means once its process was replaced
    #[arg(long, value_enum, default_value = "restart")]
    after: AfterWord,
    /// How long the command takes to end on TERM; `never` for one that ignores it
    #[arg(long, value_name = "TIME|never", value_parser = drains, default_value = "1s")]
    pub drains_in: Drains,
    /// Memory of the machine: what limits in % are of, and what is forecast where no limit is set
    #[arg(long, value_name = "SIZE")]
    pub host_memory: Option<Bytes>,
    /// Only this column or series (repeatable)
    #[arg(long, value_name = "NAME")]
    column: Vec<String>,
    /// The column that holds the time, in seconds or as RFC 3339 [default: seconds, or at]
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// How the recording is written [default: as its beginning looks]
    #[arg(long, value_enum)]
    format: Option<FormatWord>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: UnitFlags,
}

impl ReplayArgs {
    /// What to look for in the recording.
    pub(crate) fn options(&self) -> scupper_recording::Options {
        scupper_recording::Options {
            format: self.format.map(Into::into),
            time: self.time.clone(),
            columns: self.column.clone(),
            quantity: None,
        }
    }

    /// What comes after the process was replaced.
    pub(crate) fn after(&self) -> After {
        self.after.into()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AfterWord {
    /// It begins again where the recording begins, and grows as it did there
    Restart,
    /// The recording goes on as if nothing had been done: what would have been said
    Continue,
    /// Nobody knows: the replay ends with the first signal
    Stop,
}

impl From<AfterWord> for After {
    fn from(word: AfterWord) -> Self {
        match word {
            AfterWord::Restart => Self::Restart,
            AfterWord::Continue => Self::Continue,
            AfterWord::Stop => Self::Stop,
        }
    }
}

fn drains(text: &str) -> Result<Drains, String> {
    if text == "never" {
        return Ok(Drains::Never);
    }
    let time: Duration = parse_duration(text).map_err(|wrong| format!("{wrong}, or `never`"))?;
    Ok(Drains::In(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_in_time_or_never() {
        assert_eq!(drains("never"), Ok(Drains::Never));
        assert_eq!(drains("1m 30s"), Ok(Drains::In(Duration::from_secs(90))));
        assert!(drains("soon").unwrap_err().ends_with(", or `never`"));
    }
}
