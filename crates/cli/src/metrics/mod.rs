//! `--metrics ADDR`: `OpenMetrics` over HTTP, on a thread of its own that exists only where the flag is given.
//!
//! Every scrape asks the units of this process over their control sockets and renders what they answer: nothing is
//! counted here, so nothing of a unit or process that is gone stays on the page.

mod page;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use scupper_supervise::control::{self, Reply, Request, UnitStatus};
use scupper_supervise::record::Records;

use page::Format;

/// How long one unit may take to answer; a scrape goes on without it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Listens, and answers from a thread of its own until the process ends. Gives the address: port 0 asks for any.
pub(crate) fn serve(address: SocketAddr, records: Records) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    // One page at a time is made: a slow unit delays a scrape, and nothing piles up.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().max_blocking_threads(1).build()?;
    let thread = std::thread::Builder::new().name("metrics".to_owned());
    thread.spawn(move || {
        runtime.block_on(async {
            let page = move |headers: HeaderMap| page(records.clone(), headers);
            let router = Router::new().route("/metrics", get(page)).route("/", get(hello));
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        })
    })?;
    Ok(address)
}

async fn hello() -> &'static str {
    "scupper: metrics are at /metrics\n"
}

async fn page(records: Records, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match tokio::task::spawn_blocking(move || page::render(own_units(&records), format)).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The units of this process, as they answer now.
fn own_units(records: &Records) -> Vec<UnitStatus> {
    let Ok((found, _)) = records.list() else { return Vec::new() };
    let own = i32::try_from(std::process::id()).ok();
    let mine = found.into_iter().filter(|record| Some(record.supervisor.pid.get()) == own);
    mine.filter_map(|record| {
        let socket = control::socket_path(&records.path(&record.unit));
        match control::ask(&socket, &Request::Status, ANSWER_WITHIN) {
            Ok(Reply::Status(status)) => Some(*status),
            _ => None,
        }
    })
    .collect()
}
