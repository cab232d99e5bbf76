//! stub
use fencepost_sim::{run, scenario::Scenario};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let s = match Scenario::load(std::path::Path::new(&args[1])) {
        Ok(s) => s,
        Err(e) => {
            println!("{:?}", miette::Report::new(e));
            std::process::exit(2)
        }
    };
    let (a, b): (u64, u64) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    let mutant = args.get(4).and_then(|m| fencepost::probe::Mutant::from_name(m));
    let log = args.get(5).is_some();
    let mut bad = 0;
    let mut events = 0;
    let mut reach = [0u32; fencepost::probe::REACH_POINTS.len()];
    let cpu = || {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
    };
    let t0 = cpu();
    let mut simt = 0.0;
    let mut kinds: std::collections::BTreeMap<String, u64> = Default::default();
    for seed in a..=b {
        let s = s.clone();
        let out = std::thread::Builder::new()
            .stack_size(8 << 20)
            .spawn(move || run::run_seed(&s, seed, &run::RunOptions { mutant, log }))
            .unwrap()
            .join();
        let Ok(out) = out else {
            println!("seed {seed} PANIC");
            bad += 1;
            continue;
        };
        events += out.history.len();
        simt += out.history.events().last().unwrap().at.as_secs_f64();
        for (a, b) in reach.iter_mut().zip(out.reach) {
            *a += b;
        }
        for e in out.history.events() {
            let d = format!("{:?}", e.kind);
            let k = d.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_string();
            *kinds.entry(k).or_default() += 1;
        }
        if out.verdict != run::Verdict::Ok {
            bad += 1;
            println!(
                "seed {seed}: hash {:x} {} {:#?}",
                out.history.hash(),
                out.history.len(),
                out.verdict
            );
            if log {
                for e in out.history.events() {
                    if !matches!(
                        e.kind,
                        fencepost_sim::history::Kind::Sent { .. }
                            | fencepost_sim::history::Kind::LeaseExtended { .. }
                    ) {
                        println!("{} {:?}", e.at, e.kind);
                    }
                }
            }
        }
    }
    let dt = cpu() - t0;
    println!(
        "{} seeds, {bad} bad, {events} events, {:.3} cpu s, {:.1} seeds/s, {:.0} sim s/s",
        b - a + 1,
        dt,
        (b - a + 1) as f64 / dt,
        simt / dt
    );
    println!("{kinds:?}");
    for (n, c) in fencepost::probe::REACH_POINTS.iter().zip(reach) {
        println!("{:30} {c}", n.0);
    }
}
