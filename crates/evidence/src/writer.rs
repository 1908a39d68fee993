//! The way events get in from a running unit: it never blocks the unit and never fails it.
//!
//! Lazy, because many scuppers wrap idle commands: routine events wait in memory, and neither a thread nor a file
//! exists until something happened that is worth keeping. After five quiet seconds both are given back.
//!
//! Bounded, because the file may not be writable for a long time: at most 1,024 events wait. What comes when the
//! queue is full is counted as lost, and the count is written as an event when writing works again. Attempts are
//! repeated after 50 ms, 100 ms … 30 s.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use scupper_model::{Event, Severity, Timestamp};

use crate::Options;
use crate::error::EvidenceError;
use crate::keeper::{Gap, Keeper};

/// Events that wait at most, those in the hands of the thread included.
const QUEUE: usize = 1_024;
/// Routine events that wait for company at most.
const ROUTINE: usize = 256;
/// How long thread and file are kept with nothing to write.
const IDLE: Duration = Duration::from_secs(5);
/// Pauses between attempts; while closing never longer than the first.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Stack of the thread. `SQLite` and `serde_json` were measured to need far less (tests run with this size).
const STACK: usize = 256 << 10;

/// What a writer leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Events that are on disk.
    pub written: u64,
    /// Events that are not: the queue was full, or time ran out.
    pub lost: u64,
    /// Why the last attempt failed, where it did.
    pub error: Option<String>,
}

/// A queue of events on their way to the file. Dropped without [`Writer::close`], it makes one more attempt and does
/// not wait for it.
pub struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    options: Options,
    clock: Mutex<Box<dyn Fn() -> Timestamp + Send>>,
    state: Mutex<State>,
    /// The thread has something to look at.
    wake: Condvar,
    /// The thread is gone.
    gone: Condvar,
}

/// What the owner still expects.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wanted {
    /// More events may come.
    #[default]
    Open,
    /// What is there should be written soon.
    Closing,
    /// Nobody waits any more.
    Abandoned,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Event>,
    /// Events that the thread took and has not written yet.
    in_hand: usize,
    /// Something in the queue should not wait.
    pressing: bool,
    /// A thread exists.
    running: bool,
    wanted: Wanted,
    written: u64,
    lost: u64,
    /// How many of the lost ones are told of in the file.
    lost_told: u64,
    error: Option<String>,
}

impl Writer {
    /// A writer for the file at `path`. Touches nothing yet. `clock` tells the time of what the writer itself has to
    /// say (a gap, a damaged file) and the age of what may go.
    pub fn new(path: PathBuf, options: Options, clock: impl Fn() -> Timestamp + Send + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                options,
                clock: Mutex::new(Box::new(clock)),
                state: Mutex::default(),
                wake: Condvar::new(),
                gone: Condvar::new(),
            }),
        }
    }

    /// Takes an event. Routine ones wait for the next that is not, for 255 others or for the end.
    pub fn record(&self, event: Event) {
        let mut state = self.shared.lock();
        if state.queue.len() + state.in_hand >= QUEUE {
            state.lost += 1;
            return;
        }
        let routine = event.kind.severity() == Severity::Routine;
        state.queue.push_back(event);
        if !routine || state.queue.len() >= ROUTINE {
            state.pressing = true;
            self.shared.start(&mut state);
        }
    }

    /// Events lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Events on disk so far.
    pub fn written(&self) -> u64 {
        self.shared.lock().written
    }

    /// Why evidence is not being kept at present; `None` while all is well.
    pub fn error(&self) -> Option<String> {
        self.shared.lock().error.clone()
    }

    /// Writes what waits and ends the thread; gives up after `timeout`.
    pub fn close(self, timeout: Duration) -> CloseReport {
        let mut state = self.shared.lock();
        state.wanted = Wanted::Closing;
        if !state.queue.is_empty() {
            self.shared.start(&mut state);
        }
        self.shared.wake.notify_all();
        let (mut state, _) = self
            .shared
            .gone
            .wait_timeout_while(state, timeout, |state| state.running)
            .unwrap_or_else(PoisonError::into_inner);
        state.wanted = Wanted::Abandoned;
        self.shared.wake.notify_all();
        let left = (state.queue.len() + state.in_hand) as u64;
        CloseReport { written: state.written, lost: state.lost + left, error: state.error.clone() }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.wanted == Wanted::Open {
            state.wanted = Wanted::Abandoned;
            if !state.queue.is_empty() {
                self.shared.start(&mut state);
            }
        }
        self.shared.wake.notify_all();
    }
}

impl State {
    /// Whether the thread has something to do.
    fn is_due(&self) -> bool {
        self.pressing || self.wanted != Wanted::Open
    }
}

impl Shared {
    /// A poisoned lock guards counters and a queue that are whole at every step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread, or starts it where there is none.
    fn start(self: &Arc<Self>, state: &mut State) {
        if state.running {
            self.wake.notify_all();
            return;
        }
        let shared = Arc::clone(self);
        let spawned =
            thread::Builder::new().name("evidence".into()).stack_size(STACK).spawn(move || run(&shared));
        match spawned {
            Ok(_) => state.running = true,
            Err(error) => state.error = Some(format!("cannot start the thread that keeps evidence: {error}")),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)()
    }

    /// Waits until there is something that should be written now, so long at most.
    fn next(&self, wait: Duration) -> Next {
        let (mut state, _) = self
            .wake
            .wait_timeout_while(self.lock(), wait, |state| !state.is_due())
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_due() {
            return Next::Quiet;
        }
        state.pressing = false;
        if state.queue.is_empty() {
            return if state.wanted == Wanted::Open { Next::Quiet } else { Next::End };
        }
        let batch: Vec<Event> = std::mem::take(&mut state.queue).into();
        state.in_hand = batch.len();
        Next::Batch(batch)
    }

    /// Takes the thread off the books, unless something came in meanwhile. True when it has to go.
    fn retire(&self) -> bool {
        let mut state = self.lock();
        let goes = !state.is_due();
        if goes {
            state.running = false;
        }
        goes
    }

    /// What has to be told of lost events.
    fn gap(&self) -> Option<Gap> {
        let state = self.lock();
        let lost = state.lost - state.lost_told;
        let why =
            state.error.clone().unwrap_or_else(|| "events came faster than they could be written".into());
        (lost > 0).then_some(Gap { lost, why })
    }

    fn succeeded(&self, written: usize, told: u64) {
        let mut state = self.lock();
        state.in_hand = 0;
        state.written += written as u64;
        state.lost_told += told;
        state.error = None;
    }

    /// Notes the failure and waits. False when nobody wants another attempt: whoever closes waits for a lock to be
    /// let go of, and not for a disk or a permission.
    fn failed(&self, error: &EvidenceError, pause: Duration) -> bool {
        let mut state = self.lock();
        state.error = Some(error.chain());
        let before = state.wanted;
        if before == Wanted::Closing && !matches!(error, EvidenceError::Locked { .. }) {
            return false;
        }
        let pause = if before == Wanted::Open { pause } else { pause.min(FIRST_PAUSE) };
        let (state, _) = self
            .wake
            .wait_timeout_while(state, pause, |state| state.wanted == before && before != Wanted::Abandoned)
            .unwrap_or_else(PoisonError::into_inner);
        state.wanted != Wanted::Abandoned
    }
}

enum Next {
    Batch(Vec<Event>),
    Quiet,
    End,
}

/// Says that the thread is gone, also when it panics.
struct Leaving<'a> {
    shared: &'a Shared,
    on_the_books: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.on_the_books {
            let mut state = self.shared.lock();
            state.running = false;
            state.lost += state.in_hand as u64;
            state.in_hand = 0;
        }
        self.shared.gone.notify_all();
    }
}

fn run(shared: &Shared) {
    // Declared first, so dropped last: when the thread counts as gone, its file is closed.
    let mut leaving = Leaving { shared, on_the_books: true };
    let mut keeper = Keeper::new(shared.path.clone(), shared.options);
    loop {
        match shared.next(IDLE) {
            Next::Batch(batch) => {
                if !keep(shared, &mut keeper, &batch) {
                    return;
                }
            }
            Next::Quiet => {
                keeper.rest();
                if shared.retire() {
                    leaving.on_the_books = false;
                    return;
                }
            }
            Next::End => return,
        }
    }
}

/// Tries until it is written. False when nobody waits for it any more.
fn keep(shared: &Shared, keeper: &mut Keeper, batch: &[Event]) -> bool {
    let mut pause = FIRST_PAUSE;
    loop {
        let gap = shared.gap();
        match keeper.attempt(batch, gap.as_ref(), shared.now()) {
            Ok(()) => {
                shared.succeeded(batch.len(), gap.map_or(0, |gap| gap.lost));
                return true;
            }
            Err(error) => {
                if !shared.failed(&error, pause) {
                    return false;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
