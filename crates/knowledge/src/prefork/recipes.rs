//! The recipes, one server each. To add one: try it in `tests/prefork.rs` first.

use super::{Drain, Recipe, View};
use crate::base_name;

const TERM: i32 = 15;
const QUIT: i32 = 3;

/// All that are known.
pub static RECIPES: &[Recipe] = &[
    Recipe {
        name: "gunicorn",
        drain: Drain::Worker { signal: TERM },
        why: "on TERM a worker finishes its request and exits; the arbiter starts another one",
        source: "https://docs.gunicorn.org/en/stable/signals.html (worker process: TERM, graceful shutdown)",
        tried: "27.0.1, sync workers, with and without setproctitle 1.3.8",
        master: |view| {
            title(view).starts_with(b"gunicorn: master [") || runs_python(view, "gunicorn").is_some()
        },
        worker: |master, child| {
            // A child with the master's title is a new master after USR2, or a worker that has not named itself yet.
            title(child).starts_with(b"gunicorn: worker [")
                || (!title(master).starts_with(b"gunicorn: ") && same_command(master, child))
        },
        alone: true,
    },
    Recipe {
        name: "uvicorn",
        drain: Drain::Worker { signal: TERM },
        why: "on TERM a worker finishes its requests and exits; the parent, which looks every 0.5 s, starts another one",
        source: "uvicorn/supervisors/multiprocess.py, keep_subprocess_alive; \
                 https://www.uvicorn.org/deployment/#built-in",
        tried: "0.54.0, --workers 2",
        // Without --workers the children are the application's own (a process pool), and with --reload nobody
        // replaces the worker until a file changes. WEB_CONCURRENCY sets the number too and is not seen here.
        master: |view| {
            runs_python(view, "uvicorn").is_some_and(|rest| {
                number_of(rest, b"--workers") >= 2 && !rest.iter().any(|a| a == b"--reload")
            })
        },
        worker: |_, child| python_spawned(child),
        alone: false,
    },
    Recipe {
        name: "puma",
        drain: Drain::Worker { signal: TERM },
        why: "on TERM a cluster worker finishes its requests and exits; the master starts another one",
        source: "https://github.com/puma/puma/blob/master/docs/signals.md (Puma cluster: TERM to a worker)",
        tried: "5.6.5 (Debian 12), -w 2",
        master: |view| versioned_title(title(view), b"puma "),
        worker: |_, child| title(child).starts_with(b"puma: cluster worker "),
        alone: false,
    },
    Recipe {
        name: "unicorn",
        drain: Drain::Worker { signal: QUIT },
        why: "on QUIT a worker finishes its request and exits, on TERM it drops it; the master starts another one",
        source: "https://yhbt.net/unicorn/SIGNALS.html (worker processes: QUIT gracefully, INT/TERM quick shutdown)",
        tried: "6.0.0 (Debian 12), 2 workers",
        master: |view| has_title(view, b"unicorn", b"master"),
        worker: |_, child| starts_after_path(title(child), b"unicorn", b" worker["),
        alone: true,
    },
    Recipe {
        name: "php-fpm",
        drain: Drain::Worker { signal: QUIT },
        why: "on QUIT a child finishes its request and exits, on TERM it drops it; the master starts another one",
        source: "php-src/sapi/fpm/fpm/fpm_signals.c, fpm_signals_init_child (QUIT: soft quit, TERM: default action)",
        tried: "8.2 (Debian 12), pm = static",
        master: |view| title(view).starts_with(b"php-fpm: master process ("),
        worker: |_, child| title(child).starts_with(b"php-fpm: pool "),
        alone: true,
    },
    Recipe {
        name: "celery",
        drain: Drain::Main { signal: TERM },
        why: "TERM ends a pool child at once and its task is lost; TERM to the main process is a warm shutdown",
        source: "https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker",
        tried: "5.7.0, prefork pool, filesystem broker, with and without setproctitle 1.3.8",
        master: |view| {
            starts_after_path(title(view), b"[celeryd", b": ") && contains(title(view), b":MainProcess]")
                || runs_python(view, "celery").is_some_and(|rest| rest.iter().any(|a| a == b"worker"))
        },
        worker: |master, child| contains(title(child), b":ForkPoolWorker-") || same_command(master, child),
        alone: false,
    },
    Recipe {
        name: "hypercorn",
        drain: Drain::Main { signal: TERM },
        why: "TERM ends a worker at once with its requests, and then the main process ends all others; through the \
              main process those workers drain that end first, the others are sent TERM (no signal but HUP does better)",
        source: "hypercorn/run.py: the loop waits for any one worker, then terminates the rest",
        tried: "0.18.0, -w 2",
        master: |view| {
            runs_python(view, "hypercorn")
                .is_some_and(|rest| number_of(rest, b"--workers").max(number_of(rest, b"-w")) >= 1)
        },
        worker: |_, child| python_spawned(child),
        alone: false,
    },
    Recipe {
        name: "granian",
        drain: Drain::Main { signal: TERM },
        why: "a worker finishes its requests on TERM, but without --respawn-failed-workers the main process then ends \
              the server with exit code 1",
        source: "granian/server/common.py (respawn_failed_workers); https://github.com/emmett-framework/granian",
        tried: "2.8.7, --workers 2",
        master: |view| runs_python(view, "granian").is_some(),
        worker: |master, child| python_spawned(child) || same_command(master, child),
        alone: false,
    },
    Recipe {
        name: "node cluster",
        drain: Drain::Main { signal: TERM },
        why: "TERM ends a bare worker at once with its requests, and whether anybody forks another one is up to the \
              application; only its main process can disconnect workers gracefully",
        source: "https://nodejs.org/api/cluster.html#workerdisconnect",
        tried: "node 20.20.2: a primary that disconnects its workers on TERM loses nothing, a bare one loses all",
        master: |view| node_script(view).is_some(),
        worker: node_forked,
        alone: false,
    },
];

/// The first argument: where programs that name themselves write their title.
fn title<'a>(view: &View<'a>) -> &'a [u8] {
    view.command.first().map_or(&[], Vec::as_slice)
}

fn same_command(a: &View<'_>, b: &View<'_>) -> bool {
    a.command == b.command
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// `WORD` followed by what comes after it, where a path may stand before `WORD`: `/usr/bin/unicorn worker[0] -l ...`.
fn starts_after_path(title: &[u8], word: &[u8], after: &[u8]) -> bool {
    let Some(at) = title.windows(after.len()).position(|window| window == after) else { return false };
    base_name(&title[..at]) == word
}

/// `unicorn master -c ...`, and that alone is the title.
fn has_title(view: &View<'_>, word: &[u8], role: &[u8]) -> bool {
    let mut words = title(view).split(|&b| b == b' ');
    words.next().is_some_and(|first| base_name(first) == word) && words.next() == Some(role)
}

/// `puma 5.6.5 (tcp://...) [app]`.
fn versioned_title(title: &[u8], prefix: &[u8]) -> bool {
    title
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit) && contains(rest, b" ("))
}

/// The arguments of a Python script or module of this name, where this process runs one:
/// `python [options] .../NAME ...` or `python [options] -m NAME ...`. A console script's shebang makes the first form.
fn runs_python<'a>(view: &View<'a>, script: &str) -> Option<&'a [Vec<u8>]> {
    let named = |word: &[u8]| word == script.as_bytes();
    let (interpreter, mut rest) = view.command.split_first()?;
    let interpreter = base_name(interpreter);
    if !(interpreter.starts_with(b"python") || interpreter.starts_with(b"pypy")) {
        return None;
    }
    while let Some((argument, after)) = rest.split_first() {
        match argument.as_slice() {
            b"-m" => {
                return after
                    .split_first()
                    .filter(|(module, _)| named(module))
                    .map(|(_, arguments)| arguments);
            }
            b"-c" | b"-" => return None,
            b"-W" | b"-X" | b"--check-hash-based-pycs" => rest = after.get(1..)?,
            option if option.starts_with(b"-") => rest = after,
            path => return named(base_name(path)).then_some(after),
        }
    }
    None
}

/// A child of Python's `multiprocessing` with the spawn method. Its resource tracker, started the same way, is none.
fn python_spawned(view: &View<'_>) -> bool {
    view.command.iter().any(|a| a.starts_with(b"from multiprocessing.spawn import spawn_main"))
        && view.command.last().is_some_and(|a| a == b"--multiprocessing-fork")
}

/// The number after `OPTION N` or `OPTION=N`; 0 where there is none.
fn number_of(arguments: &[Vec<u8>], option: &[u8]) -> u32 {
    let value = arguments.iter().enumerate().rev().find_map(|(at, argument)| {
        let rest = argument.strip_prefix(option)?;
        if rest.is_empty() { arguments.get(at + 1).map(Vec::as_slice) } else { rest.strip_prefix(b"=") }
    });
    value.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or(0)
}

/// The script and its arguments, where this is `node [--options] SCRIPT ...`. Options that take their value as a
/// separate argument end the search wrongly, and then the process is not recognised.
fn node_script<'a>(view: &View<'a>) -> Option<&'a [Vec<u8>]> {
    let (program, rest) = view.command.split_first()?;
    if !matches!(base_name(program), b"node" | b"nodejs") {
        return None;
    }
    let at = rest.iter().position(|a| !a.starts_with(b"-"))?;
    rest.get(at..)
}

/// `cluster.fork` starts the primary's own script again, by its absolute path and with the same arguments.
fn node_forked(master: &View<'_>, child: &View<'_>) -> bool {
    let (Some(primary), Some(forked)) = (node_script(master), node_script(child)) else { return false };
    let (Some((primary, arguments)), Some((forked, same))) = (primary.split_first(), forked.split_first())
    else {
        return false;
    };
    let relative = primary.strip_prefix(b"./").unwrap_or(primary);
    let same_script = primary == forked
        || forked.strip_suffix(relative).is_some_and(|before| before.ends_with(b"/"))
        || matches!(relative, b"." | b"");
    same_script && arguments == same && forked.starts_with(b"/")
}
