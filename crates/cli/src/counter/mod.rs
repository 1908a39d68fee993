//! Counts the operations of a command: lines of its log, a number in a file, a metric it serves.
//!
//! On a thread of its own: whatever a file system or a server does, a look at the processes never waits for it.

mod count;
mod file;
mod http;
mod log;
mod page;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use regex_lite::Regex;
use scupper_supervise::soak::Counted;

use self::http::Url;
use self::page::Selector;

/// Between two readings of a file.
const FILE_EVERY: Duration = Duration::from_millis(100);
/// Between two readings of a page.
const PAGE_EVERY: Duration = Duration::from_millis(250);
/// What the first reading, before the command starts, and the last, after its end, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where operations are counted, as `--ops-from` says.
#[derive(Clone, Debug)]
pub(crate) enum OpsFrom {
    /// Lines of the log that match.
    Log(Regex),
    /// The number in a file.
    File(PathBuf),
    /// A metric of a page.
    Http(Url, Selector),
}

impl FromStr for OpsFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("log", pattern)) if !pattern.is_empty() => {
                Regex::new(pattern).map(Self::Log).map_err(|why| format!("`{pattern}` is no pattern: {why}"))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("http", _)) => {
                let (url, metric) = text
                    .split_once('#')
                    .ok_or("say which metric of the page counts: http://HOST:PORT/PATH#METRIC")?;
                Ok(Self::Http(url.parse()?, metric.parse()?))
            }
            Some(("https", _)) => {
                Err("https cannot be read: let the command serve its metrics as http on a loopback address"
                    .to_owned())
            }
            _ => Err("write log:REGEX, file:PATH or http://HOST:PORT/PATH#METRIC".to_owned()),
        }
    }
}

/// Something that can be asked how many operations were done since it was last asked.
trait Source: Send {
    /// The operations since the last time; the first time, all there are.
    fn more(&mut self) -> Result<f64, String>;
    /// Why it is of no use that it answers, where it is of none.
    fn misses(&self) -> Option<String> {
        None
    }
}

/// A counter at work.
#[derive(Debug)]
pub(crate) struct Counter {
    state: Arc<State>,
    /// Dropped to have the last reading made.
    stop: Option<Sender<()>>,
    done: Receiver<()>,
}

#[derive(Debug, Default)]
struct State {
    operations: AtomicU64,
    answered: AtomicBool,
    /// Why it does not answer, or is of no use.
    trouble: Mutex<Option<String>>,
}

impl Counter {
    /// Starts to count. What is there before the command starts is not its work: it is read once before this returns.
    pub(crate) fn start(from: &OpsFrom, logs: &[PathBuf]) -> std::io::Result<Self> {
        let (source, every): (Box<dyn Source>, _) = match from {
            OpsFrom::Log(pattern) => (Box::new(log::Lines::follow(pattern, logs)), FILE_EVERY),
            OpsFrom::File(path) => (Box::new(file::Number::of(path)), FILE_EVERY),
            OpsFrom::Http(url, selector) => (Box::new(http::Metric::of(url, selector)), PAGE_EVERY),
        };
        let state = Arc::new(State::default());
        let (stop, stopped) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::Builder::new()
            .name("counter".to_owned())
            .spawn(move || count(source, every, &shared, &stopped, &tell))?;
        // A server that takes longer has begun to count by then.
        let _ = done.recv_timeout(PATIENCE);
        Ok(Self { state, stop: Some(stop), done })
    }

    /// What was counted so far; `None` while it has not answered. Never waits.
    pub(crate) fn operations(&self) -> Option<u64> {
        self.state.answered.load(Ordering::Acquire).then(|| self.state.operations.load(Ordering::Acquire))
    }

    /// Reads a last time, and says what was counted in all.
    pub(crate) fn close(&mut self) -> Counted {
        drop(self.stop.take());
        let _ = self.done.recv_timeout(PATIENCE);
        let trouble = self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.operations(), trouble) {
            (Some(0), Some(why)) => Counted::Silent(why),
            (Some(operations), _) => Counted::Operations(operations),
            (None, why) => Counted::Silent(why.unwrap_or_else(|| "the counter did not answer".to_owned())),
        }
    }
}

/// The thread: reads, waits, reads, until it is to stop; then once more.
fn count(
    mut source: Box<dyn Source>,
    every: Duration,
    state: &State,
    stopped: &Receiver<()>,
    tell: &Sender<()>,
) {
    let _ = source.more();
    let _ = tell.send(());
    let mut all = 0.0;
    loop {
        let last = stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
        match source.more() {
            Ok(more) => {
                all += more;
                state.operations.store(count::whole(all), Ordering::Release);
                state.answered.store(true, Ordering::Release);
                *state.trouble.lock().unwrap_or_else(PoisonError::into_inner) = source.misses();
            }
            // Of a command that has ended nobody expects an answer.
            Err(_) if state.answered.load(Ordering::Acquire) => {}
            Err(why) => *state.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why),
        }
        if last {
            let _ = tell.send(());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_by_its_kind() {
        let of = |text: &str| text.parse::<OpsFrom>();
        assert!(matches!(of("log:served (\\d+):x"), Ok(OpsFrom::Log(_))));
        assert!(matches!(of("file:a:b"), Ok(OpsFrom::File(path)) if path.as_os_str() == "a:b"));
        assert!(matches!(of("http://localhost/metrics#done"), Ok(OpsFrom::Http(..))));
        for (wrong, said) in [
            ("log:(", "is no pattern"),
            ("log:", "log:REGEX"),
            ("ftp://x", "log:REGEX"),
            ("http://x/", "which metric"),
            ("https://x/#m", "https cannot be read"),
        ] {
            assert!(of(wrong).unwrap_err().contains(said), "{wrong}");
        }
    }

    #[test]
    fn what_was_there_before_the_start_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("done");
        std::fs::write(&path, "500\n").unwrap();
        let mut counter = Counter::start(&OpsFrom::File(path.clone()), &[]).unwrap();
        std::fs::write(&path, "512").unwrap();
        assert_eq!(counter.close(), Counted::Operations(12));
        let mut counter = Counter::start(&OpsFrom::File(dir.path().join("none")), &[]).unwrap();
        assert_eq!(counter.operations(), None);
        assert!(matches!(counter.close(), Counted::Silent(why) if why.contains("none")));
    }
}
