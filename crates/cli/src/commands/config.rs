//! `config check` and `config example`.

use std::path::Path;

use serde::Serialize;

use crate::args::{ConfigArgs, ConfigCommand};
use crate::config::{self, Config, Problem};
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: String,
    ok: bool,
    units: Vec<String>,
    problems: &'a [Problem],
}

pub(super) fn run(args: &ConfigArgs, printer: &mut Printer) -> Result<u8, Failure> {
    match &args.command {
        ConfigCommand::Check { file, json } => check(file, *json, printer),
        ConfigCommand::Example => {
            printer.line(config::EXAMPLE)?;
            Ok(0)
        }
    }
}

fn check(file: &Path, json: bool, printer: &mut Printer) -> Result<u8, Failure> {
    match config::read(file)? {
        Ok(config) => {
            show(file, config, json, printer)?;
            Ok(0)
        }
        Err(problem) if json => {
            let file = file.display().to_string();
            let problems = &[problem];
            printer.json(&Report { schema: SCHEMA, file, ok: false, units: Vec::new(), problems })?;
            Ok(FINDINGS)
        }
        Err(problem) => Err(Failure { code: FINDINGS, ..Failure::config(&problem) }),
    }
}

const SCHEMA: &str = "scupper.config_check/1";

fn show(file: &Path, config: Config, json: bool, printer: &mut Printer) -> Result<(), Failure> {
    let specs = config.specs();
    if json {
        let units = specs.iter().map(|spec| spec.name.to_string()).collect();
        let file = file.display().to_string();
        printer.json(&Report { schema: SCHEMA, file, ok: true, units, problems: &[] })?;
    } else {
        for spec in &specs {
            printer.line(&format!("{}: {}", spec.name, config::describe(spec)))?;
        }
    }
    Ok(())
}
