//! A metric that a program serves over HTTP: one small GET after the other, each bounded in time and size.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::Source;
use super::count::Count;
use super::page::{MOST_SERIES, Selector};
use crate::wait;

/// One answer takes no longer than this.
const WITHIN: Duration = Duration::from_secs(2);
/// And is no larger.
const MOST_BYTES: usize = 1 << 20;

/// The address of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address of a page: write http://HOST:PORT/PATH");
        let sound = text.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = text.strip_prefix("http://").filter(|_| sound).ok_or_else(wrong)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, port) = inner.split_once(']').ok_or_else(wrong)?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Ok(80), str::parse).map_err(|_| wrong())?;
        if host.is_empty() || host.contains('@') {
            return Err(wrong());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host: host.to_owned(), port, path })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl Url {
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The page.
    fn get(&self) -> io::Result<String> {
        let deadline = wait::now() + WITHIN;
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(deadline)?) {
                Ok(stream) => return self.ask(stream, deadline),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn ask(&self, mut stream: TcpStream, deadline: Instant) -> io::Result<String> {
        let (path, host) = (&self.path, self.authority());
        stream.set_write_timeout(Some(left(deadline)?))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: scupper\r\n\
             Accept: text/plain, application/openmetrics-text\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(page) = page(&answer, End::Open)? {
                return Ok(page);
            }
            stream.set_read_timeout(Some(left(deadline)?))?;
            match stream.read(&mut chunk) {
                Ok(0) => {
                    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off");
                    return page(&answer, End::Closed)?.ok_or_else(cut);
                }
                Ok(read) => answer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The time that was left for it is over: `left` says so.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if answer.len() > MOST_BYTES {
                return Err(io::Error::other("the answer is larger than 1 MiB"));
            }
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(wait::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 2 s"));
    }
    Ok(left)
}

/// Whether more can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// The body of an answer; `None` where it is not whole yet.
fn page(answer: &[u8], end: End) -> io::Result<Option<String>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (String::from_utf8_lossy(&answer[..head]), &answer[head + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.") || status.split(' ').nth(1) != Some("200") {
        let status = scupper_model::printable(status.as_bytes(), 80);
        return Err(io::Error::other(format!("the server answers `{status}`")));
    }
    let header = |name: &str| {
        let mut all = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        all.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let body = if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        unchunked(body)?
    } else if let Some(length) = header("content-length") {
        let length: usize = length.parse().map_err(|_| io::Error::other("the answer has no sound length"))?;
        body.get(..length).map(<[u8]>::to_vec)
    } else {
        (end == End::Closed).then(|| body.to_vec())
    };
    Ok(body.map(|body| String::from_utf8_lossy(&body).into_owned()))
}

/// A body in chunks; `None` where the last one is missing.
fn unchunked(mut body: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(&body[..end]).into_owned();
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .ok()
            .filter(|size| *size <= MOST_BYTES)
            .ok_or_else(|| io::Error::other("the answer has a chunk of no sound size"))?;
        if size == 0 {
            return Ok(Some(whole));
        }
        let Some(chunk) = body.get(end + 2..end + 2 + size) else { return Ok(None) };
        whole.extend_from_slice(chunk);
        body = body.get(end + 2 + size + 2..).unwrap_or_default();
    }
}

/// The samples of a metric, each with a count of its own: of a worker that began again the others know nothing.
#[derive(Debug)]
pub(super) struct Metric {
    url: Url,
    selector: Selector,
    counts: HashMap<String, Count>,
}

impl Metric {
    pub(super) fn of(url: &Url, selector: &Selector) -> Self {
        Self { url: url.clone(), selector: selector.clone(), counts: HashMap::new() }
    }

    fn take(&mut self, page: &str) -> Option<f64> {
        let samples = self.selector.samples(page);
        if samples.is_empty() {
            return None;
        }
        let mut more = 0.0;
        for (labels, value) in samples {
            if let Some(count) = self.counts.get_mut(labels) {
                more += count.more(value);
            } else if self.counts.len() < MOST_SERIES {
                more += self.counts.entry(labels.to_owned()).or_default().more(value);
            }
        }
        Some(more)
    }
}

impl Source for Metric {
    fn more(&mut self) -> Result<f64, String> {
        let page = self.url.get().map_err(|error| format!("cannot read {}: {error}", self.url))?;
        self.take(&page).ok_or_else(|| format!("{} has no sample of {}", self.url, self.selector))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        let of = |text: &str| text.parse::<Url>().map(|url| url.to_string());
        assert_eq!(of("http://localhost"), Ok("http://localhost:80/".to_owned()));
        assert_eq!(
            of("http://127.0.0.1:9464/metrics?a=b"),
            Ok("http://127.0.0.1:9464/metrics?a=b".to_owned())
        );
        assert_eq!(of("http://[::1]:80?x"), Ok("http://[::1]:80/?x".to_owned()));
        assert_eq!(of("http://[::1]/"), Ok("http://[::1]:80/".to_owned()));
        for wrong in
            ["http://", "http://:80/", "http://a:b/", "http://u@h/", "http://h /", "http://[::1/", "x"]
        {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_ends_by_length_by_chunks_or_with_the_connection() {
        let whole = |text: &str, end| page(text.as_bytes(), end).map_err(|error| error.to_string());
        let ok = "HTTP/1.1 200 OK\r\n";
        assert_eq!(whole(&format!("{ok}\r\nab"), End::Open), Ok(None));
        assert_eq!(whole(&format!("{ok}\r\nab"), End::Closed), Ok(Some("ab".to_owned())));
        assert_eq!(whole(&format!("{ok}content-length: 2\r\n\r\nabc"), End::Open), Ok(Some("ab".to_owned())));
        assert_eq!(whole(&format!("{ok}Content-Length: 9\r\n\r\nab"), End::Closed), Ok(None));
        let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n");
        assert_eq!(whole(&chunked, End::Open), Ok(None));
        assert_eq!(whole(&format!("{chunked}0\r\n\r\n"), End::Open), Ok(Some("abc".to_owned())));
        assert!(whole(&format!("{chunked}zz\r\n"), End::Open).unwrap_err().contains("chunk"));
        assert!(whole("HTTP/1.1 404 Not Found\r\n\r\n", End::Open).unwrap_err().contains("404"));
        assert!(whole("SSH-2.0\r\n\r\n", End::Open).unwrap_err().contains("SSH"));
    }

    #[test]
    fn each_worker_counts_for_itself() {
        let mut metric = Metric::of(&"http://x/".parse().unwrap(), &"done".parse().unwrap());
        assert_eq!(metric.take("done{w=\"1\"} 10\ndone{w=\"2\"} 5\n"), Some(15.0));
        // The second began again, the first is gone for a moment.
        assert_eq!(metric.take("done{w=\"2\"} 1\n"), Some(1.0));
        assert_eq!(metric.take("done{w=\"1\"} 12\ndone{w=\"2\"} 1\n"), Some(2.0));
        assert_eq!(metric.take("other 1\n"), None);
    }

    #[test]
    fn a_server_that_sends_without_end_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let much = vec![b'x'; 1 << 16];
            while stream.write_all(&much).is_ok() {}
        });
        assert!(url.get().unwrap_err().to_string().contains("larger"));
        server.join().unwrap();
        assert!(url.get().is_err());
    }
}
