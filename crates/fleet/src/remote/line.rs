//! One connection, and one request after the other on it. Everything is bounded: the time, and what is read.
//!
//! hyper speaks HTTP; it is driven by a runtime of this thread that runs only while somebody waits for a reply. A pool,
//! redirects, proxies and cookies, which a larger client would bring, are nothing that is wanted here.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::wire::{REPLY_LIMIT, Token};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or an address without brackets, and a port.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// A request. `path` begins with `/` and holds nothing that had to be written otherwise in a URL.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) token: Option<Token>,
    pub(super) body: Vec<u8>,
}

/// A reply, whole.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("no reply within {0:?}")]
    TooSlow(Duration),
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("no runtime for the connection")]
    Runtime(#[source] std::io::Error),
    #[error("the connection broke off, or what came over it is no HTTP")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// A connection.
pub(super) struct Line {
    /// Taken only when it is dropped.
    runtime: Option<Runtime>,
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Line {
    pub(super) fn open(place: &Place, within: Duration) -> Result<Self, LineError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(1)
            .build()
            .map_err(LineError::Runtime)?;
        let opened = runtime.block_on(async { timeout(within, connect(place)).await });
        let sender = match opened {
            Ok(Ok(sender)) => sender,
            failed => {
                // A name that is being looked up is not waited for.
                runtime.shutdown_background();
                return Err(match failed {
                    Ok(Err(error)) => error,
                    _ => LineError::TooSlow(within),
                });
            }
        };
        let host = match place {
            Place::Tcp { .. } => HeaderValue::try_from(place.authority()),
            Place::Unix(_) => Ok(HeaderValue::from_static("localhost")),
        };
        let host = host.map_err(|error| LineError::Broken(error.into()))?;
        Ok(Self { runtime: Some(runtime), sender, host })
    }

    pub(super) fn ask(&mut self, asked: &Asked, within: Duration) -> Result<Answered, LineError> {
        let request = self.request(asked).map_err(|error| LineError::Broken(error.into()))?;
        let Some(runtime) = &self.runtime else { return Err(LineError::Broken("it is closed".into())) };
        let sender = &mut self.sender;
        let answered = async {
            sender.ready().await?;
            let reply = sender.send_request(request).await?;
            let status = reply.status().as_u16();
            let body = Limited::new(reply.into_body(), REPLY_LIMIT).collect().await?.to_bytes().to_vec();
            Ok::<_, Box<dyn Error + Send + Sync>>(Answered { status, body })
        };
        match runtime.block_on(async { timeout(within, answered).await }) {
            Ok(answered) => answered.map_err(LineError::Broken),
            Err(_) => Err(LineError::TooSlow(within)),
        }
    }

    fn request(&self, asked: &Asked) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(&asked.path)
            .header(HOST, self.host.clone())
            .header(USER_AGENT, "scupper");
        if let Some(token) = &asked.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if !asked.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::from(asked.body.clone()))
    }

    /// Whether it takes another request.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("host", &self.host).finish_non_exhaustive()
    }
}

async fn connect(place: &Place) -> Result<SendRequest<Full<Bytes>>, LineError> {
    match place {
        Place::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(LineError::Connect)?;
            // Small requests, each waited for: nothing is gained by holding one back.
            stream.set_nodelay(true).map_err(LineError::Connect)?;
            handshake(stream).await
        }
        Place::Unix(path) => handshake(UnixStream::connect(path).await.map_err(LineError::Connect)?).await,
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, LineError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| LineError::Broken(error.into()))?;
    // What ends it is told to whoever asks next.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

impl Place {
    fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { .. } => write!(f, "http://{}", self.authority()),
            Self::Unix(_) => write!(f, "unix:{}", self.authority()),
        }
    }
}
