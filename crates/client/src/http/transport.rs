//! Requests to a daemon: one connection each, so that ending one ends what it was for.

use core::fmt;
use core::str::FromStr;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::problem::Problem;

/// How long a daemon has to take a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer, many times what the daemon gives.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Where a daemon's API is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    host: String,
    port: u16,
}

/// A text is no address of an API.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is no address of a daemon: write http://HOST:PORT")]
pub struct ParseAddressError(String);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let error = || ParseAddressError(text.to_owned());
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(error)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let legal = if let Some(bare) = bare {
            bare.parse::<core::net::Ipv6Addr>().is_ok()
        } else {
            let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            !host.is_empty() && host.bytes().all(part)
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
        if legal { Ok(Self { host: host.to_owned(), port }) } else { Err(error()) }
    }
}

impl From<core::net::SocketAddr> for Address {
    fn from(address: core::net::SocketAddr) -> Self {
        let host = match address {
            core::net::SocketAddr::V4(address) => address.ip().to_string(),
            core::net::SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        Self { host, port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Why a daemon gave no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// Nobody takes connections there.
    #[error("no daemon at {address} ({source}): start `polykad serve`, or name another")]
    Nobody {
        /// Where.
        address: Address,
        /// The system's words.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the daemon at {address} broke: {source}; try again")]
    Broken {
        /// Where.
        address: Address,
        /// What happened.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// Who answers speaks something else.
    #[error("what answers at {address} is no polykad daemon, or of another version")]
    Foreign {
        /// Where.
        address: Address,
    },
    /// The daemon refuses.
    #[error("the daemon at {address} refuses: {}", .problem.detail)]
    Refused {
        /// Where.
        address: Address,
        /// Why.
        problem: Box<Problem>,
    },
}

/// The way to a daemon.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) address: Address,
    pub(super) token: Option<String>,
}

/// The token stays out of logs.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What to send.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) content: Option<&'static str>,
    /// Whether the answer is to come line by line.
    pub(super) stream: bool,
    /// A conditional header.
    pub(super) condition: Option<(HeaderName, String)>,
}

impl Wish {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

impl Transport {
    /// Sends a request; the answer's head, or why there is none that helps.
    pub(super) async fn send(&self, wish: Wish) -> Result<Response<Incoming>, Unreachable> {
        let request = self.request(wish)?;
        let host = self.address.host.trim_matches(['[', ']']);
        let connect = timeout(CONNECT_WITHIN, TcpStream::connect((host, self.address.port)));
        let nobody = |source| Unreachable::Nobody { address: self.address.clone(), source };
        let late = |_| nobody(io::ErrorKind::TimedOut.into());
        let stream = connect.await.map_err(late)?.map_err(nobody)?;
        let io = TokioIo::new(stream);
        let shaken = hyper::client::conn::http1::handshake(io).await;
        let (mut sender, connection) = shaken.map_err(|source| self.broken(source))?;
        // Ends when answer and sender are dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // The one who waits for the answer is told as well.
                drop(error);
            }
        });
        let response = sender.send_request(request).await.map_err(|source| self.broken(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    /// Sends a request, and reads the whole answer as JSON.
    pub(super) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        wish: Wish,
    ) -> Result<T, Unreachable> {
        let response = self.send(wish).await?;
        let body = self.whole(response).await?;
        serde_json::from_slice(&body).map_err(|_| self.foreign())
    }

    fn request(&self, wish: Wish) -> Result<Request<Full<Bytes>>, Unreachable> {
        let accept = if wish.stream { "application/x-ndjson" } else { "application/json" };
        let mut request = Request::builder()
            .method(wish.method)
            .uri(wish.path)
            .header(HOST, format!("{}:{}", self.address.host, self.address.port))
            .header(ACCEPT, accept);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(content) = wish.content {
            request = request.header(CONTENT_TYPE, content);
        }
        if let Some((name, tag)) = wish.condition {
            request = request.header(name, tag);
        }
        request.body(Full::new(wish.body.into())).map_err(|source| self.broken(source))
    }

    async fn refused(&self, response: Response<Incoming>) -> Unreachable {
        let body = match self.whole(response).await {
            Ok(body) => body,
            Err(unreachable) => return unreachable,
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => {
                Unreachable::Refused { address: self.address.clone(), problem: Box::new(problem) }
            }
            Err(_) => self.foreign(),
        }
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, Unreachable> {
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        Ok(body.map_err(|source| self.broken(source))?.to_bytes())
    }

    pub(super) fn broken(
        &self,
        source: impl Into<Box<dyn core::error::Error + Send + Sync>>,
    ) -> Unreachable {
        Unreachable::Broken { address: self.address.clone(), source: source.into() }
    }

    pub(super) fn foreign(&self) -> Unreachable {
        Unreachable::Foreign { address: self.address.clone() }
    }
}

/// Lines of an answer as they come.
pub(super) struct Lines {
    body: Incoming,
    /// What has come of lines not complete yet.
    rest: Vec<u8>,
}

/// The longest line, many times what the daemon sends.
const MAX_LINE_BYTES: usize = 1 << 20;

impl Lines {
    pub(super) fn new(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), rest: Vec::new() }
    }

    /// The next line; `None`: the answer has ended.
    pub(super) async fn next(
        &mut self,
    ) -> Option<Result<Vec<u8>, Box<dyn core::error::Error + Send + Sync>>> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let rest = self.rest.split_off(end + 1);
                let mut line = core::mem::replace(&mut self.rest, rest);
                line.truncate(end);
                if line.is_empty() {
                    continue;
                }
                return Some(Ok(line));
            }
            if self.rest.len() > MAX_LINE_BYTES {
                return Some(Err("a line without end".into()));
            }
            match self.body.frame().await? {
                Ok(frame) => self.rest.extend(frame.into_data().ok().into_iter().flatten()),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
