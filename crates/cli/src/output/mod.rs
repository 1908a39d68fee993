//! What people and programs read: the one printer, tables, and log lines.

pub(crate) mod figures;
mod logfmt;
mod printer;
mod table;

pub(crate) use logfmt::{ascii_json, log_fact, log_line, remark};
pub(crate) use printer::{Printer, Unwritten};
pub(crate) use table::Table;
