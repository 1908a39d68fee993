//! `scupper.toml`, and the settings it shares with the flags.
//!
//! [`mod@file`] reads it, [`problem`] says where it is wrong, [`settings`] is what flags and file have in common, and
//! [`values`] are their notations. [`mod@user`] is what a user has set for every scupper.

mod file;
mod problem;
mod server_name;
mod settings;
mod user;
mod values;

pub(crate) use file::{Config, Output, read};
pub(crate) use problem::Problem;
pub(crate) use settings::{UnitSettings, describe};
pub(crate) use user::{user, user_where_readable};
pub(crate) use values::{
    Address, CgroupMode, Counts, Grow, HorizonMode, Lifetime, LogFormat, OnParentExit, Opens,
};

/// Where the configuration is looked for when nothing is said.
pub(crate) const DEFAULT_FILE: &str = "scupper.toml";

/// A commented example that `scupper config example` prints.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");
