//! Connections: so many at once, and none that holds its place without doing anything.
//!
//! axum answers; what it has no word for stands here: how long a header may take, how many may be open on each socket, and
//! a clean end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::access::Way;
use super::listen::Listener;
use super::{Api, Inner, Shared, router};

/// Connections of one socket, at least and at most. Whoever comes after waits until one ends; the other sockets have their
/// own.
const OPEN_LIMITS: (u64, u64) = (32, 1024);
/// Descriptors that are left to everything else of this process, beside half of what there are.
const SPARED: u64 = 64;
/// How long a request's header may take, and how long a connection may do nothing: most agents beat twice a minute, and
/// need none in between.
const HEADER_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a header.
const HEADER_LIMIT: usize = 16 << 10;
/// How long one connection may stay, busy or not: a reader that takes nothing does not stay for ever.
const STAY: Duration = Duration::from_mins(10);
/// How long what is being answered may take at the end.
const END_WITHIN: Duration = Duration::from_secs(3);
/// Threads that wait for the registry.
const CALLS: usize = 16;

/// A server that answers on a thread of its own, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    addresses: Vec<String>,
}

/// Answers on these sockets.
pub(crate) fn serve(listeners: Vec<Listener>, api: Api) -> io::Result<Serving> {
    let addresses = listeners.iter().map(Listener::address).collect::<io::Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(CALLS)
        .build()?;
    let (stop, stopped) = watch::channel(false);
    let api = Shared::new(Inner::new(api, stopped.clone()));
    let thread = std::thread::Builder::new().name("http".to_owned());
    let thread = thread.spawn(move || {
        runtime.block_on(all(listeners, &api, stopped));
        // A registry that hangs is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(Serving { stop, thread: Some(thread), addresses })
}

impl Serving {
    /// Where it answers, as it is written in `--registry`.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Takes no more requests, and ends when those that are being answered are, or a few seconds later.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
    }
}

async fn all(listeners: Vec<Listener>, api: &Shared, stopped: watch::Receiver<bool>) {
    let ended = Arc::new(Semaphore::new(0));
    let sockets = u32::try_from(listeners.len()).unwrap_or(u32::MAX);
    let most = open_limit(sockets);
    for listener in listeners {
        let way = match listener {
            Listener::Tcp(_) => Way::Tcp,
            Listener::Unix(_) => Way::Unix,
        };
        let answers = router(Arc::clone(api)).layer(Extension(way));
        let (stopped, ended) = (stopped.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            // Nothing but a lack of descriptors at the very start gets here: the others go on.
            let _ = one(listener, answers, most, stopped).await;
            ended.add_permits(1);
        });
    }
    let _ = ended.acquire_many(sockets).await;
}

/// One socket, until the end; and then what is open on it.
async fn one(
    listener: Listener,
    answers: Router,
    most: u32,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
    match listener {
        Listener::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            while let Some(slot) = slot(&slots, &mut stopped).await {
                let Some(accepted) = until_stopped(listener.accept(), &mut stopped).await else { break };
                if let Some((stream, _)) = taken(accepted).await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream, answers.clone(), stopped.clone(), slot));
                }
            }
        }
        Listener::Unix(socket) => {
            let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
            while let Some(slot) = slot(&slots, &mut stopped).await {
                let Some(accepted) = until_stopped(listener.accept(), &mut stopped).await else { break };
                if let Some((stream, _)) = taken(accepted).await {
                    tokio::spawn(connection(stream, answers.clone(), stopped.clone(), slot));
                }
            }
        }
    }
    let _ = timeout(END_WITHIN, slots.acquire_many(most)).await;
    Ok(())
}

/// So many that the registry, the sweeps and the evidence always have a descriptor left.
fn open_limit(sockets: u32) -> u32 {
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = (all / 2).saturating_sub(SPARED) / u64::from(sockets.max(1));
    u32::try_from(each.clamp(OPEN_LIMITS.0, OPEN_LIMITS.1)).unwrap_or(u32::MAX)
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn slot(slots: &Arc<Semaphore>, stopped: &mut watch::Receiver<bool>) -> Option<Slot> {
    until_stopped(Arc::clone(slots).acquire_owned(), stopped).await?.ok()
}

/// `None` where the end comes first.
async fn until_stopped<T>(work: impl Future<Output = T>, stopped: &mut watch::Receiver<bool>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => None,
        done = work => Some(done),
    }
}

/// Where there is no descriptor left, the next ones wait a moment.
async fn taken<T>(accepted: io::Result<T>) -> Option<T> {
    if accepted.is_err() {
        sleep(Duration::from_millis(100)).await;
    }
    accepted.ok()
}

async fn connection<S>(stream: S, answers: Router, mut stopped: watch::Receiver<bool>, slot: Slot)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let _slot = slot;
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(answers));
    let mut served = pin!(served);
    let ended = tokio::select! {
        _ = served.as_mut() => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
        () = sleep(STAY) => false,
    };
    if !ended {
        served.as_mut().graceful_shutdown();
        let _ = timeout(END_WITHIN, served).await;
    }
}
