//! `detect-bench`: how often the detector is right, how late, and beside whom. Everything that is published about it is
//! printed by one of these commands.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and seconds of a benchmark are far from where a float or an integer ends"
)]
#![allow(missing_docs, reason = "a program, not a library: what needs words has them")]

mod args;
mod baselines;
mod calibration;
mod corpus;
mod cost;
mod detector;
mod founding;
mod random;
mod real;
mod recording;
mod score;
mod statistics;
mod synthetic;
mod table;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Cli, Command, Dump, Real, Score};
use crate::score::Outcome;
use crate::synthetic::{Case, Extent, Shape, Synthetic};

fn main() -> ExitCode {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = run(Cli::parse(), &mut out).and_then(|()| out.flush().context("write the answer"));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed pipe (`| head`) is no failure.
            if error.chain().any(|cause| {
                cause
                    .downcast_ref::<std::io::Error>()
                    .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
            }) {
                return ExitCode::SUCCESS;
            }
            let _ = writeln!(std::io::stderr(), "detect-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, out: &mut dyn Write) -> Result<()> {
    match cli.command {
        Command::Score(score) => run_score(&score, cli.markdown, out),
        Command::Dump(dump) => run_dump(&dump, out),
        Command::Real(real) => run_real(&real, cli.markdown, out),
        Command::Corpus(args) => {
            let request = corpus::Request {
                folder: &args.folder,
                set: args.set.as_deref(),
                operations: args.operations,
                list: !args.brief,
                markdown: cli.markdown,
            };
            corpus::run(out, &request)
        }
        Command::Calibration(args) => {
            let seeds = seeds(args.seeds.as_deref(), &args.set)?;
            let extent = Extent { days: 7.0, interval: 10.0 };
            calibration::run(out, &cases(&seeds, &Shape::ALL), extent, args.threads, cli.markdown)
        }
        Command::Cost(args) => cost::run(&args, cli.markdown, out),
        Command::Seeds(args) => founding::run(out, args.count, args.each, cli.markdown),
    }
}

fn run_score(args: &Score, markdown: bool, out: &mut dyn Write) -> Result<()> {
    let kinds = detector::kinds_of(&args.detector)?;
    let seeds = seeds(args.seeds.as_deref(), &args.set)?;
    let shapes = match &args.shapes {
        Some(names) => names.split(',').map(Shape::parse).collect::<Result<Vec<_>>>()?,
        None => Shape::ALL.to_vec(),
    };
    let cases = cases(&seeds, &shapes);
    let runs = score::run(&cases, &kinds, args.extent.extent(), args.threads)?;
    for (index, kind) in kinds.iter().enumerate() {
        let outcomes: Vec<&Outcome> = runs.iter().map(|run| &run[index]).collect();
        if kinds.len() == 1 || args.by_shape {
            writeln!(out, "{}", kind.name)?;
            score::per_shape(out, &outcomes, markdown)?;
        }
        if args.list {
            writeln!(out, "{} was wrong about:", kind.name)?;
            score::list(out, &outcomes)?;
        }
    }
    score::per_detector(out, &kinds, &runs, markdown)
}

fn seeds(named: Option<&str>, set: &str) -> Result<Vec<u64>> {
    named.map_or_else(|| synthetic::seeds_of(set), synthetic::parse_seeds)
}

fn cases(seeds: &[u64], shapes: &[Shape]) -> Vec<Case> {
    let of_seed = |seed: u64| shapes.iter().map(move |shape| Case { shape: *shape, seed });
    seeds.iter().copied().flat_map(of_seed).collect()
}

fn run_dump(args: &Dump, out: &mut dyn Write) -> Result<()> {
    let case = Case { shape: Shape::parse(&args.shape)?, seed: args.seed };
    writeln!(out, "seconds,rss_bytes")?;
    for point in Synthetic::new(case, args.extent.extent()) {
        writeln!(out, "{},{}", point.at, point.value)?;
    }
    Ok(())
}

fn run_real(args: &Real, markdown: bool, out: &mut dyn Write) -> Result<()> {
    let kinds = detector::kinds_of(&args.detector)?;
    let Some(folder) = &args.folder else {
        writeln!(out, "no folder with real series was named (SCUPPER_SERIES): skipped")?;
        return Ok(());
    };
    real::run(out, folder, &kinds, args.seed, args.scale, markdown)
}
