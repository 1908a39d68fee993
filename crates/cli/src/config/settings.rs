//! The settings of one unit, from flags or from a file: the same names, the same checks, one way to a [`UnitSpec`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use scupper_detect::Horizon;
use scupper_model::{
    ChildLifetime, Limits, Policy, Profile, RecyclePolicy, RestartPolicy, Size, UnitName, UnitSpec,
    format_duration,
};

use crate::agent::{AgentSettings, AgentSettingsError};

use super::server_name::server_name;
use super::values::{Counts, Grow, HorizonMode, Lifetime};

/// Time between TERM and KILL where nothing else is said.
const GRACE: Duration = Duration::from_secs(30);
/// The same for an MCP server, whose client is gone already.
const MCP_GRACE: Duration = Duration::from_secs(2);
/// How long a helper of `--profile worker` may live where nothing else is said.
const WORKER_HELPER_LIFETIME: Duration = Duration::from_mins(5);

/// What was said about a unit. What was not said is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnitSettings {
    pub name: Option<UnitName>,
    pub command: Vec<OsString>,
    pub directory: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    pub profile: Option<Profile>,
    pub policy: Option<Policy>,
    pub mem_soft: Option<Size>,
    pub mem_hard: Option<Size>,
    pub max_fds: Option<Counts>,
    pub max_threads: Option<Counts>,
    pub max_children: Option<Counts>,
    pub max_sockets: Option<Counts>,
    pub grace: Option<Duration>,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
    pub restart: Option<RestartPolicy>,
    pub no_retry: Option<bool>,
    pub child_lifetime: Vec<Lifetime>,
    pub keep: Vec<String>,
    pub log: Vec<PathBuf>,
    pub cgroup: Option<bool>,
    pub grow: Option<Grow>,
    pub horizon: Option<HorizonMode>,
    pub recycle: Option<RecyclePolicy>,
    pub fail_on_leak: Option<bool>,
    pub agent: AgentSettings,
}

/// Two settings that cannot both hold, or one that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// The setting to point at, as it is called in a file.
    pub key: &'static str,
    /// What is wrong, with `{a}` in it where settings are called what they are called here.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl UnitSettings {
    /// These settings, and for what they leave open those of `base`. Environments are joined.
    pub(crate) fn over(self, base: Self) -> Self {
        let lists = |ours: Vec<_>, theirs| if ours.is_empty() { theirs } else { ours };
        Self {
            name: self.name.or(base.name),
            command: lists(self.command, base.command),
            directory: self.directory.or(base.directory),
            environment: base.environment.into_iter().chain(self.environment).collect(),
            profile: self.profile.or(base.profile),
            policy: self.policy.or(base.policy),
            mem_soft: self.mem_soft.or(base.mem_soft),
            mem_hard: self.mem_hard.or(base.mem_hard),
            max_fds: self.max_fds.or(base.max_fds),
            max_threads: self.max_threads.or(base.max_threads),
            max_children: self.max_children.or(base.max_children),
            max_sockets: self.max_sockets.or(base.max_sockets),
            grace: self.grace.or(base.grace),
            idle: self.idle.or(base.idle),
            lifetime: self.lifetime.or(base.lifetime),
            restart: self.restart.or(base.restart),
            no_retry: self.no_retry.or(base.no_retry),
            child_lifetime: if self.child_lifetime.is_empty() {
                base.child_lifetime
            } else {
                self.child_lifetime
            },
            keep: if self.keep.is_empty() { base.keep } else { self.keep },
            log: if self.log.is_empty() { base.log } else { self.log },
            cgroup: self.cgroup.or(base.cgroup),
            grow: self.grow.or(base.grow),
            horizon: self.horizon.or(base.horizon),
            recycle: self.recycle.or(base.recycle),
            fail_on_leak: self.fail_on_leak.or(base.fail_on_leak),
            agent: self.agent.over(base.agent),
        }
    }

    /// The first thing that cannot hold. `called` says what a setting is called where it was written.
    pub(crate) fn contradiction(&self, called: impl Fn(&str) -> String) -> Option<Contradiction> {
        const BELOW: &str = "the soft limit drains and replaces before the hard one kills: set it lower";
        let above = |soft_key, soft: String, hard_key, hard: String| Contradiction {
            key: soft_key,
            message: format!("{} ({soft}) is above {} ({hard})", called(soft_key), called(hard_key)),
            hint: BELOW,
        };
        match (self.mem_soft, self.mem_hard) {
            (Some(soft @ Size::Absolute(a)), Some(hard @ Size::Absolute(b))) if a > b => {
                return Some(above("mem_soft", soft.to_string(), "mem_hard", hard.to_string()));
            }
            (Some(soft @ Size::Percent(a)), Some(hard @ Size::Percent(b))) if a > b => {
                return Some(above("mem_soft", soft.to_string(), "mem_hard", hard.to_string()));
            }
            _ => {}
        }
        if let Some(AgentSettingsError { key, message, hint }) = self.agent.contradiction(&called) {
            return Some(Contradiction { key, message, hint });
        }
        for (key, time) in [("idle", self.idle), ("lifetime", self.lifetime)] {
            if time.is_some_and(|time| time.is_zero()) {
                let message = format!("{} is 0: it would end at once", called(key));
                return Some(Contradiction {
                    key,
                    message,
                    hint: "write a time such as 30m, or leave it out",
                });
            }
        }
        let counts = [
            ("max_fds", self.max_fds),
            ("max_threads", self.max_threads),
            ("max_children", self.max_children),
            ("max_sockets", self.max_sockets),
        ];
        counts.into_iter().find_map(|(key, counts)| {
            let (soft, hard) = (counts?.soft?, counts?.hard?);
            (soft > hard).then(|| Contradiction {
                key,
                message: format!("{}: the soft limit {soft} is above the hard limit {hard}", called(key)),
                hint: BELOW,
            })
        })
    }

    /// The unit, with every default in place. `None` where there is no command.
    pub(crate) fn spec(self) -> Option<UnitSpec> {
        self.command.first()?;
        let counts =
            |counts: Option<Counts>| counts.map_or((None, None), |counts| (counts.soft, counts.hard));
        let profile = self.profile.unwrap_or_default();
        let fail_on_leak = self.fail_on_leak.unwrap_or(false);
        // A test has an end: who wants to know by then whether it leaks wants it judged by then.
        let short = if fail_on_leak { Horizon::Short } else { Horizon::Long };
        Some(UnitSpec {
            name_is_derived: self.name.is_none(),
            name: self.name.clone().unwrap_or_else(|| name_of(&self.command, profile)),
            directory: self.directory,
            environment: self.environment,
            profile,
            policy: self.policy.unwrap_or_default(),
            limits: Limits {
                mem_soft: self.mem_soft,
                mem_hard: self.mem_hard,
                fds: counts(self.max_fds),
                threads: counts(self.max_threads),
                children: counts(self.max_children),
                sockets: counts(self.max_sockets),
            },
            grace: self.grace.unwrap_or(if profile == Profile::Mcp { MCP_GRACE } else { GRACE }),
            idle: self.idle,
            lifetime: self.lifetime,
            restart: self.restart.unwrap_or_default(),
            retry_after_giving_up: !self.no_retry.unwrap_or(false),
            child_lifetimes: child_lifetimes(profile, self.child_lifetime),
            keep: self.keep,
            logs: self.log,
            cgroup: self.cgroup.unwrap_or(true),
            grow: self.grow.map(Into::into),
            horizon: self.horizon.map_or(short, Into::into),
            recycle: self.recycle.unwrap_or_default(),
            fail_on_leak,
            agent: self.agent.id.as_ref().map(ToString::to_string),
            command: self.command,
        })
    }
}

/// What a command is called where nobody says.
fn name_of(command: &[OsString], profile: Profile) -> UnitName {
    if profile == Profile::Mcp {
        let words: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return UnitName::from_command(&server_name(&words));
    }
    UnitName::from_command(&command.first().map(|program| program.to_string_lossy()).unwrap_or_default())
}

/// The lifetimes in the order they are tried. In profile `worker` every other helper lives five minutes, unless a
/// pattern `*` or the word `off` says otherwise.
fn child_lifetimes(profile: Profile, said: Vec<Lifetime>) -> Vec<ChildLifetime> {
    let off = said.contains(&Lifetime::Off);
    let mut lifetimes: Vec<ChildLifetime> = said
        .into_iter()
        .filter_map(|lifetime| match lifetime {
            Lifetime::Of { pattern, lifetime } => Some(ChildLifetime { pattern, lifetime }),
            Lifetime::Off => None,
        })
        .collect();
    if profile == Profile::Worker && !off && lifetimes.iter().all(|lifetime| lifetime.pattern != "*") {
        lifetimes.push(ChildLifetime { pattern: "*".to_owned(), lifetime: WORKER_HELPER_LIFETIME });
    }
    lifetimes
}

/// A unit in a few words, for `config check`.
pub(crate) fn describe(spec: &UnitSpec) -> String {
    let mut words = vec![format!("profile {}", spec.profile.name())];
    let limit = |name: &str, size: Option<Size>| size.map(|size| format!("{name} {size}"));
    words.extend(limit("soft", spec.limits.mem_soft));
    words.extend(limit("hard", spec.limits.mem_hard));
    words.push(format!("grace {}", format_duration(spec.grace)));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> UnitSettings {
        UnitSettings {
            command: vec!["/usr/bin/gunicorn".into(), "app:app".into()],
            ..UnitSettings::default()
        }
    }

    fn spec(settings: UnitSettings) -> UnitSpec {
        settings.spec().unwrap()
    }

    #[test]
    fn a_bare_command_gets_every_default() {
        let unit = spec(settings());
        assert_eq!(unit.name.as_str(), "gunicorn");
        assert!(unit.name_is_derived);
        assert_eq!((unit.grace, unit.policy, unit.restart), (GRACE, Policy::Kill, RestartPolicy::Never));
        assert!(unit.retry_after_giving_up && unit.cgroup && unit.child_lifetimes.is_empty());
        assert!(!unit.limits.any());
        assert_eq!((unit.grow, unit.horizon, unit.recycle), (None, Horizon::Long, RecyclePolicy::Never));
        assert!(!unit.fail_on_leak);
        assert_eq!((unit.idle, unit.lifetime), (None, None));
        assert_eq!(UnitSettings::default().spec(), None);
    }

    #[test]
    fn an_mcp_server_has_a_short_grace_unless_told_otherwise() {
        let mcp = |grace| spec(UnitSettings { profile: Some(Profile::Mcp), grace, ..settings() }).grace;
        assert_eq!(mcp(None), MCP_GRACE);
        assert_eq!(mcp(Some(GRACE)), GRACE);
    }

    #[test]
    fn a_test_is_judged_by_its_end_unless_told_otherwise() {
        let test = || UnitSettings { fail_on_leak: Some(true), ..settings() };
        assert_eq!(spec(test()).horizon, Horizon::Short);
        let long = UnitSettings { horizon: Some(HorizonMode::Long), ..test() };
        assert_eq!(spec(long).horizon, Horizon::Long);
    }

    #[test]
    fn helpers_of_workers_live_five_minutes_unless_told_otherwise() {
        let of = |texts: &[&str]| {
            let child_lifetime = texts.iter().map(|text| text.parse().unwrap()).collect();
            let unit = spec(UnitSettings { profile: Some(Profile::Worker), child_lifetime, ..settings() });
            let shown =
                unit.child_lifetimes.iter().map(|l| format!("{}={}", l.pattern, format_duration(l.lifetime)));
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[]), "*=5m");
        assert_eq!(of(&["chrome=15m"]), "chrome=15m *=5m");
        assert_eq!(of(&["*=1h"]), "*=1h");
        assert_eq!(of(&["off", "chrome=15m"]), "chrome=15m");
        assert_eq!(of(&["off"]), "");
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = UnitSettings {
            name: Some("web".parse().unwrap()),
            grace: Some(Duration::from_secs(5)),
            keep: vec!["tmux".into()],
            environment: vec![("A".into(), "1".into())],
            ..settings()
        };
        let flags = UnitSettings {
            grace: Some(Duration::from_secs(9)),
            environment: vec![("A".into(), "2".into())],
            ..UnitSettings::default()
        };
        let unit = spec(flags.over(file));
        assert_eq!((unit.name.as_str(), unit.grace.as_secs()), ("web", 9));
        assert_eq!(unit.keep, ["tmux"]);
        assert_eq!(unit.environment.last().unwrap().1, "2");
    }

    #[test]
    fn soft_above_hard_is_a_contradiction_only_where_both_can_be_compared() {
        let with = |soft: &str, hard: &str| {
            let (mem_soft, mem_hard) = (soft.parse().ok(), hard.parse().ok());
            UnitSettings { mem_soft, mem_hard, ..settings() }.contradiction(str::to_owned).map(|c| c.message)
        };
        assert_eq!(with("2G", "1G").unwrap(), "mem_soft (2GiB) is above mem_hard (1GiB)");
        assert_eq!(with("90%", "80%").unwrap(), "mem_soft (90%) is above mem_hard (80%)");
        assert_eq!(with("1G", "1G"), None);
        assert_eq!(with("90%", "1M"), None);
        let at_once = UnitSettings { idle: Some(Duration::ZERO), ..settings() };
        assert_eq!(at_once.contradiction(str::to_owned).unwrap().message, "idle is 0: it would end at once");
        let counts = UnitSettings { max_fds: "20:10".parse().ok(), ..settings() };
        assert_eq!(counts.contradiction(str::to_owned).unwrap().key, "max_fds");
    }
}
