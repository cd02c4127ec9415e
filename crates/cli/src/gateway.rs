//! The HTTP side of a daemon: started with its node, found by other commands, stopped with it.

use core::net::SocketAddr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Client;
use client::http::DEFAULT_ADDRESS;
use gateway::{BindError, Controls, Gateway, Limits, Settings};
use polykad::config::{HttpLayer, HttpLimitsLayer};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::HttpOptions;
use crate::failure::Failure;
use crate::output::{complain, hex_bytes};

/// The file in a data folder that says where the daemon serves.
pub(crate) const FILE: &str = "http.json";
/// A token shorter than this can be guessed.
const LEAST_TOKEN_BYTES: usize = 16;

/// What [`FILE`] holds. Only its owner may read it: it has the token.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Whereabouts {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) pid: u32,
}

/// A gateway that serves.
pub(crate) struct Serving {
    address: SocketAddr,
    has_token: bool,
    controls: Controls,
    file: Option<PathBuf>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What flags say of HTTP; `None`: nothing.
pub(crate) fn layer(options: &HttpOptions) -> Option<HttpLayer> {
    let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    let layer = HttpLayer {
        listen: options.http,
        off: options.no_http.then_some(true),
        insecure: options.http_insecure.then_some(true),
        token_file: options.http_token_file.clone(),
        hosts: list(&options.http_host),
        origins: list(&options.http_origin),
        read_only: options.http_read_only.then_some(true),
        limits: None,
    };
    (layer != HttpLayer::default()).then_some(layer)
}

fn settings(http: &HttpLayer) -> Result<Settings, Failure> {
    let token = match &http.token_file {
        Some(file) => Some(read_token(file)?),
        None => std::env::var("POLYKAD_HTTP_TOKEN").ok().filter(|token| !token.is_empty()),
    };
    Ok(Settings {
        token,
        insecure: http.insecure == Some(true),
        hosts: http.hosts.clone().unwrap_or_default(),
        origins: http.origins.clone().unwrap_or_default(),
        read_only: http.read_only == Some(true),
        limits: limits(http.limits),
    })
}

impl Serving {
    /// Starts serving where the settings say, else at the usual address, if that is free.
    pub(crate) async fn start_daemon(
        http: Option<HttpLayer>,
        client: Arc<dyn Client>,
        folder: Option<PathBuf>,
    ) -> Result<Option<Self>, Failure> {
        let http = http.unwrap_or_default();
        if http.off == Some(true) {
            return Ok(None);
        }
        let usual = SocketAddr::from(DEFAULT_ADDRESS);
        let settings = settings(&http)?;
        let token = settings.token.clone();
        match Gateway::bind(client, http.listen.unwrap_or(usual), settings).await {
            Err(BindError::Busy { address }) if http.listen.is_none() => {
                let other = "--http IP:PORT takes another address";
                complain(&format!("no dashboard, because {address} is in use: {other}"));
                Ok(None)
            }
            bound => Ok(Some(Self::serve(bound?, token, folder))),
        }
    }

    /// Starts serving for a demo, of which other commands need not know: there, or, if nobody says
    /// where, at the usual address or at any port beside it.
    pub(crate) async fn start_demo(
        listen: Option<SocketAddr>,
        client: Arc<dyn Client>,
    ) -> Result<Self, Failure> {
        let usual = SocketAddr::from(DEFAULT_ADDRESS);
        let settings = settings(&HttpLayer::default())?;
        let token = settings.token.clone();
        let first = listen.unwrap_or(usual);
        let gateway = match Gateway::bind(Arc::clone(&client), first, settings.clone()).await {
            Err(BindError::Busy { .. }) if listen.is_none() => {
                Gateway::bind(client, SocketAddr::new(usual.ip(), 0), settings).await
            }
            bound => bound,
        }?;
        Ok(Self::serve(gateway, token, None))
    }

    fn serve(gateway: Gateway, token: Option<String>, folder: Option<PathBuf>) -> Self {
        let (address, controls) = (gateway.address(), gateway.controls());
        let has_token = token.is_some();
        let file = folder.map(|folder| folder.join(FILE));
        if let Some(file) = &file {
            let whereabouts = Whereabouts { url: url(address), token, pid: std::process::id() };
            if let Err(error) = write_private(file, &whereabouts) {
                let name = file.display();
                complain(&format!("warning: cannot write {name}: {error}; give --daemon URL"));
            }
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.serve(async {
            // An error means that the daemon ends without saying so: all the same.
            let _ = stopped.await;
        }));
        Self { address, has_token, controls, file, stop, task }
    }

    /// From now on these bounds hold.
    pub(crate) fn set_limits(&self, layer: Option<HttpLimitsLayer>) {
        self.controls.set_limits(limits(layer));
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// Who may use it, for people.
    pub(crate) fn access(&self) -> &'static str {
        match (self.address.ip().is_loopback(), self.has_token) {
            (_, true) => "with the token alone",
            (true, false) => "this machine alone",
            (false, false) => "everybody who reaches it, without a token",
        }
    }

    /// Ends what is under way, and leaves.
    pub(crate) async fn stop(self) {
        // An error means that it has ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
        if let Some(file) = self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// The bounds of the settings, and the default where they say nothing.
fn limits(layer: Option<HttpLimitsLayer>) -> Limits {
    let (layer, default) = (layer.unwrap_or_default(), Limits::default());
    Limits {
        connections: layer.connections.unwrap_or(default.connections),
        connections_per_host: layer.connections_per_host.unwrap_or(default.connections_per_host),
        operations: layer.operations.unwrap_or(default.operations),
        streams: layer.streams.unwrap_or(default.streams),
        requests_per_second: layer.requests_per_second.unwrap_or(default.requests_per_second),
        burst: layer.burst.unwrap_or(default.burst),
        ..default
    }
}

/// Where a browser on this machine finds it.
fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            core::net::Ipv6Addr::LOCALHOST.into()
        } else {
            (*DEFAULT_ADDRESS.ip()).into()
        });
    }
    format!("http://{address}")
}

fn write_private(path: &Path, whereabouts: &Whereabouts) -> io::Result<()> {
    // One of an earlier run may have been left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(path)?;
    file.write_all(&serde_json::to_vec(whereabouts)?)?;
    file.write_all(b"\n")
}

/// A new file that only its owner may read.
fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Reads the token, or makes one.
fn read_token(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let token = text.trim();
            let legal =
                token.len() >= LEAST_TOKEN_BYTES && token.bytes().all(|b| b.is_ascii_graphic());
            if legal {
                return Ok(token.to_owned());
            }
            Err(Failure::wrong_use(format!(
                "{name} holds no token: write one line of {LEAST_TOKEN_BYTES} letters and digits \
                 or more, or delete the file to have one made"
            )))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 24];
            getrandom::fill(&mut bytes).map_err(|error| {
                Failure::failed(format!("the system gives no random bytes: {error}"))
            })?;
            let token = hex_bytes(&bytes);
            let written = private(path).and_then(|mut file| writeln!(file, "{token}"));
            let fault = |error| Failure::wrong_use(format!("cannot make {name}: {error}"));
            written.map_err(fault)?;
            Ok(token)
        }
        Err(error) => Err(Failure::wrong_use(format!("cannot read {name}: {error}"))),
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::wrong_use(error.to_string())
    }
}

/// Tells systemd of a change (`sd_notify(3)`), if it wants to know.
pub(crate) fn notify(state: &str) {
    #[cfg(target_os = "linux")]
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET") {
        // It is a courtesy: without it the service manager waits, and says so.
        let _ = tell(&path, state);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}

#[cfg(target_os = "linux")]
fn tell(path: &std::ffi::OsStr, state: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests;
