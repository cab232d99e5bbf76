//! What the world lets the nodes do: which machine reaches which, and whether services and disks work.
//!
//! Recorded where faults change it, so that an oracle knows what was possible without asking a node.

use fencepost::NodeId;

/// A machine of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// A node's.
    Node(NodeId),
    /// The database's.
    Database,
    /// The sink's.
    Sink,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Database => f.write_str("db"),
            Self::Sink => f.write_str("sink"),
        }
    }
}

/// One direction between two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkState {
    /// Nothing passes.
    pub cut: bool,
    /// How long a message takes at most, in nanoseconds, if it is not overtaken.
    pub slowest: u64,
    /// How many of a million election messages are lost.
    pub loss_ppm: u32,
    /// Whether election messages are overtaken at random.
    pub reorders: bool,
}

impl std::fmt::Display for WorldEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let works = |works: &bool| if *works { "works" } else { "does not work as it should" };
        match self {
            Self::Service { which, works: does } => write!(f, "the {which} {}", works(does)),
            Self::Disk { node, works: does } => write!(f, "the disk of {node} {}", works(does)),
            Self::Links(links) => {
                f.write_str("links:")?;
                for (from, to, state) in links {
                    write!(f, " {from} -> {to} ")?;
                    match state {
                        LinkState { cut: true, .. } => f.write_str("cut;")?,
                        LinkState { slowest, loss_ppm, .. } => {
                            write!(f, "up to {} ms", slowest / 1_000_000)?;
                            write!(f, ", {} % lost;", f64::from(*loss_ppm) / 10_000.0)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// Something of the world is otherwise from now on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorldEvent {
    /// These directions are in these states; all others as before.
    Links(Vec<(Spot, Spot, LinkState)>),
    /// Whether the process of a service runs, and nothing is wrong with its answers.
    Service {
        /// The database or the sink.
        which: Spot,
        /// It does.
        works: bool,
    },
    /// Whether a node's disk reads and writes as it should.
    Disk {
        /// Whose.
        node: NodeId,
        /// It does.
        works: bool,
    },
}
