//! Connections: so many at once, and none that holds its place without doing anything.
//!
//! axum answers; what it has no word for stands here: how long a header may take, how many may be open on each socket, and
//! a clean end.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
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
/// How long a connection may say nothing at all where all places are taken and somebody waits for one.
const SILENT_WITHIN: Duration = Duration::from_millis(250);
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
    let (full, is_full) = watch::channel(false);
    match listener {
        Listener::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            loop {
                full.send_replace(slots.available_permits() == 0);
                let Some(slot) = slot(&slots, &mut stopped).await else { break };
                full.send_replace(false);
                let Some(accepted) = until_stopped(listener.accept(), &mut stopped).await else { break };
                if let Some((stream, _)) = taken(accepted).await {
                    let _ = stream.set_nodelay(true);
                    let spoken = Arc::new(AtomicBool::new(false));
                    let stream = Heard { stream, spoken: Arc::clone(&spoken) };
                    let served = connection(stream, answers.clone(), stopped.clone(), slot);
                    let is_full = is_full.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = served => {}
                            () = silent(&spoken, is_full) => {}
                        }
                    });
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

/// Returns where somebody waits for the place of a connection that has not said anything yet, though it had the time.
async fn silent(spoken: &AtomicBool, mut is_full: watch::Receiver<bool>) {
    sleep(SILENT_WITHIN).await;
    let waited_for = is_full.wait_for(|full| *full).await.is_ok();
    if !waited_for || spoken.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// A connection that remembers whether anything came.
struct Heard {
    stream: TcpStream,
    spoken: Arc<AtomicBool>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.spoken.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::super::Reach;
    use super::*;

    /// Two places, taken by one that has begun to ask and by one that says nothing: the silent one goes first, though the
    /// other one is older.
    #[test]
    fn where_all_places_are_taken_whoever_says_nothing_goes_first() {
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
        let address = listener.address().unwrap().replace("http://", "");
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let answers = Router::new().route("/healthz", get(|| async { "ok" }));
            runtime.block_on(one(listener, answers, 2, stopped)).unwrap();
        });
        let connect = || {
            let stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
            stream
        };
        let mut begun = connect();
        begun.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
        let mut silent = connect();
        let mut third = connect();
        third.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        third.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // It may still end what it began.
        begun.write_all(b"alhost\r\nConnection: close\r\n\r\n").unwrap();
        answer.clear();
        begun.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
        stop.send(true).unwrap();
        thread.join().unwrap();
    }
}
