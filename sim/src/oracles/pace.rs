//! How soon things happen that can happen: the bounds of V5 and V6, computed from a run's timing.
//!
//! All of it is derived here and nowhere else. With the letters of
//! [`Timing`] (H, L, A, Q, E, J) and the longest round trip R between the voters that matter:
//!
//! | part | what it pays for |
//! |---|---|
//! | Q + A | voters that were just started are silent, others have promised a lease to who is gone |
//! | E + 2J | a follower campaigns E + J after it last heard of a leader; who resigned waits J more |
//! | k · (2J + R) | a poll for votes that comes to nothing lasts J, and the next one begins up to J later; k polls fail in a row less often than once in 10⁹ times |
//! | connections | over TCP: a dead connection is noticed, and a new one made |
//! | activation | a question to the store that was lost, its repetition, and an election above a floor |
//! | forgetting | voters that forgot: the rest gives up what it knows after two polls in vain, which count from Q + E after a roll on, Q again; one that is stuck says so after E, its neighbours give up after their next poll (2J), and Q once more; a fresh majority (E), and two questions to the store at most E/2 apart |
//! | no store | voters that can win and do not reach the store lead for as long as their patience has grown to, and are followed by one that does, as chance has it |
//!
//! k follows from the chance that two of n voters campaign within the 1.5 R in which they do not hear
//! of each other, 1 − (1 − 1.5 R / J)ⁿ, and from the share of messages that the network loses. All of
//! that is on the nodes' own clocks, which may be slow: the sum is stretched by twice the bound of the
//! rates.
//!
//! Each change of the world meanwhile, though it leaves the majority alone, can undo one election at the
//! last moment: A + E + 3J for each, and the activation's patience.

use std::time::Duration;

use fencepost::cluster::{ACTIVATION_PATIENCE, FENCE_LOOK_EVERY, PATIENCE_GROWTH};
use fencepost::election::Timing;

use crate::faults::plan::{Network, Plan, Transport};
use crate::history::LinkState;

/// How long an answer of a service is waited for; see `world::voters`.
pub const ANSWER: Duration = Duration::from_secs(1);

/// What goes by between two questions of which the first was not answered.
const RETRY: Duration = Duration::from_millis(100);

/// How long a write to a disk takes at most that works; see `world::disks`.
const DISK: Duration = Duration::from_millis(2);

/// How much later a message arrives at most that is overtaken; see `world::links`.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// With more loss than that, in millionths, a link is no connection: a poll for votes may fail for ever.
const LOSS_MAX: u32 = 50_000;

/// Bounds that rest on chance are broken in one of so many times.
const ODDS: f64 = 1e-9;

/// Of TCP connections: silence is noticed after this long, a connection is made and greeted within that
/// long, and tried again after a pause.
const CONNECTION: Duration = Duration::from_millis(3_000 + 1_000 + 2_000 + 500);

/// The longest pause before a sink is tried again that was away, and one that refused what it was sent.
const SINK_PAUSE: Duration = Duration::from_secs(5 + 2);

/// How often a dispatcher looks that has nothing to do.
const POLL: Duration = Duration::from_millis(250);

/// How often a run of a share looks for claims without a sender.
const LEFT_LOOK: Duration = Duration::from_secs(3);

/// How long a leader may stay that lost its store and nothing else: its patience, when it has grown.
const STORE_PATIENCE: Duration =
    Duration::from_secs(ACTIVATION_PATIENCE.as_secs() * PATIENCE_GROWTH as u64);

/// After a failure a message is due again after this long at most; see `world::build`.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What the bounds are computed from.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Of every node.
    pub timing: Timing,
    /// Without faults.
    pub network: Network,
    /// How messages travel.
    pub transport: Transport,
    /// Whether there is a store.
    pub store: bool,
    /// Whether workers deliver.
    pub shared: bool,
}

/// The particulars of a moment that a bound depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odds {
    /// How many voters may campaign.
    pub voters: usize,
    /// The longest round trip between two of them that reach each other, in nanoseconds.
    pub round_trip: u64,
    /// The largest loss on such a way, in millionths.
    pub loss_ppm: u32,
    /// Whether one of them forgot.
    pub forgot: bool,
    /// How many of them do not reach the store.
    pub without_store: usize,
}

impl Pace {
    /// That of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            timing: plan.timing.clone(),
            network: plan.network.clone(),
            transport: plan.transport,
            store: plan.workload.is_some(),
            shared: plan.workload.is_some_and(|workload| workload.handling.spread > 0),
        }
    }

    /// What a link is like that no fault and no line of the scenario names.
    pub(super) fn usual(&self) -> LinkState {
        LinkState {
            cut: false,
            slowest: nanos(self.network.latency.high),
            loss_ppm: self.network.noise.loss_ppm,
            reorders: self.network.noise.reorder_ppm > 0,
        }
    }

    /// The longest round trip over these two directions between voters, in nanoseconds, if an election
    /// and a lease can rely on it: a poll for votes has four times as long as it must have, and two
    /// round trips fit between a heartbeat and the end of the lease.
    pub(super) fn round_trip(&self, there: LinkState, back: LinkState) -> Option<u64> {
        let late =
            |link: LinkState| link.slowest + if link.reorders { nanos(OVERTAKEN) } else { 0 };
        let both = late(there) + late(back) + nanos(DISK);
        let lossy = there.loss_ppm.max(back.loss_ppm) > LOSS_MAX;
        let Timing { lease, heartbeat, jitter, .. } = &self.timing;
        let fits = both * 6 <= nanos(*jitter) && both * 2 <= nanos(*lease - *heartbeat);
        (!there.cut && !back.cut && !lossy && fits).then_some(both)
    }

    /// The longest round trip to a service and back, in nanoseconds, if a call can rely on it.
    pub(super) fn service_trip(&self, there: LinkState, back: LinkState) -> Option<u64> {
        let both = there.slowest + back.slowest;
        (!there.cut && !back.cut && both * 4 <= nanos(ANSWER)).then_some(both)
    }

    /// B of V5: within that long somebody holds a guard, in nanoseconds.
    pub(super) fn guard_within(&self, odds: Odds) -> u64 {
        let Timing { heartbeat, promise, quarantine, election_timeout, jitter, .. } = self.timing;
        let poll = 2 * jitter + Duration::from_nanos(odds.round_trip);
        let mut sum = quarantine + promise + election_timeout + 2 * jitter;
        sum += poll.saturating_mul(self.polls(odds));
        if self.transport == Transport::Tcp {
            sum += CONNECTION;
        }
        if self.store {
            sum += 2 * (ANSWER + RETRY) + poll;
        }
        if odds.forgot {
            sum += 2 * (2 * jitter) + 2 * quarantine + election_timeout + 2 * jitter;
            // After a roll polls in vain count only from then on.
            sum += quarantine + election_timeout;
            sum += 3 * election_timeout + 4 * heartbeat;
            sum += 2 * (election_timeout / 2 + ANSWER);
        }
        if self.store && odds.without_store > 0 {
            let turn = STORE_PATIENCE + ANSWER + election_timeout + 2 * jitter + poll;
            sum += turn.saturating_mul(rounds(chance_of_no_store(odds)));
        }
        self.stretched(sum)
    }

    /// The least that [`Self::guard_within`] can be.
    pub(super) fn least_guard_within(&self) -> u64 {
        let odds = Odds { voters: 0, round_trip: 0, loss_ppm: 0, forgot: false, without_store: 0 };
        self.guard_within(odds)
    }

    /// What one change of the world can cost on top, in nanoseconds.
    pub(super) fn disturbance(&self) -> u64 {
        let Timing { promise, election_timeout, jitter, .. } = self.timing;
        let patience = if self.store { STORE_PATIENCE + ANSWER } else { Duration::ZERO };
        self.stretched(promise + election_timeout + 3 * jitter + patience)
    }

    /// Within that long the holder of a guard that reaches store and sink claims what is due, in
    /// nanoseconds: the longest pause for a sink that was away; four calls that were under way and got
    /// no answer (sweep, question, send, settlement); and a look. A shared delivery waits A for workers
    /// of the last leader and A + L until a worker that is gone has lost its share, and looks for
    /// claims without a sender.
    pub(super) fn claim_within(&self) -> u64 {
        let Timing { promise, lease, election_timeout, .. } = self.timing;
        let mut sum = SINK_PAUSE + 4 * (ANSWER + RETRY) + POLL;
        if self.shared {
            sum += 2 * promise + lease + election_timeout + LEFT_LOOK + 2 * (ANSWER + RETRY);
        }
        self.stretched(sum)
    }

    /// The same where the holder may have to be replaced because it lost the store, in nanoseconds.
    pub(super) fn deliver_within(&self, odds: Odds) -> u64 {
        self.stretched(STORE_PATIENCE + FENCE_LOOK_EVERY)
            + self.guard_within(odds)
            + self.claim_within()
    }

    /// How long after a lie somebody may still act on it: until an observer comes back to the real
    /// leader, or a voter begins anew that was led astray, and a lease that it gave has ended.
    pub(super) fn lies_last(&self) -> u64 {
        let Timing { promise, quarantine, election_timeout, .. } = self.timing;
        self.stretched(8 * election_timeout + promise + quarantine)
    }

    /// How many polls in a row may fail.
    fn polls(&self, odds: Odds) -> u32 {
        let window = 1.5 * odds.round_trip as f64 / nanos(self.timing.jitter) as f64;
        let voters = i32::try_from(odds.voters).unwrap_or(i32::MAX);
        let alone = (1.0 - window.min(1.0)).powi(voters);
        // Pre-vote and vote, there and back, of all that it takes besides the candidate.
        let messages = 4 * (voters / 2);
        let kept = (1.0 - f64::from(odds.loss_ppm) / 1e6).powi(messages);
        rounds(1.0 - alone * kept)
    }

    fn stretched(&self, sum: Duration) -> u64 {
        let parts = 1_000_000 + 2 * u128::from(self.timing.max_drift_ppm);
        u64::try_from(sum.as_nanos() * parts / 1_000_000).unwrap_or(u64::MAX)
    }
}

/// That the next one who leads does not reach the store either. Who resigned lets the others go first,
/// so that one alone is followed by another.
fn chance_of_no_store(odds: Odds) -> f64 {
    match odds.without_store {
        0 | 1 => 0.0,
        many => many as f64 / (many as f64 + 1.0),
    }
}

/// How often in a row that happens at most, give or take [`ODDS`]; at least once.
fn rounds(chance: f64) -> u32 {
    if chance <= 0.0 {
        return 1;
    }
    let rounds = (ODDS.ln() / chance.min(0.999).ln()).ceil();
    // At most some twenty thousand, by the limit above.
    (rounds as u32).max(1)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Odds =
        Odds { voters: 3, round_trip: 4_000_000, loss_ppm: 0, forgot: false, without_store: 0 };

    fn pace() -> Pace {
        Pace {
            timing: Timing::default(),
            network: Network::default(),
            transport: Transport::Links,
            store: true,
            shared: false,
        }
    }

    fn secs(nanos: u64) -> u64 {
        nanos / 1_000_000_000
    }

    #[test]
    fn with_the_default_timing_somebody_leads_within_some_fifteen_seconds() {
        let pace = pace();
        assert_eq!(secs(pace.guard_within(EVEN)), 14);
        assert!(pace.guard_within(Odds { forgot: true, ..EVEN }) > pace.guard_within(EVEN));
        let tcp = Pace { transport: Transport::Tcp, ..pace.clone() };
        assert_eq!(secs(tcp.guard_within(EVEN)), 21);
        assert_eq!(secs(pace.disturbance()), 16);
    }

    #[test]
    fn the_more_can_go_wrong_the_more_often_it_may() {
        let pace = pace();
        let polls = |odds| pace.polls(odds);
        assert!((5..9).contains(&polls(EVEN)), "{}", polls(EVEN));
        assert!(polls(Odds { voters: 7, ..EVEN }) > polls(EVEN));
        assert!(polls(Odds { loss_ppm: 50_000, ..EVEN }) > polls(EVEN));
        let turns = |without_store| rounds(chance_of_no_store(Odds { without_store, ..EVEN }));
        assert_eq!((turns(1), turns(2)), (1, 52));
        assert_eq!(rounds(0.5), 30);
    }

    #[test]
    fn a_link_counts_only_if_the_timing_can_rely_on_it() {
        let pace = pace();
        let usual = pace.usual();
        assert_eq!(pace.round_trip(usual, usual), Some(6_000_000));
        let cut = LinkState { cut: true, ..usual };
        let slow = LinkState { slowest: 90_000_000, ..usual };
        let noisy = LinkState { loss_ppm: 50_001, ..usual };
        for bad in [cut, slow, noisy] {
            assert_eq!(pace.round_trip(usual, bad), None, "{bad:?}");
            assert_eq!(pace.round_trip(bad, usual), None, "{bad:?}");
        }
        assert_eq!(pace.service_trip(usual, slow), Some(92_000_000));
        assert_eq!(pace.service_trip(slow, LinkState { slowest: 170_000_000, ..usual }), None);
    }
}
