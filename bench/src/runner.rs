//! `polykad-bench mainline`: the echo, libtorrent and polykad in turn, round after round.
//!
//! Runs in namespaces of its own. The server has core 0, the generator and the swarm core 1.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::fill::{self, What};
use crate::isolate;
use crate::load::{Counts, Load, Pace};
use crate::message::Kind;
use crate::options::Options;
use crate::process::Server;
use crate::report::{Kept, Report, Round};
use crate::swarm::Swarm;

/// Put on `lo`: room for 16,384 subnets of 256 addresses.
const NETWORK: &str = "10.64.0.1/10";
const SERVERS: [(&str, SocketAddrV4); 4] = [
    ("echo", SocketAddrV4::new(Ipv4Addr::new(10, 64, 1, 1), 7001)),
    ("libtorrent", SocketAddrV4::new(Ipv4Addr::new(10, 64, 2, 1), 7002)),
    ("polykad", SocketAddrV4::new(Ipv4Addr::new(10, 64, 3, 1), 7003)),
    (ON_DISK, SocketAddrV4::new(Ipv4Addr::new(10, 64, 4, 1), 7004)),
];
/// polykad with a data folder: measured for memory alone.
const ON_DISK: &str = "on disk";
const SWARM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 65, 0, 2), 6881);
/// Nodes that everyone measured is told of.
const SWARM_NODES: usize = 4096;
/// Where the load comes from: so many addresses in turn, from this one on.
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 120, 0, 1);
const SOURCES: u32 = 256;
/// One a /24, as strangers are.
const SPACING: u32 = 256;
const IN_FLIGHT: usize = 256;
const WARM_UP: Duration = Duration::from_millis(500);
/// How long nodes get to fill their tables.
const INTRODUCTION: Duration = Duration::from_secs(20);
/// How long everything gets to come to rest.
const SETTLE: Duration = Duration::from_secs(3);
/// How long an idle node is watched.
const IDLE: Duration = Duration::from_secs(30);
/// Stored for the memory figures, from so many addresses.
const STORED: u64 = 100_000;
const STORE_SOURCES: u32 = 50_000;
const SERVER_CORE: usize = 0;
const OWN_CORE: usize = 1;

/// `polykad-bench mainline`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if !options.has("inside") {
        return isolate::enter(&["taskset", "--cpu-list", &OWN_CORE.to_string()]);
    }
    isolate::set_up_addresses(NETWORK)?;
    let bench = Bench::new(options)?;
    let mut report = Report::default();
    let only = options.text("only");
    if only.is_none_or(|part| part == "cpu") {
        report.rounds = bench.serving()?;
    }
    if only.is_none_or(|part| part == "memory") {
        report.kept = bench.memory()?;
    }
    if options.has("json") {
        println!("{:#}", report.json());
    } else {
        print!("{report}");
    }
    Ok(())
}

struct Bench {
    polykad: PathBuf,
    echo: Option<PathBuf>,
    python: Option<PathBuf>,
    rounds: usize,
    seconds: Duration,
    work: PathBuf,
    own: PathBuf,
}

impl Bench {
    fn new(options: &Options) -> Result<Self, String> {
        let work = std::env::temp_dir().join(format!("polykad-bench-{}", unique()));
        fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        Ok(Self {
            polykad: options.required("polykad")?,
            echo: options.maybe("echo")?,
            python: options.maybe("python")?,
            rounds: options.or("rounds", 5)?,
            seconds: Duration::from_secs_f64(options.or("seconds", 4.0)?),
            work,
            own: std::env::current_exe().map_err(|error| error.to_string())?,
        })
    }

    /// The program of a server, if it can be run.
    fn words(&self, name: &str, at: SocketAddrV4, answer_bytes: usize) -> Option<Vec<String>> {
        let text = |path: &Path| path.display().to_string();
        let at = at.to_string();
        match name {
            "echo" => {
                let bytes = answer_bytes.to_string();
                let own = || ["echo".into(), "--listen".into(), at.clone(), "--bytes".into()];
                Some(match &self.echo {
                    Some(echo) => vec![text(echo), at, bytes],
                    None => [&[text(&self.own)][..], &own(), &[bytes]].concat(),
                })
            }
            "libtorrent" => self.python.as_ref().map(|python| {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../interop/libtorrent_node.py");
                vec![text(python), script.into(), at, text(&self.nodes_file())]
            }),
            _ => {
                let data = text(&self.work.join("data"));
                let mut words = vec![text(&self.polykad), "serve".into()];
                words.extend(["--network", "mainline", "--no-default-bootstrap"].map(String::from));
                words.extend(["--no-rate-limit", "--no-http", "--listen", &at].map(String::from));
                if name == ON_DISK {
                    words.extend(["--data".to_owned(), data]);
                }
                for node in swarm().addresses().take(8) {
                    words.extend(["--bootstrap".to_owned(), node.to_string()]);
                }
                Some(words)
            }
        }
    }

    fn nodes_file(&self) -> PathBuf {
        self.work.join("nodes")
    }

    fn start(&self, name: &str, at: SocketAddrV4, bytes: usize) -> Result<Option<Server>, String> {
        let list: Vec<String> = swarm().addresses().map(|a| a.to_string()).collect();
        let file = self.nodes_file();
        fs::write(&file, list.join("\n")).map_err(|e| format!("{}: {e}", file.display()))?;
        let Some(words) = self.words(name, at, bytes) else {
            eprintln!("{name} is not measured: it is not installed");
            return Ok(None);
        };
        let log = self.work.join(format!("{name}.log"));
        let mut server = Server::start(SERVER_CORE, &words, &log)?;
        let kind = if name == "echo" { Kind::Echo } else { Kind::Ping };
        if let Err(reason) = wait_ready(&mut server, at, kind) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("{name}: {reason}\n{said}"));
        }
        Ok(Some(server))
    }

    /// CPU per answer, interleaved: all servers once a round, so that a noisy minute hits all.
    fn serving(&self) -> Result<Vec<Round>, String> {
        let mut servers = Vec::new();
        for (name, at) in SERVERS.iter().skip(1).filter(|(name, _)| *name != ON_DISK) {
            servers.extend(self.start(name, *at, 0)?.map(|server| (*name, *at, server)));
        }
        let targets: Vec<SocketAddrV4> = servers.iter().map(|(_, at, _)| *at).collect();
        eprintln!("{SWARM_NODES} nodes make themselves known");
        amid_swarm(&targets, || {
            // The echo sends as many bytes as ours does.
            let bytes = match servers.iter().find(|(name, ..)| *name == "polykad") {
                Some((_, at, _)) => load(*at, Kind::FindNode, WARM_UP)?.bytes_per_answer(),
                None => 300.0,
            };
            let (name, at) = SERVERS[0];
            let echo = self.start(name, at, bytes as usize)?;
            servers.extend(echo.map(|server| (name, at, server)));
            self.rounds(&servers)
        })
    }

    fn rounds(
        &self,
        servers: &[(&'static str, SocketAddrV4, Server)],
    ) -> Result<Vec<Round>, String> {
        let mut rounds = Vec::new();
        for number in 1..=self.rounds {
            eprintln!("round {number} of {}", self.rounds);
            for (name, at, server) in servers {
                let kinds: &[(&str, Kind)] = match *name {
                    "echo" => &[("echo", Kind::Echo)],
                    _ => &[("find_node", Kind::FindNode), ("get_peers", Kind::GetPeers)],
                };
                for (kind_name, kind) in kinds {
                    load(*at, *kind, WARM_UP)?;
                    let before = (server.cpu(), server.user_cpu());
                    let counts = load(*at, *kind, self.seconds)?;
                    let cpu = server.cpu().saturating_sub(before.0);
                    let user = server.user_cpu().saturating_sub(before.1);
                    rounds.push(round(name, kind_name, (cpu, user), &counts));
                }
            }
        }
        Ok(rounds)
    }

    /// Memory, each server fresh and alone, its table full.
    fn memory(&self) -> Result<Vec<Kept>, String> {
        let mut all = Vec::new();
        for (name, at) in SERVERS.iter().skip(1) {
            eprintln!("memory of {name}");
            // What the rounds left behind is not what an idle node has.
            let _ = fs::remove_dir_all(self.work.join("data"));
            if let Some(server) = self.start(name, *at, 0)? {
                all.push(amid_swarm(&[*at], || kept(name, *at, &server))?);
            }
        }
        Ok(all)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A leftover in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// Does something while the swarm, known to the targets by then, answers.
fn amid_swarm<T>(
    targets: &[SocketAddrV4],
    act: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let (introduce, stop) = (AtomicBool::new(true), AtomicBool::new(false));
    thread::scope(|scope| {
        let (introduce, stop) = (&introduce, &stop);
        let _ends_with_us = SetOnDrop(stop);
        scope.spawn(move || {
            let goes_on = || !stop.load(Ordering::Relaxed);
            if let Err(reason) = swarm().serve(targets, introduce, goes_on) {
                eprintln!("swarm: {reason}");
            }
        });
        thread::sleep(INTRODUCTION);
        introduce.store(false, Ordering::Relaxed);
        thread::sleep(SETTLE);
        act()
    })
}

/// What an idle node has, and what stored things add.
fn kept(name: &'static str, at: SocketAddrV4, server: &Server) -> Result<Kept, String> {
    let before = server.cpu();
    thread::sleep(IDLE);
    let used = server.cpu().saturating_sub(before);
    let idle = server.memory();
    let info_hash = stored(server, at, What::Announcements)?;
    let item = stored(server, at, What::Items)?;
    let idle_cpu_ms = used.as_secs_f64() * 1000.0 / IDLE.as_secs_f64();
    Ok(Kept { server: name, idle, idle_cpu_ms, info_hash, item })
}

/// Sets a flag when its scope is left, by whatever way.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn swarm() -> Swarm {
    Swarm::new(SWARM, SWARM_NODES)
}

fn unique() -> u128 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos())
}

fn load(target: SocketAddrV4, kind: Kind, duration: Duration) -> Result<Counts, String> {
    let pace = Pace::InFlight(IN_FLIGHT);
    Load { target, source: SOURCE, sources: SOURCES, spacing: SPACING, kind, pace, duration }.run()
}

/// Bytes for each of what was stored, and how many.
fn stored(server: &Server, at: SocketAddrV4, what: What) -> Result<(f64, u64), String> {
    let before = server.memory().private;
    let count = fill::fill(at, SOURCE, STORE_SOURCES, what, STORED)?;
    // Writing to disk ends, what was only used on the way is given back.
    thread::sleep(Duration::from_secs(3));
    let grown = server.memory().private.saturating_sub(before);
    Ok((grown as f64 / count.max(1) as f64, count))
}

fn wait_ready(server: &mut Server, at: SocketAddrV4, kind: Kind) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        if server.has_ended() {
            return Err("it ended".to_owned());
        }
        let probe = Load {
            target: at,
            source: SOURCE,
            sources: 1,
            spacing: 1,
            kind,
            pace: Pace::Rate(50),
            duration: Duration::from_millis(200),
        };
        if probe.run()?.answered > 0 {
            return Ok(());
        }
    }
    Err("it does not answer".to_owned())
}

fn round(
    server: &'static str,
    kind: &'static str,
    (cpu, user): (Duration, Duration),
    counts: &Counts,
) -> Round {
    let answered = counts.answered.max(1) as f64;
    Round {
        server,
        kind,
        cpu_us: cpu.as_secs_f64() * 1e6 / answered,
        user_us: user.as_secs_f64() * 1e6 / answered,
        per_second: counts.per_second(),
        bytes: counts.bytes_per_answer(),
        full: counts.full as f64 / answered,
        busy: cpu.as_secs_f64() / counts.elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
        p99_ms: counts.latency_ms(0.99),
    }
}
