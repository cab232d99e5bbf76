//! One fault as a record of bytes, and back: `write` is the way back. A new kind of fault is a line in
//! each of the two.

mod write;

use std::time::Duration;

use fencepost::NodeId;

use super::grid::{self, PPM, pick};
use super::targets::{Targets, links_of, nodes_of, number_of, one_of};
use crate::faults::plan::{
    DiskTrouble, Fault, Harm, Links, Noise, Plan, PlannedFault, Service, ServiceTrouble, Start,
    Target, Topology, Trigger, node,
};

pub(super) use self::write::bytes_of;

/// Bytes of a record.
pub(super) const LEN: usize = 13;

/// What a fault's time is counted in.
const STEP: Duration = Duration::from_millis(10);

/// The most that an event is counted up to.
const NTH_MAX: u8 = 8;

/// The bytes of a record by their meaning.
struct Record {
    kind: u8,
    start: u8,
    /// A time in [`STEP`]s; or which occurrence of an event, and how long after it.
    moment: [u8; 2],
    from: Targets,
    to: Targets,
    flags: u8,
    amounts: [u8; 4],
}

/// Kinds of fault.
const PAUSE: u8 = 0;
const CUT: u8 = 1;
const SLOW: u8 = 2;
const NOISE: u8 = 3;
const BOUNCE: u8 = 4;
const WALL: u8 = 5;
const RATE: u8 = 6;
const SUSPEND: u8 = 7;
const DIE: u8 = 8;
const CRASH_LOOP: u8 = 9;
const DISK: u8 = 10;
const RESTART: u8 = 11;
const SERVICE: u8 = 12;
const STROBE: u8 = 13;
const FLAP: u8 = 14;
const TOPOLOGY: u8 = 15;
const LIES: u8 = 16;
const KINDS: u8 = 17;

/// The most kills of a crash loop.
const LOOP_MAX: u8 = 6;

/// Starts.
const AT: u8 = 0;
const LEADER: u8 = 1;
const LEADER_IS: u8 = 2;
const CLAIM_ASKED: u8 = 3;
const CLAIM: u8 = 4;
const SEND: u8 = 5;
const FLOOR: u8 = 6;
const CAMPAIGN: u8 = 7;
const CAMPAIGN_OF: u8 = 8;
const STARTS: u8 = 9;

/// What is wrong with a disk.
const FULL: u8 = 0;
const UNREADABLE: u8 = 1;
const SLOW_DISK: u8 = 2;
const DISK_TROUBLES: u8 = 3;

/// What is wrong with a service's answers.
const FAILS: u8 = 0;
const LOST: u8 = 1;
const LATE: u8 = 2;
const REFUSES: u8 = 3;
const SERVICE_TROUBLES: u8 = 4;

/// Flags: graceful, both ways, or backwards; what happens to the disk; whose leadership.
const FORTH: u8 = 1;
const WIPE: u8 = 2;
const TEAR: u8 = 4;
const NODE_SHIFT: u8 = 4;

fn service(is_sink: bool) -> Service {
    if is_sink { Service::Sink } else { Service::Database }
}

/// What the record says, as far as the cluster has what it names.
pub(super) fn fault_of(bytes: &[u8], plan: &Plan) -> PlannedFault {
    let record = Record::read(bytes);
    let start = record.start(plan);
    let begun = match start {
        Start::At(at) => at,
        Start::When { after, .. } => after,
    };
    let most = plan.horizon.saturating_sub(begun);
    let [lasts, second, third, fourth] = record.amounts;
    let lasts = grid::time_within(lasts, most);
    let ends = record.from.of(plan, Target::Leader);
    let one = one_of(&ends);
    let nodes = nodes_of(&ends);
    let forth = record.flags & FORTH != 0;
    let links = |nodes_only: bool| {
        links_of(ends.clone(), record.to.of(plan, Target::Others), forth, nodes_only)
    };
    let signed = |size: i64| if forth { -size } else { size };
    let kind = record.kind % KINDS;
    let fault = match kind {
        PAUSE => Fault::Pause { nodes, lasts },
        LIES => Fault::Lies { nodes, lasts },
        SUSPEND => Fault::Suspend { nodes, counted: !forth, lasts },
        CUT => Fault::Cut { links: links(false), lasts },
        SLOW => Fault::Slow { links: links(false), by: grid::time(second), lasts },
        NOISE => {
            let [mut loss_ppm, duplicate_ppm, reorder_ppm] =
                [second, third, fourth].map(|byte| pick(&PPM, byte));
            if duplicate_ppm + reorder_ppm == 0 {
                loss_ppm = grid::some_ppm(second);
            }
            let noise = Noise { loss_ppm, duplicate_ppm, reorder_ppm };
            Fault::Noise { links: links(true), noise, lasts }
        }
        BOUNCE | DIE | CRASH_LOOP => {
            let harm = match record.flags {
                flags if flags & WIPE != 0 => Harm::Wipe,
                flags if flags & TEAR != 0 => Harm::Tear,
                _ => Harm::None,
            };
            let harm = plan.disk.fit(harm);
            let slow_start = grid::time_or_none_within(second, most.saturating_sub(lasts));
            match kind {
                BOUNCE => Fault::Bounce { nodes, graceful: forth, harm, down: lasts, slow_start },
                DIE => Fault::Die { nodes, harm, down: lasts, slow_start },
                _ => {
                    let times = u32::from(1 + third % LOOP_MAX);
                    let turn = most / times;
                    let down = grid::time_within(record.amounts[0], turn);
                    let up = grid::time_or_none_within(second, turn - down);
                    Fault::CrashLoop { nodes, harm, times, up, down }
                }
            }
        }
        DISK => {
            let trouble = match third % DISK_TROUBLES {
                FULL => DiskTrouble::Full,
                UNREADABLE => DiskTrouble::Unreadable,
                _ => DiskTrouble::Slow { by: grid::time(second) },
            };
            Fault::Disk { nodes, trouble, lasts }
        }
        RESTART => {
            let most = if forth { Duration::ZERO } else { most.saturating_sub(lasts) };
            let loses = grid::time_or_none_within(second, most);
            Fault::Restart { service: service(forth), loses, down: lasts }
        }
        SERVICE => {
            let trouble = match third % SERVICE_TROUBLES {
                FAILS => ServiceTrouble::Fails,
                LOST => ServiceTrouble::Lost,
                REFUSES if forth => ServiceTrouble::Refuses,
                REFUSES => ServiceTrouble::Fails,
                _ => ServiceTrouble::Late { by: grid::time(second) },
            };
            let share_ppm = grid::some_ppm(fourth);
            Fault::Service { service: service(forth), trouble, share_ppm, lasts }
        }
        STROBE => {
            let size = i64::try_from(grid::time(second).as_millis()).expect("seconds");
            Fault::Strobe { node: one, by_ms: signed(size), every: grid::time(third), lasts }
        }
        WALL => {
            let size = i64::try_from(grid::time(second).as_millis()).expect("seconds");
            Fault::WallStep { node: one, by_ms: signed(size) }
        }
        FLAP => {
            let (up, down) = (grid::time(second), grid::time(third));
            Fault::Flap { links: links(false), up, down, lasts }
        }
        TOPOLOGY => {
            let mut topologies = vec![Topology::Star(one), Topology::Chain, Topology::Ring];
            topologies.retain(|t| plan.voters + plan.observers >= t.least_nodes());
            match topologies.get(usize::from(second) % topologies.len().max(1)) {
                Some(topology) => Fault::Topology { topology: *topology, lasts },
                // So few nodes are always neighbours.
                None => Fault::Cut { links: links(false), lasts },
            }
        }
        _ => {
            let ppm = signed(grid::some_ppm(second).into());
            Fault::Rate { node: one, ppm: i32::try_from(ppm).expect("below a million"), lasts }
        }
    };
    PlannedFault { start, fault }
}

impl Record {
    /// Of bytes of any length; what is missing is zero.
    fn read(bytes: &[u8]) -> Self {
        let mut full = [0; LEN];
        let given = bytes.len().min(LEN);
        full[..given].copy_from_slice(&bytes[..given]);
        let [kind, start, m0, m1, f0, f1, t0, t1, flags, amounts @ ..] = full;
        Self {
            kind,
            start,
            moment: [m0, m1],
            from: Targets(u16::from_le_bytes([f0, f1])),
            to: Targets(u16::from_le_bytes([t0, t1])),
            flags,
            amounts,
        }
    }

    fn write(&self) -> [u8; LEN] {
        let [m0, m1] = self.moment;
        let ([f0, f1], [t0, t1]) = (self.from.0.to_le_bytes(), self.to.0.to_le_bytes());
        let [a0, a1, a2, a3] = self.amounts;
        [self.kind, self.start, m0, m1, f0, f1, t0, t1, self.flags, a0, a1, a2, a3]
    }

    fn start(&self, plan: &Plan) -> Start {
        let [low, high] = self.moment;
        let event = match self.start % STARTS {
            CAMPAIGN => Trigger::Campaign(None),
            CAMPAIGN_OF => Trigger::Campaign(Some(self.voter(plan))),
            LEADER => Trigger::Leader(None),
            LEADER_IS => Trigger::Leader(Some(self.voter(plan))),
            CLAIM_ASKED => Trigger::ClaimAsked,
            CLAIM => Trigger::Claim,
            SEND => Trigger::Send,
            FLOOR => Trigger::Floor,
            _ => {
                let steps = u32::from(u16::from_le_bytes([low, high]));
                let all = u32::try_from(plan.horizon.as_millis() / STEP.as_millis()).unwrap_or(1);
                return Start::At(STEP * (steps % all.max(1)));
            }
        };
        let latest = plan.horizon.saturating_sub(STEP);
        let after = grid::time_or_none_within(high, latest);
        Start::When { event, nth: (1 + low % NTH_MAX).into(), after }
    }

    fn voter(&self, plan: &Plan) -> NodeId {
        node(1 + u32::from(self.flags >> NODE_SHIFT) % plan.voters)
    }

    fn set_start(&mut self, start: &Start) {
        match *start {
            Start::At(at) => {
                let steps = u16::try_from(at.as_millis() / STEP.as_millis()).unwrap_or(u16::MAX);
                self.start = AT;
                self.moment = steps.to_le_bytes();
            }
            Start::When { event, nth, after } => {
                self.start = match event {
                    Trigger::Campaign(None) => CAMPAIGN,
                    Trigger::Campaign(Some(_)) => CAMPAIGN_OF,
                    Trigger::Leader(None) => LEADER,
                    Trigger::Leader(Some(_)) => LEADER_IS,
                    Trigger::ClaimAsked => CLAIM_ASKED,
                    Trigger::Claim => CLAIM,
                    Trigger::Send => SEND,
                    Trigger::Floor => FLOOR,
                };
                if let Trigger::Leader(Some(voter)) | Trigger::Campaign(Some(voter)) = event {
                    self.flags |= number_of(voter) << NODE_SHIFT;
                }
                self.moment = [super::less_one(nth, NTH_MAX), grid::time_or_none_byte(after)];
            }
        }
    }

    fn set_harm(&mut self, harm: Harm) {
        self.flags |= match harm {
            Harm::None => 0,
            Harm::Wipe => WIPE,
            Harm::Tear => TEAR,
        };
    }

    fn set_links(&mut self, links: &Links) {
        self.from = Targets::from_list(&links.from);
        self.to = Targets::from_list(&links.to);
        self.flags |= if links.both_ways { FORTH } else { 0 };
    }
}
