//! How faults are written: each is one line of a scenario.

use std::fmt;

use super::plan::{
    Case, DiskTrouble, Fault, Harm, Latency, Links, Noise, PlannedFault, Service, ServiceTrouble,
    Shape, Start, Target, Topology, Trigger,
};
use crate::scenario::units::{duration, probability, step};

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Leader => f.write_str("leader"),
            Self::Follower => f.write_str("follower"),
            Self::Majority => f.write_str("majority"),
            Self::Others => f.write_str("others"),
            Self::All => f.write_str("all"),
            Self::Database => f.write_str("db"),
            Self::Sink => f.write_str("sink"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, targets: &[Target]) -> fmt::Result {
    for (index, target) in targets.iter().enumerate() {
        write!(f, "{}{target}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.from)?;
        f.write_str(if self.both_ways { " <-> " } else { " -> " })?;
        list(f, &self.to)
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "loss = {}, duplicate = {}, reorder = {}",
            probability(self.loss_ppm),
            probability(self.duplicate_ppm),
            probability(self.reorder_ppm)
        )
    }
}

/// The end of a line that harms a disk.
impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Wipe => ", wipe = true",
            Self::Tear => ", torn = true",
        })
    }
}

impl fmt::Display for DiskTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("is = \"full\""),
            Self::Unreadable => f.write_str("is = \"unreadable\""),
            Self::Slow { by } => write!(f, "is = \"slow\", by = \"{}\"", duration(*by)),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring => f.write_str("ring"),
            Self::Chain => f.write_str("chain"),
            Self::Star(centre) => write!(f, "star({centre})"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "db",
            Self::Sink => "sink",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doubts => "doubts",
            Self::DeadLetters => "dead letters",
        })
    }
}

/// `latency` and `shape` of a section, the second only if it is not the usual one.
impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latency = \"{}..{}\"", duration(self.low), duration(self.high))?;
        match self.shape {
            Shape::Uniform => Ok(()),
            shape => write!(f, ", shape = \"{}\"", shape.name()),
        }
    }
}

/// As in a scenario, without the moment.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { nodes, lasts } => {
                f.write_str("pause = \"")?;
                list(f, nodes)?;
                write!(f, "\", for = \"{}\"", duration(*lasts))
            }
            Self::Suspend { nodes, counted, lasts } => {
                f.write_str("suspend = \"")?;
                list(f, nodes)?;
                let uncounted = if *counted { "" } else { ", uncounted = true" };
                write!(f, "\"{uncounted}, for = \"{}\"", duration(*lasts))
            }
            Self::Lies { nodes, lasts } => {
                f.write_str("lies = \"")?;
                list(f, nodes)?;
                write!(f, "\", for = \"{}\"", duration(*lasts))
            }
            Self::Cut { links, lasts } => {
                write!(f, "cut = \"{links}\", for = \"{}\"", duration(*lasts))
            }
            Self::Slow { links, by, lasts } => {
                let (by, lasts) = (duration(*by), duration(*lasts));
                write!(f, "slow = \"{links}\", by = \"{by}\", for = \"{lasts}\"")
            }
            Self::Flap { links, up, down, lasts } => {
                let (up, down, lasts) = (duration(*up), duration(*down), duration(*lasts));
                write!(f, "flap = \"{links}\", up = \"{up}\", down = \"{down}\", ")?;
                write!(f, "for = \"{lasts}\"")
            }
            Self::Topology { topology, lasts } => {
                write!(f, "topology = \"{topology}\", for = \"{}\"", duration(*lasts))
            }
            Self::Noise { links, noise, lasts } => {
                write!(f, "noise = \"{links}\", {noise}, for = \"{}\"", duration(*lasts))
            }
            Self::Bounce { nodes, graceful, harm, down, slow_start } => {
                f.write_str(if *graceful { "stop = \"" } else { "kill = \"" })?;
                list(f, nodes)?;
                write!(f, "\", down = \"{}\"", duration(*down))?;
                if !slow_start.is_zero() {
                    write!(f, ", slow_start = \"{}\"", duration(*slow_start))?;
                }
                harm.fmt(f)
            }
            Self::Deploy { node, voters, down } => {
                let down = duration(*down);
                write!(f, "deploy = \"{node}\", voters = {voters}, down = \"{down}\"")
            }
            Self::Retire { node } => write!(f, "retire = \"{node}\""),
            Self::Die { nodes, harm, down, slow_start } => {
                f.write_str("die = \"")?;
                list(f, nodes)?;
                write!(f, "\", down = \"{}\"", duration(*down))?;
                if !slow_start.is_zero() {
                    write!(f, ", slow_start = \"{}\"", duration(*slow_start))?;
                }
                harm.fmt(f)
            }
            Self::CrashLoop { nodes, harm, times, up, down } => {
                f.write_str("crash_loop = \"")?;
                list(f, nodes)?;
                let (up, down) = (duration(*up), duration(*down));
                write!(f, "\", times = {times}, up = \"{up}\", down = \"{down}\"")?;
                harm.fmt(f)
            }
            Self::Disk { nodes, trouble, lasts } => {
                f.write_str("disk = \"")?;
                list(f, nodes)?;
                write!(f, "\", {trouble}, for = \"{}\"", duration(*lasts))
            }
            Self::Restart { service, loses, down } => {
                write!(f, "restart = \"{service}\", down = \"{}\"", duration(*down))?;
                if loses.is_zero() {
                    return Ok(());
                }
                write!(f, ", loses = \"{}\"", duration(*loses))
            }
            Self::Service { service, trouble, share_ppm, lasts } => {
                match (trouble, service) {
                    (ServiceTrouble::Fails, service) => write!(f, "fail = \"{service}\"")?,
                    (ServiceTrouble::Refuses, service) => write!(f, "refuse = \"{service}\"")?,
                    (_, Service::Database) => write!(f, "commit = ")?,
                    (_, Service::Sink) => write!(f, "effect = ")?,
                }
                match trouble {
                    ServiceTrouble::Fails | ServiceTrouble::Refuses => {}
                    ServiceTrouble::Late { by } => {
                        write!(f, "\"late\", by = \"{}\"", duration(*by))?;
                    }
                    ServiceTrouble::Lost => f.write_str("\"lost\"")?,
                }
                let share = probability(*share_ppm);
                write!(f, ", share = {share}, for = \"{}\"", duration(*lasts))
            }
            Self::Judge { case, thinks } => {
                write!(f, "judge = \"{case}\", thinks = \"{}\"", duration(*thinks))
            }
            Self::Strobe { node, by_ms, every, lasts } => write!(
                f,
                "strobe = \"{node}\", by = \"{}\", every = \"{}\", for = \"{}\"",
                step(*by_ms),
                duration(*every),
                duration(*lasts)
            ),
            Self::WallStep { node, by_ms } => {
                write!(f, "wall = \"{node}\", step = \"{}\"", step(*by_ms))
            }
            Self::Rate { node, ppm, lasts } => {
                write!(f, "rate = \"{node}\", ppm = {ppm}, for = \"{}\"", duration(*lasts))
            }
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaign(None) => f.write_str("campaign"),
            Self::Campaign(Some(node)) => write!(f, "campaign({node})"),
            Self::Leader(None) => f.write_str("leader"),
            Self::Leader(Some(node)) => write!(f, "leader({node})"),
            Self::ClaimAsked => f.write_str("claim asked"),
            Self::Claim => f.write_str("claim"),
            Self::Send => f.write_str("send"),
            Self::Floor => f.write_str("floor"),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "at = \"{}\"", duration(*at)),
            Self::When { event, nth, after } => {
                write!(f, "when = \"{event}\"")?;
                if *nth > 1 {
                    write!(f, ", nth = {nth}")?;
                }
                if !after.is_zero() {
                    write!(f, ", after = \"{}\"", duration(*after))?;
                }
                Ok(())
            }
        }
    }
}

/// As in a scenario: one line.
impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ {}, {} }}", self.start, self.fault)
    }
}
