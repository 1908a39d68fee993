//! Reading `scupper.toml`: text in, checked settings or one [`Problem`] out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use scupper_fleet::AgentId;
use scupper_fleet::agent::OnLeaseLost;
use scupper_model::{Policy, Profile, RecyclePolicy, RestartPolicy, Size, UnitName, UnitSpec, printable};
use serde::Deserialize;
use toml::Spanned;

use super::problem::Problem;
use super::settings::UnitSettings;
use super::values::{
    Address, CgroupMode, CommandLine, Counts, Grow, HorizonMode, Lifetime, LogFormat, OnParentExit, Opens,
    Time,
};
use crate::agent::AgentSettings;
use crate::failure::Failure;

/// A file larger than this is no configuration.
const MAX_FILE: u64 = 1 << 20;

/// A whole file, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Its units, in order.
    pub units: Vec<UnitSettings>,
    /// What holds for all of them.
    pub output: Output,
}

/// Where what scupper has to say goes: the settings that are not of one unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Output {
    pub state: Option<PathBuf>,
    pub log_format: Option<LogFormat>,
    pub metrics: Option<Address>,
    pub metrics_public: bool,
    pub on_event: Option<String>,
    pub on_parent_exit: Option<OnParentExit>,
    pub verbose: bool,
    /// What incidents are opened for; what each command says where this is not set.
    pub incident: Option<Opens>,
    /// Where they are kept.
    pub incidents: Option<PathBuf>,
}

impl Output {
    /// These settings, and for what they leave open those of `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            state: self.state.or(base.state),
            log_format: self.log_format.or(base.log_format),
            metrics: self.metrics.or(base.metrics),
            metrics_public: self.metrics_public || base.metrics_public,
            on_event: self.on_event.or(base.on_event),
            on_parent_exit: self.on_parent_exit.or(base.on_parent_exit),
            verbose: self.verbose || base.verbose,
            incident: self.incident.or(base.incident),
            incidents: self.incidents.or(base.incidents),
        }
    }

    /// Metrics name processes: they are shown to other machines only where that was asked for.
    pub(crate) fn metrics_refused(&self) -> Option<String> {
        let Address(address) = self.metrics.filter(|_| !self.metrics_public)?;
        let refused = !address.ip().is_loopback();
        refused.then(|| format!("{address} can be reached from other machines"))
    }
}

impl Config {
    /// The unit of this name.
    pub(crate) fn unit(self, name: &UnitName) -> Option<UnitSettings> {
        self.units.into_iter().find(|unit| unit.name.as_ref() == Some(name))
    }

    /// All units, with every default in place.
    pub(crate) fn specs(self) -> Vec<UnitSpec> {
        self.units.into_iter().filter_map(UnitSettings::spec).collect()
    }
}

/// Reads and checks a file.
pub(crate) fn read(path: &Path) -> Result<Result<Config, Problem>, Failure> {
    let text = read_text(path).map_err(|failure| {
        let is_missing = failure.is(ErrorKind::NotFound);
        if is_missing { failure.hint("`scupper config example` prints one to begin with") } else { failure }
    })?;
    Ok(parse(&path.display().to_string(), &text))
}

/// The text of a configuration file: bounded, and of a regular file.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let context = || format!("cannot read {}", path.display());
    // A FIFO that nobody writes to would be waited for.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::File::options().read(true).custom_flags(nonblocking).open(path).with_context(context)?;
    let kind = file.metadata().with_context(context)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(Failure::usage(format!("cannot read {}: it is no regular file", path.display())));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).with_context(context)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Failure::usage(format!(
            "{} is larger than 1 MiB: is it a scupper.toml?",
            path.display()
        )));
    }
    Ok(text)
}

/// Checks the text of a file.
pub(crate) fn parse(file: &str, text: &str) -> Result<Config, Problem> {
    let parsed: File = toml::from_str(text).map_err(|error| explain(file, text, &error))?;
    parsed.checked(|span, message| Problem::new(file, text, Some(span), message))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state: Option<PathBuf>,
    log_format: Option<LogFormat>,
    metrics: Option<Spanned<Address>>,
    #[serde(default)]
    metrics_public: bool,
    on_event: Option<String>,
    on_parent_exit: Option<OnParentExit>,
    incident: Option<Opens>,
    incidents: Option<PathBuf>,
    #[serde(default)]
    unit: Vec<Unit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    name: Spanned<UnitName>,
    command: CommandLine,
    directory: Option<PathBuf>,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, String>,
    profile: Option<Profile>,
    policy: Option<Policy>,
    mem_soft: Option<Spanned<Size>>,
    mem_hard: Option<Size>,
    max_fds: Option<Spanned<Counts>>,
    max_threads: Option<Spanned<Counts>>,
    max_children: Option<Spanned<Counts>>,
    max_sockets: Option<Spanned<Counts>>,
    grace: Option<Time>,
    idle: Option<Spanned<Time>>,
    lifetime: Option<Spanned<Time>>,
    restart: Option<RestartPolicy>,
    no_retry: Option<bool>,
    #[serde(default)]
    child_lifetime: Vec<Lifetime>,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default)]
    log: Vec<PathBuf>,
    cgroup: Option<CgroupMode>,
    grow: Option<Grow>,
    horizon: Option<HorizonMode>,
    recycle: Option<RecyclePolicy>,
    fail_on_leak: Option<bool>,
    agent: Option<Spanned<AgentId>>,
    registry: Option<Spanned<String>>,
    on_lease_lost: Option<Spanned<OnLeaseLost>>,
    ttl: Option<Spanned<Time>>,
    beat: Option<Spanned<Time>>,
}

impl File {
    fn checked(self, problem: impl Fn(Range<usize>, String) -> Problem) -> Result<Config, Problem> {
        if self.unit.is_empty() {
            let none = problem(0..0, "there is no unit in this file".to_owned());
            return Err(
                none.hint("add [[unit]] with a name and a command; `scupper config example` prints one")
            );
        }
        let mut units: Vec<UnitSettings> = Vec::new();
        for unit in self.unit {
            let name = unit.name.get_ref();
            if units.iter().any(|earlier| earlier.name.as_ref() == Some(name)) {
                let message = format!("there are two units named `{name}`");
                return Err(
                    problem(unit.name.span(), message).hint("names tell units apart: change one of them")
                );
            }
            units.push(unit.checked(&problem)?);
        }
        let output = Output {
            state: self.state,
            log_format: self.log_format,
            metrics: self.metrics.as_ref().map(|metrics| *metrics.get_ref()),
            metrics_public: self.metrics_public,
            on_event: self.on_event,
            on_parent_exit: self.on_parent_exit,
            verbose: false,
            incident: self.incident,
            incidents: self.incidents,
        };
        if let (Some(metrics), Some(message)) = (self.metrics, output.metrics_refused()) {
            return Err(
                problem(metrics.span(), message).hint("add metrics_public = true if that is what you want")
            );
        }
        Ok(Config { units, output })
    }
}

impl Unit {
    fn checked(self, problem: impl Fn(Range<usize>, String) -> Problem) -> Result<UnitSettings, Problem> {
        let bad_name = |name: &str| name.is_empty() || name.contains(['=', '\0']);
        if let Some(name) = self.environment.keys().find(|name| bad_name(name.get_ref())) {
            return Err(problem(
                name.span(),
                "an environment name cannot be empty or contain `=`".to_owned(),
            ));
        }
        let spans = [
            ("mem_soft", self.mem_soft.as_ref().map(Spanned::span)),
            ("max_fds", self.max_fds.as_ref().map(Spanned::span)),
            ("max_threads", self.max_threads.as_ref().map(Spanned::span)),
            ("max_children", self.max_children.as_ref().map(Spanned::span)),
            ("max_sockets", self.max_sockets.as_ref().map(Spanned::span)),
            ("idle", self.idle.as_ref().map(Spanned::span)),
            ("lifetime", self.lifetime.as_ref().map(Spanned::span)),
            ("registry", self.registry.as_ref().map(Spanned::span)),
            ("on_lease_lost", self.on_lease_lost.as_ref().map(Spanned::span)),
            ("ttl", self.ttl.as_ref().map(Spanned::span)),
            ("beat", self.beat.as_ref().map(Spanned::span)),
        ];
        let settings = UnitSettings {
            name: Some(self.name.into_inner()),
            command: self.command.0.into_iter().map(Into::into).collect(),
            directory: self.directory,
            environment: self
                .environment
                .into_iter()
                .map(|(k, v)| (k.into_inner().into(), v.into()))
                .collect(),
            profile: self.profile,
            policy: self.policy,
            mem_soft: self.mem_soft.map(Spanned::into_inner),
            mem_hard: self.mem_hard,
            max_fds: self.max_fds.map(Spanned::into_inner),
            max_threads: self.max_threads.map(Spanned::into_inner),
            max_children: self.max_children.map(Spanned::into_inner),
            max_sockets: self.max_sockets.map(Spanned::into_inner),
            grace: self.grace.map(|grace| grace.0),
            idle: self.idle.map(|idle| idle.into_inner().0),
            lifetime: self.lifetime.map(|lifetime| lifetime.into_inner().0),
            restart: self.restart,
            no_retry: self.no_retry,
            child_lifetime: self.child_lifetime,
            keep: self.keep,
            log: self.log,
            cgroup: self.cgroup.map(|mode| mode == CgroupMode::Auto),
            grow: self.grow,
            horizon: self.horizon,
            recycle: self.recycle,
            fail_on_leak: self.fail_on_leak,
            agent: AgentSettings {
                id: self.agent.map(Spanned::into_inner),
                registry: self.registry.map(Spanned::into_inner),
                on_lease_lost: self.on_lease_lost.map(Spanned::into_inner),
                ttl: self.ttl.map(|ttl| ttl.into_inner().0),
                beat: self.beat.map(|beat| beat.into_inner().0),
                takeover: false,
            },
        };
        match settings.contradiction(str::to_owned) {
            None => Ok(settings),
            Some(contradiction) => {
                let at =
                    spans.into_iter().find(|(key, _)| *key == contradiction.key).and_then(|(_, span)| span);
                Err(problem(at.unwrap_or_default(), contradiction.message).hint(contradiction.hint))
            }
        }
    }
}

/// What the parser says, in the words of this program, with the nearest thing that would have been right.
pub(super) fn explain(file: &str, text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let said: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let problem = |message: String| Problem::new(file, text, error.span(), message);
    match said.split_first() {
        Some((wrong, known)) if message.starts_with("unknown field") => problem(format!(
            "unknown key `{}`",
            printable(wrong.as_bytes(), 60)
        ))
        .hint(nearest(wrong, known, "known keys")),
        Some((wrong, known)) if message.starts_with("unknown variant") => problem(format!(
            "unknown value `{}`",
            printable(wrong.as_bytes(), 60)
        ))
        .hint(nearest(wrong, known, "possible values")),
        Some((key, _)) if message.starts_with("missing field") => {
            problem(format!("this unit has no `{key}`")).hint("every [[unit]] has a name and a command")
        }
        _ => match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
            Some((found, expected)) => {
                let problem = problem(format!("expected {expected}, found {found}"));
                let number = found.starts_with("integer") || found.starts_with("floating");
                let quotes =
                    "write it in quotes; sizes and times with their unit, such as \"450M\" and \"30s\"";
                match (number, expected, found) {
                    (true, "a string", _) => problem.hint(quotes),
                    (_, "a sequence", "map") => problem.hint("there may be several units: write [[unit]]"),
                    _ => problem,
                }
            }
            None => problem(message.to_owned()),
        },
    }
}

fn nearest(wrong: &str, known: &[&str], they_are: &str) -> String {
    let normal = wrong.to_ascii_lowercase().replace('-', "_");
    let scored = known.iter().map(|candidate| (strsim::jaro_winkler(&normal, candidate), candidate));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, candidate)) if score > 0.8 => format!("did you mean `{candidate}`?"),
        _ => format!("{they_are}: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_right() {
        let config = parse("example", crate::config::EXAMPLE).unwrap();
        let uncommented =
            crate::config::EXAMPLE.replace("# metrics", "metrics").replace("# on_event", "on_event");
        assert!(parse("example", &uncommented).unwrap().output.metrics.is_some());
        let units = config.specs();
        assert_eq!(units.len(), 2);
        assert_eq!(units[0].limits.fds, (Some(900), Some(1000)));
        assert_eq!(units[1].child_lifetimes.len(), 2);
    }
}
