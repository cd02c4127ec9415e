use kademlia::{Moment, Protocol};
use simulator::engine::*;
use simulator::mainline::*;
use simulator::net::*;
use simulator::network::*;
use std::time::{Duration, Instant};
struct Obs<'a> { net: &'a MainlineNetwork, done: Vec<Ending>, messages: u64 }
impl Observer<mainline::Node> for Obs<'_> {
    fn sent(&mut self, _: Moment, _: Place, _: Option<Place>, _: &[u8]) { self.messages += 1; }
    fn event(&mut self, _: Moment, _: Place, event: mainline::Event, _: &mut Agenda) {
        if let Some(News::Done(_, e)) = self.net.news(&event) { self.done.push(e) }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u32 = a[1].parse().unwrap();
    let lookups: u32 = a[2].parse().unwrap();
    let awake: usize = a[3].parse().unwrap();
    let net = Net::new(NetSettings::default(), 5);
    let start = EARLIEST_START;
    let birth = Birth { start, silence: Duration::ZERO, candidates: 1 };
    let t = Instant::now();
    let network = MainlineNetwork::new(1, n, mainline::Settings::default(), birth, net.clone());
    println!("ids {:?}", t.elapsed());
    let mut engine = Engine::new(EngineSettings { start, end: start + Duration::from_mins(10), awake }, network.clone(), net);
    engine.add_asleep(n);
    let mut obs = Obs { net: &network, done: vec![], messages: 0 };
    if a.len() > 4 { let t = Instant::now(); engine.wake_all(); println!("wake all {:?}", t.elapsed()); }
    for i in 0..lookups { engine.schedule(start + Duration::from_micros(30_000_000 * u64::from(i) / u64::from(lookups)), i.into()); }
    let t = Instant::now();
    let mut d = simulator::random::Draw::new(9, 9, 9);
    while let Some(_) = engine.advance(start + Duration::from_mins(1), &mut obs) {
        let place = d.below(n.into()) as u32;
        let mut id = [0; 20]; id.copy_from_slice(&d.seed()[..20]);
        engine.command(place, engine.births().command(&Wish::Find(id)), &mut obs);
    }
    let e = t.elapsed();
    let w = engine.work();
    println!("{:?} {:.0} events/s", e, w.events as f64 / e.as_secs_f64());
    println!("{w:?} messages {} trace {:016x}", obs.messages, engine.trace().hash());
    let k = obs.done.len() as f64;
    let mean = |f: &dyn Fn(&Ending) -> f64| obs.done.iter().map(|e| f(e)).sum::<f64>() / k;
    println!("done {} asked {:.2} failed {:.2} hops {:.2} elapsed {:.3}", k, mean(&|e| e.asked.into()), mean(&|e| e.failed.into()), mean(&|e| e.hops.into()), mean(&|e| e.elapsed.as_secs_f64()));
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM")).collect::<Vec<_>>().join(" "));
    println!("sizeof node {}", size_of::<mainline::Node>());
}
