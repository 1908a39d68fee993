//! `serve`: the coordinator of a host. Sweeps the registry, ends orphans' processes of this host where something here
//! confirms whose they are, beats for this host's agents, and serves the API and the metrics.
//!
//! - `times.rs`: all times from one; `single.rs`: one for each host and registry
//! - `processes.rs` and `processes/`: orphans' processes: the registry's word, checked and acted on
//! - `journal.rs`: what is recorded; `ready.rs`: what a service manager is told; `once.rs`: one sweep
//! - `http/`: the API

mod http;
mod journal;
mod once;
mod processes;
mod ready;
mod single;
pub(super) mod times;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use scupper_fleet::coordinator::{Batch, Coordinator, Processes, Setup, SharedView, Stop};
use scupper_fleet::{Address, Clock, CoordinatorId, HostId, LeakWindow, Store, SystemClock, Timing};
use scupper_model::{EventKind, FleetFact, format_duration};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::http::{Api, HostToken, Listener, MetricsPage, Rates, Reach, Serving};
use self::journal::Journal;
use self::once::Claimed;
use self::processes::Ending;
use self::single::Single;
use crate::agent::registry_meant;
use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::host::host_id;
use crate::metrics;
use crate::output::{Printer, remark};
use crate::paths;

/// The API's socket in the runtime directory.
const SOCKET: &str = "serve.sock";

/// Everything that is known before it begins.
struct Begun {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    registry: String,
    id: CoordinatorId,
    host: HostId,
    timing: Timing,
    /// The window of the leak check, where one was asked for.
    leak_window: Option<LeakWindow>,
    /// The runtime directory.
    directory: PathBuf,
    _single: Single,
}

pub(super) fn run(args: &ServeArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let begun = begin(args)?;
    let stop = Stop::new();
    end_on_signals(&stop)?;
    let journal = Journal::new(&args.output());
    let done = if args.once {
        sweep_once(args, &begun, &journal, &stop, printer)
    } else {
        serve(args, &begun, &journal, &stop, printer)
    };
    journal.close();
    done
}

fn begin(args: &ServeArgs) -> Result<Begun, Failure> {
    let timing = times::times(args.ttl, args.tick)?;
    let leak_window = times::leak_window(args.leak_window, args.ttl)?;
    let address: Address = registry_meant(args.registry.as_deref()).parse()?;
    if !address.is_store() {
        let why =
            format!("{address} is a coordinator's API, and not a registry: give the one that it serves");
        return Err(Failure::usage(why));
    }
    let registry = address.to_string();
    let host = args.host.clone().unwrap_or_else(host_id);
    // Of this host as long as it has one coordinator: one that is started again goes on under its own lease.
    let id = match &args.id {
        Some(id) => id.clone(),
        None => CoordinatorId::try_from(host.to_string())?,
    };
    let directory = paths::records()?.directory().to_path_buf();
    // Every state directory may have a registry of its own.
    let state = paths::state(args.state.as_deref());
    let place = match (&address, &state) {
        (Address::Embedded(None), Some(state)) => state.display().to_string(),
        _ => registry.clone(),
    };
    let single = Single::take(&directory, &host, &place)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = scupper_fleet::open(&address, state.as_deref())?;
    store.check()?;
    if let Some(window) = leak_window {
        set(window, store.as_ref(), &id)?;
    }
    Ok(Begun { store, clock, registry, id, host, timing, leak_window, directory, _single: single })
}

/// One window for all who use the registry: where others go by another one it is theirs.
fn set(window: LeakWindow, store: &dyn Store, id: &CoordinatorId) -> Result<(), Failure> {
    let set = store.set_leak_window(window, id)?;
    if set == window {
        return Ok(());
    }
    let (said, set) = (format_duration(window.time()), format_duration(set.time()));
    let why =
        format!("--leak-window {said}: this registry's is {set}, and other coordinators are at work with it");
    Err(Failure::usage(why).hint("leave --leak-window out to go by it too, or end the others first"))
}

/// Where its members may say too rarely what they take for growth to be known: in one line.
fn short_window(args: &ServeArgs, begun: &Begun) -> Option<String> {
    let (set, shortest) = (begun.store.leak_window().ok()?.time(), LeakWindow::shortest_for(args.ttl));
    (set < shortest).then(|| {
        let (set, ttl, shortest) =
            (format_duration(set), format_duration(args.ttl), format_duration(shortest));
        format!(
            "agents with --ttl {ttl} say too rarely what they take for a leak window of {set}, and their growth may stay unknown: use --leak-window {shortest} or more"
        )
    })
}

/// TERM and INT end it.
fn end_on_signals(stop: &Stop) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot take over TERM and INT")?;
    let stop = stop.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                stop.stop();
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

fn setup(args: &ServeArgs, begun: &Begun) -> Setup {
    Setup {
        id: begun.id.clone(),
        host: begun.host.clone(),
        registry: begun.registry.clone(),
        timing: begun.timing,
        on_lost: args.on_coordinator_lost,
        leak_window: begun.leak_window,
    }
}

fn sweep_once(
    args: &ServeArgs,
    begun: &Begun,
    journal: &Journal,
    stop: &Stop,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let claimed = Claimed::default();
    let facts = claimed.listening(journal.facts());
    let (store, clock) = (Arc::clone(&begun.store), Arc::clone(&begun.clock));
    // A process takes two looks, and whoever coordinates this host all the time makes them.
    let coordinator = Coordinator::new(setup(args, begun), store, clock, None, facts);
    let view = coordinator.view();
    once::run(coordinator, &view, &claimed, stop, printer)
}

fn serve(
    args: &ServeArgs,
    begun: &Begun,
    journal: &Journal,
    stop: &Stop,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let ending = (!args.no_processes)
        .then(|| Ending::start(args.state.clone(), args.grace, begun.timing.hold, journal.clone()))
        .transpose()
        .context("cannot start a thread")?;
    let (store, clock) = (Arc::clone(&begun.store), Arc::clone(&begun.clock));
    let processes = ending.clone().map(|ending| ending as Arc<dyn Processes>);
    let coordinator = Coordinator::new(setup(args, begun), store, clock, processes, journal.facts());
    let (view, batch, listening) = (coordinator.view(), coordinator.batch(), coordinator.listening());
    let serving = answer(args, begun, &view, &batch)?;
    journal.record(EventKind::Fleet(FleetFact::CoordinatorStarted {
        coordinator: begun.id.to_string(),
        host: begun.host.to_string(),
        registry: begun.registry.clone(),
        store: begun.store.status().map(|status| status.store).unwrap_or_default(),
    }));
    if let Some((serving, token)) = &serving {
        let text = format!("{}; token: {token}", serving.addresses().join(" "));
        printer.log(&remark(args.log_format.unwrap_or_default(), "api_served", &text));
    }
    if let Some(line) = short_window(args, begun) {
        printer.log(&remark(args.log_format.unwrap_or_default(), "leak_window_short", &line));
    }
    let beats = thread("beats", {
        let batch = Arc::clone(&batch);
        move || batch.run()
    })?;
    let end = Stop::new();
    let sweeps = thread("coordinator", {
        let end = end.clone();
        move || coordinator.run(&end)
    })?;
    // Not waited for: it leaves nothing half-done.
    thread("listening", {
        let end = end.clone();
        move || listening.run(&end)
    })?;
    ready::notify("READY=1");
    stop.wait_until_stopped();
    ready::notify("STOPPING=1");
    // Nobody new, then those who wait for an answer, then the lease.
    if let Some((serving, _)) = serving {
        serving.stop();
    }
    if let Some(ending) = &ending {
        ending.stop();
    }
    batch.close();
    end.stop();
    for thread in [beats, sweeps] {
        // One that panicked has said so.
        let _ = thread.join();
    }
    Ok(0)
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    Ok(thread.spawn(work).with_context(|| format!("cannot start the thread {name}"))?)
}

/// The API and the metrics; where its token is, for people. `None` where nothing is to be served.
fn answer(
    args: &ServeArgs,
    begun: &Begun,
    view: &SharedView,
    batch: &Arc<Batch>,
) -> Result<Option<(Serving, String)>, Failure> {
    let mut listeners = Vec::new();
    if !args.no_listen {
        let reach = if args.listen_anywhere { Reach::Anywhere } else { Reach::Loopback };
        listeners.push(Listener::tcp(args.listen, reach).map_err(elsewhere)?);
    }
    if !args.no_socket {
        let path = args.socket.clone().unwrap_or_else(|| begun.directory.join(SOCKET));
        listeners.push(Listener::unix(&path)?);
    }
    if listeners.is_empty() {
        return Ok(None);
    }
    let variable = std::env::var(crate::token::VARIABLE).ok();
    let state = paths::state(args.state.as_deref());
    let state = state.as_deref().unwrap_or(Path::new(&begun.directory));
    let (token, origin) = HostToken::find(variable.as_deref(), args.token_file.as_deref(), state)?;
    let api = Api {
        store: Arc::clone(&begun.store),
        registry: begun.registry.clone(),
        members: Arc::clone(batch),
        coordinator: begun.id.clone(),
        host: begun.host.clone(),
        timing: begun.timing,
        token,
        names: vec![begun.host.to_string()],
        metrics: page(view),
        clock: Arc::clone(&begun.clock),
        rates: Rates::DEFAULT,
    };
    let serving = http::serve(listeners, api).context("cannot serve the API")?;
    Ok(Some((serving, origin.to_string())))
}

/// With advice, where another program has the port.
fn elsewhere(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let why = error.source().and_then(|why| why.downcast_ref::<std::io::Error>());
    let taken = why.is_some_and(|why| why.kind() == std::io::ErrorKind::AddrInUse);
    let failure = Failure::from(error);
    if taken {
        failure.hint("take a free port with --listen 127.0.0.1:0, or the Unix socket alone with --no-listen")
    } else {
        failure
    }
}

fn page(view: &SharedView) -> MetricsPage {
    let view = view.clone();
    Arc::new(move |accept| metrics::of_fleet(view.read(), accept))
}
