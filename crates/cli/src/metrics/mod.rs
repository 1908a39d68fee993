//! `--metrics ADDR`: `OpenMetrics` over HTTP, on a thread of its own that exists only where the flag is given.
//!
//! Every scrape asks the units of this process over their control sockets and renders what they answer: nothing is
//! counted here, so nothing of a unit or process that is gone stays on the page.

#[cfg(test)]
mod fixture;
mod fleet;
mod page;
#[cfg(test)]
mod pictures;

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

pub(crate) use page::Format;

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

/// The page of a coordinator: its content type and its text, for a reader that accepts this.
pub(crate) fn of_fleet(view: scupper_fleet::coordinator::View, accept: &str) -> (&'static str, String) {
    let format = Format::accepted(accept);
    // A page that cannot be made is an empty one: a scrape without the metric `up` of a coordinator is told as such.
    (format.content_type(), fleet::render(view, format).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn get(address: SocketAddr, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn units_of_this_process_are_asked_at_each_scrape() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
        let mut elsewhere = fixture::status("other");
        elsewhere.record.supervisor.pid = scupper_model::Pid::INIT;
        for record in [&fixture::status("web").record, &fixture::status("silent").record, &elsewhere.record] {
            records.write(record).unwrap();
        }
        let socket = control::socket_path(&records.path(&"web".parse().unwrap()));
        let unit = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for stream in unit.incoming() {
                let mut stream = stream.unwrap();
                BufReader::new(&stream).read_line(&mut String::new()).unwrap();
                let reply = Reply::Status(Box::new(fixture::status("web")));
                writeln!(stream, "{}", serde_json::to_string(&reply).unwrap()).unwrap();
            }
        });
        let address = serve(SocketAddr::from(([127, 0, 0, 1], 0)), records).unwrap();
        let page = get(address, "/metrics", "application/openmetrics-text");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("application/openmetrics-text"), "{page}");
        assert!(page.contains("scupper_unit_processes{unit=\"web\"} 3"), "{page}");
        assert!(!page.contains("other") && !page.contains("silent"), "{page}");
        assert!(get(address, "/metrics", "text/plain").contains("text/plain; version=0.0.4"));
        assert!(get(address, "/secrets", "*/*").starts_with("HTTP/1.1 404"));
        assert!(
            serve(address, Records::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap()).is_err()
        );
    }
}
