//! The `[swarm]` section: what a seed draws in addition to the listed faults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::{Around, MAX_PPM};
use super::field::{Section, Value, count, duration, fixed, positive, steps};
use super::problem::{Problems, suggest};
use super::units::Between;
use crate::faults::plan::{DiskMode, Harm, Transport};

/// What a seed draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// How many draws; a pattern of several faults is one.
    pub count: Between<u32>,
    /// How often each kind is drawn, relative to the others. None is zero.
    pub draw: BTreeMap<DrawKind, u32>,
    /// How hard the draws are.
    pub ranges: Ranges,
    /// In how many of a hundred seeds one node is far away from the rest of the world.
    pub far_node: u32,
    /// In how many of a hundred seeds latencies have a long tail.
    pub long_tail: u32,
    /// In how many of a hundred seeds the workload's `units` and `spread` hold; in the others, they
    /// are zero.
    pub shared: u32,
    /// In how many of a hundred seeds all faults are minor: the leader must stay.
    pub minor: u32,
}

/// How hard the drawn faults are. Durations are drawn so that each doubling is equally likely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    /// How long processes stand still and machines sleep.
    pub pause: Between<Duration>,
    /// How long links are cut, and database, sink and disks are away or fail.
    pub cut: Between<Duration>,
    /// How long links and disks are slow, and acknowledgements late or lost.
    pub slow: Between<Duration>,
    /// By how much they are.
    pub by: Between<Duration>,
    /// How long there is noise.
    pub noise: Between<Duration>,
    /// How long a bounced process or service is away.
    pub down: Between<Duration>,
    /// How long a new process takes to its first step.
    pub slow_start: Between<Duration>,
    /// How far wall clocks jump, in either direction, in milliseconds.
    pub step_ms: Between<i64>,
    /// How long a clock's rate is off, or a wall clock jumps to and fro.
    pub rate: Between<Duration>,
    /// How far it is, in either direction, in parts per million; never beyond the bound.
    pub ppm: Between<u32>,
    /// How far it is when it is beyond the bound.
    pub ppm_outside: Between<u32>,
}

impl Default for Ranges {
    fn default() -> Self {
        let millis = |low, high| Between {
            low: Duration::from_millis(low),
            high: Duration::from_millis(high),
        };
        Self {
            pause: millis(50, 10_000),
            cut: millis(100, 10_000),
            slow: millis(200, 10_000),
            by: millis(100, 3_000),
            noise: millis(500, 10_000),
            down: millis(0, 3_000),
            slow_start: millis(0, 3_000),
            step_ms: Between { low: 1, high: 3_600_000 },
            rate: millis(1_000, 20_000),
            ppm: Between { low: 100, high: MAX_PPM },
            ppm_outside: Between { low: 50_000, high: 500_000 },
        }
    }
}

macro_rules! draw_kinds {
    ($($(#[$doc:meta])+ $kind:ident = $name:literal, $weight:literal;)+) => {
        /// What can be drawn: single faults, and patterns of several that belong together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DrawKind {
            $($(#[$doc])+ $kind,)+
        }

        impl DrawKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name in `draw`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The weight in a swarm without `draw`.
            pub fn weight(self) -> u32 {
                match self { $(Self::$kind => $weight,)+ }
            }
        }
    };
}

draw_kinds! {
    /// Some node stands still.
    Pause = "pause", 3;
    /// The leader stands still.
    PauseLeader = "pause-leader", 6;
    /// Some node is cut off from everything.
    CutNode = "cut-node", 3;
    /// The leader is cut off from the other nodes, with or without database and sink.
    CutLeader = "cut-leader", 4;
    /// One link is cut.
    CutLink = "cut-link", 2;
    /// Some node hears nothing, or is not heard.
    CutOneWay = "cut-one-way", 4;
    /// The nodes are cut into two groups.
    CutHalves = "cut-halves", 3;
    /// Links are cut and mended in turn.
    Flap = "flap", 3;
    /// Only neighbours reach each other, the last and the first among them.
    Ring = "ring", 2;
    /// Only neighbours reach each other.
    Chain = "chain", 1;
    /// Only one node reaches all others, and they reach only it.
    Star = "star", 2;
    /// Messages between nodes take longer.
    SlowLink = "slow-link", 3;
    /// Election messages are lost, doubled and reordered.
    Noise = "noise", 3;
    /// The database cannot be reached, by all nodes or by the leader.
    DbOutage = "db-outage", 3;
    /// The database is slow, in one or both directions.
    DbSlow = "db-slow", 3;
    /// The sink cannot be reached, by all nodes or by the leader.
    SinkOutage = "sink-outage", 3;
    /// The sink is slow, in one or both directions.
    SinkSlow = "sink-slow", 3;
    /// Some node is killed and started again.
    Kill = "kill", 4;
    /// Some node is stopped gracefully and started again.
    Stop = "stop", 3;
    /// All nodes are restarted in turn.
    Rolling = "rolling", 1;
    /// A wall clock jumps.
    WallStep = "wall-step", 2;
    /// A clock's rate is off within the bound.
    Rate = "rate", 2;
    /// A clock's rate is off beyond the bound, where the lease layer may fail.
    RateOutside = "rate-outside", 0;
    /// The leader's way from or to the database is slow, and then the leader stands still: it
    /// resumes with an answer that is old.
    StaleAnswer = "stale-answer", 4;
    /// The leader's way to the database is slow, and then it is cut off from the other nodes: its
    /// writes arrive when another one leads.
    LateWrite = "late-write", 4;
    /// The others' answers to the leader come late, and then not at all.
    LateAnswers = "late-answers", 3;
    /// The leader is bounced, what it said last comes late, and its successor dies meanwhile.
    LastWords = "last-words", 2;
    /// The database is away while the leader, and then everybody, stands still for a lease.
    StoreAway = "store-away", 1;
    /// Campaigns take long, and a voter forgets its vote in the middle of one.
    ForgottenVote = "forgotten-vote", 2;
    /// Some node is killed and started again on an empty disk.
    KillWiped = "kill-wiped", 3;
    /// Some node is stopped gracefully and started again on an empty disk.
    StopWiped = "stop-wiped", 2;
    /// All nodes are restarted in turn, each on an empty disk.
    RollingWiped = "rolling-wiped", 1;
    /// A majority of the voters is killed at once and started again on empty disks.
    KillMajorityWiped = "kill-majority-wiped", 1;
    /// All nodes are killed at once and started again on empty disks.
    KillAllWiped = "kill-all-wiped", 1;
    /// Some node is killed and finds its disk damaged.
    Torn = "torn", 1;
    /// A voter that is cut off from all others is killed, comes back with an empty disk while it
    /// is still cut off, and is then healed.
    WipedCutOff = "wiped-cut-off", 2;
    /// A voter is added to the list, node by node, and mostly taken away again.
    VotersChange = "voters-change", 1;
    /// Several nodes, a majority or all of them stand still at once.
    PauseSeveral = "pause-several", 2;
    /// Some machines sleep.
    Suspend = "suspend", 2;
    /// Some machine sleeps and its monotonic clock does not count that, where the lease layer may
    /// fail.
    SuspendUncounted = "suspend-uncounted", 0;
    /// What some machine tells other nodes is partly made up, where what rests on names may fail.
    Lies = "lies", 0;
    /// Some machine vanishes without a word and starts again later.
    SilentDeath = "silent-death", 3;
    /// Some process is killed again and again.
    CrashLoop = "crash-loop", 2;
    /// Some disk takes nothing.
    DiskFull = "disk-full", 2;
    /// Some disk cannot be read, and its node is killed meanwhile.
    DiskUnreadable = "disk-unreadable", 1;
    /// Some disk, or all of them, take long to write.
    DiskSlow = "disk-slow", 2;
    /// Every wall clock is off from the beginning, each by its own amount.
    WallOffset = "wall-offset", 1;
    /// Some wall clock jumps to and fro.
    Strobe = "wall-strobe", 1;
    /// Some nodes, by name, cannot reach the database or do not get its answers.
    DbPartial = "db-partial", 2;
    /// The database's wall clock jumps, unless the sink's promise rests on it.
    DbWallStep = "db-wall-step", 0;
    /// The database's process is restarted.
    DbRestart = "db-restart", 2;
    /// The database fails over to a standby that lacks its last commits: what they said is lost, and
    /// may be done again.
    DbFailoverLost = "db-failover-lost", 0;
    /// The database fails.
    DbFails = "db-fails", 2;
    /// Commits are acknowledged late.
    CommitLate = "commit-late", 2;
    /// Acknowledgements of commits are lost.
    CommitLost = "commit-lost", 2;
    /// The sink's process is restarted.
    SinkRestart = "sink-restart", 2;
    /// The sink fails.
    SinkFails = "sink-fails", 2;
    /// The sink refuses whatever it is sent.
    SinkRefuses = "sink-refuses", 2;
    /// Effects are acknowledged late.
    EffectLate = "effect-late", 2;
    /// Acknowledgements of effects are lost.
    EffectLost = "effect-lost", 2;
}

impl DrawKind {
    /// Whether the draw needs the link plugin.
    pub fn needs_links(self) -> bool {
        matches!(
            self,
            Self::SlowLink
                | Self::Noise
                | Self::LateAnswers
                | Self::LastWords
                | Self::ForgottenVote
                | Self::Lies
        )
    }

    /// Whether the draw needs disks of whatever kind.
    fn needs_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskUnreadable | Self::DiskSlow)
    }

    /// What it does to disks.
    pub(super) fn harm(self) -> Harm {
        match self {
            Self::KillWiped
            | Self::StopWiped
            | Self::RollingWiped
            | Self::KillMajorityWiped
            | Self::KillAllWiped
            | Self::WipedCutOff => Harm::Wipe,
            Self::Torn => Harm::Tear,
            _ => Harm::None,
        }
    }
}

/// What only the link plugin can do.
const OF_LINKS: [&str; 2] = ["far_node", "long_tail"];

/// The most draws of one seed.
const MAX_COUNT: u32 = 1_000;

pub(super) fn parse(
    value: &Value,
    around: Around,
    max_drift_ppm: Option<u32>,
    problems: &mut Problems,
) -> Option<Swarm> {
    let section = Section::of("[swarm]", value, problems)?;
    section
        .only(&["count", "draw", "ranges", "far_node", "long_tail", "shared", "minor"], problems);
    let number = section.need("count", "\"3..12\"", problems);
    let number = number.and_then(|value| {
        let number = count("count", value, problems)?;
        if number.high <= MAX_COUNT {
            return Some(number);
        }
        problems.add(
            value.span(),
            "too many draws",
            format!("expected at most {MAX_COUNT}"),
            "split them over several seeds",
        );
        None
    });
    let draw = match section.get("draw") {
        Some(value) => draw(value, around, problems),
        None => Some(default_draw(around)),
    };
    let drift = max_drift_ppm.unwrap_or(0);
    let mut ranges = match section.get("ranges") {
        Some(value) => ranges(value, problems)?,
        None => Ranges::default(),
    };
    ranges.ppm.high = ranges.ppm.high.min(drift);
    ranges.ppm.low = ranges.ppm.low.min(ranges.ppm.high);
    let draw = draw?;
    if draw.contains_key(&DrawKind::RateOutside) && ranges.ppm_outside.low <= drift {
        let place = section.get("ranges").map_or_else(|| section.at.clone(), toml::Spanned::span);
        problems.add(
            place,
            "rates outside the bound begin within it",
            format!("expected ppm_outside above {drift}"),
            format!(
                "write ranges = {{ ppm_outside = \"{}..500000\" }} in [swarm]: max_drift_ppm is \
                 {drift}",
                drift + 1
            ),
        );
    }
    let far_node = percent("far_node", 0, &section, around, problems);
    let long_tail = percent("long_tail", 0, &section, around, problems);
    let shared = percent("shared", 100, &section, around, problems);
    let minor = percent("minor", 0, &section, around, problems);
    Some(Swarm {
        count: number?,
        draw,
        ranges,
        far_node: far_node?,
        long_tail: long_tail?,
        shared: shared?,
        minor: minor?,
    })
}

/// How many of a hundred seeds; `otherwise`, if the scenario does not say.
fn percent(
    key: &str,
    otherwise: u32,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<u32> {
    let Some(value) = section.get(key) else { return Some(otherwise) };
    let percent = count(key, value, problems).and_then(|p| fixed(key, p, section, problems))?;
    let (message, label, help) = if percent > 100 {
        (
            format!("\"{key}\" is more than all seeds"),
            "expected 0 to 100",
            "write in how many of a hundred seeds, such as 20",
        )
    } else if percent > 0 && OF_LINKS.contains(&key) && around.transport == Some(Transport::Tcp) {
        (
            format!("\"{key}\" does not reach the tcp transport"),
            "only with transport = \"links\"",
            "write transport = \"links\" in cluster, or leave it out",
        )
    } else {
        return Some(percent);
    };
    problems.add(value.span(), message, label, help);
    None
}

fn default_draw(around: Around) -> BTreeMap<DrawKind, u32> {
    DrawKind::ALL
        .iter()
        .filter(|kind| kind.weight() > 0 && obstacle(**kind, around).is_none())
        .map(|kind| (*kind, kind.weight()))
        .collect()
}

/// Why no seed of that cluster could carry the draw out: what is wrong, what it takes, and what to
/// write.
fn obstacle(kind: DrawKind, around: Around) -> Option<(String, &'static str, &'static str)> {
    let name = kind.name();
    if kind.needs_links() && around.transport == Some(Transport::Tcp) {
        return Some((
            format!("{name} does not reach the tcp transport"),
            "only with transport = \"links\"",
            "write transport = \"links\" in cluster, or leave it out",
        ));
    }
    let (harm, disks) = (kind.harm(), around.disks?);
    if kind.needs_disk() && disks.iter().all(|disk| *disk == DiskMode::None) {
        return Some((
            format!("{name} does nothing: no node of this cluster has a disk"),
            "only with a disk",
            "write disk = \"kept\" in cluster, or leave it out",
        ));
    }
    if harm == Harm::None || disks.iter().any(|disk| disk.fit(harm) == harm) {
        return None;
    }
    Some((
        format!("{name} does nothing: this cluster keeps nothing on its disks"),
        "only with disk = \"kept\"",
        "write disk = \"kept\" in cluster, or leave it out",
    ))
}

fn draw(value: &Value, around: Around, problems: &mut Problems) -> Option<BTreeMap<DrawKind, u32>> {
    let section = Section::of("draw", value, problems)?;
    let before = problems.found.len();
    let mut draw = BTreeMap::new();
    for key in section.keys() {
        let name = &**key.get_ref();
        let Some(kind) = DrawKind::ALL.iter().find(|kind| kind.name() == name) else {
            let help = suggest(name, DrawKind::ALL.iter().map(|kind| kind.name()));
            let message = format!("there is no fault \"{name}\" to draw");
            problems.add(key.span(), message, "cannot be drawn", help);
            continue;
        };
        let weight = section.get(name).and_then(|value| count(name, value, problems));
        let Some(weight) = weight.map(|weight| weight.high.min(1_000_000)) else { continue };
        if weight > 0
            && let Some((message, label, help)) = obstacle(*kind, around)
        {
            problems.add(key.span(), message, label, help);
        }
        if weight > 0 {
            draw.insert(*kind, weight);
        }
    }
    if draw.is_empty() && problems.found.len() == before {
        problems.add(
            section.at.clone(),
            "nothing can be drawn",
            "all weights are zero",
            "write for example draw = { pause-leader = 3, cut-node = 2 }",
        );
    }
    (problems.found.len() == before).then_some(draw)
}

fn ranges(value: &Value, problems: &mut Problems) -> Option<Ranges> {
    let section = Section::of("ranges", value, problems)?;
    let mut ranges = Ranges::default();
    let before = problems.found.len();
    {
        let mut known = Vec::new();
        let mut durations = [
            ("pause", &mut ranges.pause),
            ("cut", &mut ranges.cut),
            ("slow", &mut ranges.slow),
            ("by", &mut ranges.by),
            ("noise", &mut ranges.noise),
            ("down", &mut ranges.down),
            ("slow_start", &mut ranges.slow_start),
            ("rate", &mut ranges.rate),
        ];
        for (key, field) in &mut durations {
            known.push(*key);
            let Some(value) = section.get(key) else { continue };
            let read = duration(key, value, problems).and_then(|read| {
                let may_be_zero = matches!(*key, "down" | "slow_start");
                if may_be_zero { Some(read) } else { positive(key, value.span(), read, problems) }
            });
            **field = read.unwrap_or(**field);
        }
        known.extend(["step", "ppm", "ppm_outside"]);
        section.only(&known, problems);
    }
    if let Some(value) = section.get("step")
        && let Some(read) = steps("step", value, problems)
    {
        if read.low < 0 {
            problems.add(
                value.span(),
                "\"step\" is below zero",
                "expected how far",
                "write how far, such as \"1ms..1h\": both directions are drawn",
            );
        }
        ranges.step_ms = read;
    }
    for (key, field) in [("ppm", &mut ranges.ppm), ("ppm_outside", &mut ranges.ppm_outside)] {
        let Some(value) = section.get(key) else { continue };
        let Some(read) = count(key, value, problems) else { continue };
        if read.high > MAX_PPM {
            problems.add(
                value.span(),
                format!("\"{key}\" is beyond what a clock can do"),
                format!("expected at most {MAX_PPM}"),
                format!("write for example {key} = \"100..{MAX_PPM}\""),
            );
        }
        *field = read;
    }
    (problems.found.len() == before).then_some(ranges)
}
