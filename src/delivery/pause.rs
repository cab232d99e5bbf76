//! When a sink is tried that is away, or refuses what it is sent: ever more rarely, by all units of a
//! node together.
//!
//! A recipient that comes back is not met by a crowd, and one that refuses a login does not see a hundred
//! of them a second. And what a sink says of several messages in a row it says of itself: then it is
//! *resting*, and is tried with one message after each pause, another each time, until it takes one. So a
//! sink that is sick costs no message anything, and a message that is refused at the head of the queue
//! keeps none back. What is refused for good is a dead letter only once the sink has taken another message
//! since an earlier refusal of it: before that nobody can tell whose fault it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::backoff::Backoff;
use super::dispatcher::DispatcherConfig;
use crate::cluster::Watched;
use crate::probe::{mutant, reach};
use crate::store::{MessageId, Outgoing};
use crate::time::{Clock, Instant};

/// The longest pause while a sink cannot be reached: what is due waits no longer than that for one that
/// is back.
const AWAY_MAX: Duration = Duration::from_secs(5);

/// So many different messages that were not taken, one after the other and none taken in between, are a
/// word about the sink.
const SICK_AFTER: usize = 3;

/// The first pause of a sink that is sick; each is twice as long as the last, up to
/// [`DispatcherConfig::pause_max`].
const SICK_FIRST: Duration = Duration::from_millis(500);

/// The pauses after a refused login: accounts are locked after too many.
const DENIED: Backoff = Backoff { first: Duration::from_secs(5), max: Duration::from_secs(300) };

/// How long the others wait at most for what comes of the one message that a resting sink is tried with.
const PROBE_LASTS: Duration = Duration::from_secs(30);

/// How many messages a resting sink is tried with before the first one's turn comes again.
const PROBES_MAX: usize = 1000;

/// Of how many messages it is remembered that they were refused for good.
const SUSPECTS_MAX: usize = 1024;

/// Pauses that grow over failures in a row: twice as long after each, from `first` on.
pub(super) fn growing(first: Duration) -> Backoff {
    Backoff { first, max: AWAY_MAX.max(first) }
}

/// How a sink did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It had no effect and may be tried again.
    ForNow,
    /// It had no effect, and trying again is in vain.
    ForGood,
    /// It had no effect: the sink does not take anything from this sender.
    Denied,
    /// Nobody knows.
    Unknown,
}

/// Whom a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The message: the sink takes others.
    Message,
    /// The sink: it refuses whatever it is sent.
    Sink,
    /// Nobody can tell yet.
    Unclear,
}

/// Whether it is this sender's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The sink takes what it is sent, as far as is known.
    Free,
    /// With one message, and then [`SinkPause::unprobed`] if nothing came of it.
    Probe,
    /// Not before the pause is over.
    Wait,
}

/// What the units of a node know of their sink.
pub(super) struct SinkPause {
    away: Backoff,
    sick: Backoff,
    asked_max: Duration,
    known: Watched<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    /// Since a send last reached the sink.
    failures: u64,
    /// Set while it is not ready: before that nobody tries whether it is.
    away_until: Option<Instant>,
    /// The different messages that it did not take since it last took one, up to [`SICK_AFTER`].
    refused: Vec<MessageId>,
    /// Set while it rests: before that nothing is sent, and then one message.
    rests_until: Option<Instant>,
    /// How many pauses that were.
    rests: u64,
    /// What it was tried with since it began to rest.
    probes: BTreeSet<MessageId>,
    /// How many messages it has taken.
    taken: u64,
    /// What it refused for good, each with how many it had taken by then.
    suspects: BTreeMap<MessageId, u64>,
}

impl SinkPause {
    /// For a sink that nobody has tried.
    pub(super) fn new(config: &DispatcherConfig) -> Self {
        let (first, max) = (SICK_FIRST.min(config.pause_max), config.pause_max);
        Self {
            away: growing(config.retry),
            sick: Backoff { first, max },
            asked_max: config.retry_after_max,
            known: Watched::default(),
        }
    }

    /// Whether to see if it is ready. While it is away one does, and the others wait for what comes of
    /// it.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        // Mostly nobody has to be told anything.
        if self.known.with(|known| known.away_until.is_none()) {
            return true;
        }
        self.known.update(|known| {
            let may = known.away_until.is_none_or(|until| now >= until);
            if may && known.away_until.is_some() {
                known.failed();
                known.away_until = Some(now + self.away_for(known));
            }
            may
        })
    }

    /// It was not ready.
    pub(super) fn away(&self, now: Instant) {
        self.known.update(|known| {
            // Else it was counted when the try began. That may have taken long, and others may have
            // begun as well.
            if known.away_until.is_none() {
                known.failed();
            }
            known.away_until = known.away_until.max(Some(now + self.away_for(known)));
        });
    }

    /// It was not ready, because it does not let this sender in. How long it rests for that.
    pub(super) fn denied(&self, now: Instant) -> Duration {
        self.known.update(|known| known.rest(now, DENIED))
    }

    /// It is ready. Sends will tell what that is worth.
    pub(super) fn ready(&self) {
        if self.known.with(|known| known.away_until.is_some()) {
            self.known.update(|known| known.away_until = None);
        }
    }

    /// Whether it rests: then messages are sent by [turns](Self::turn), and the [next](Self::next) one
    /// is another each time.
    pub(super) fn rests(&self) -> bool {
        self.known.with(|known| known.rests_until.is_some())
    }

    /// Whether to send now. While it rests one does, and the others wait for what comes of it.
    pub(super) fn turn(&self, now: Instant) -> Turn {
        if !self.rests() {
            return Turn::Free;
        }
        self.known.update(|known| match known.rests_until {
            None => Turn::Free,
            Some(until) if now < until || mutant!(PauseNeverProbes) => Turn::Wait,
            Some(_) => {
                reach!("resting_sink_probed");
                known.rests_until = Some(now + PROBE_LASTS);
                Turn::Probe
            }
        })
    }

    /// The turn came to nothing: whoever comes next may have it.
    pub(super) fn unprobed(&self, now: Instant) {
        self.known.update(|known| {
            known.rests_until = known.rests_until.map(|until| until.min(now));
        });
    }

    /// How many messages must be looked at to find one that it was not tried with yet.
    pub(super) fn looks_past(&self) -> usize {
        self.known.with(|known| known.probes.len())
    }

    /// What to try it with next: the first that it was not tried with yet, or all of it once more.
    pub(super) fn next<'a>(&self, found: &'a [Outgoing]) -> Option<&'a Outgoing> {
        self.known.update_quietly(|known| {
            let fresh = found.iter().find(|message| !known.probes.contains(&message.id));
            if fresh.is_none() {
                known.probes.clear();
            }
            fresh.or(found.first())
        })
    }

    /// It has taken this message.
    pub(super) fn took(&self, id: &MessageId) {
        if self.known.with(Known::is_quiet) {
            return;
        }
        self.known.update(|known| {
            let mut suspects = std::mem::take(&mut known.suspects);
            suspects.remove(id);
            *known = Known { taken: known.taken + 1, suspects, ..Known::default() };
        });
    }

    /// It did not take this message. `asked` is for how long it asked to be left alone.
    pub(super) fn refused(
        &self,
        id: &MessageId,
        refusal: Refusal,
        asked: Option<Duration>,
        now: Instant,
    ) -> About {
        self.known.update(|known| {
            // It got as far as the sink.
            (known.failures, known.away_until) = (0, None);
            let was_well = known.rests_until.is_none();
            let before = known.suspects.get(id).copied();
            let takes_others = before.is_some_and(|taken| known.taken > taken);
            if refusal == Refusal::ForGood {
                if was_well && takes_others || mutant!(SickSinkKillsMessages) {
                    known.suspects.remove(id);
                    return About::Message;
                }
                known.suspect(id);
            }
            if known.refused.len() < SICK_AFTER && !known.refused.contains(id) {
                known.refused.push(id.clone());
            }
            let is_sick = known.refused.len() >= SICK_AFTER;
            let asked = asked.map(|asked| asked.min(self.asked_max));
            if is_sick || refusal == Refusal::Denied || asked.is_some() {
                if is_sick {
                    reach!("sink_rests");
                }
                let pauses = match (refusal, is_sick) {
                    (Refusal::Denied, _) => DENIED,
                    (_, true) => self.sick,
                    (_, false) => Backoff { first: Duration::ZERO, max: Duration::ZERO },
                };
                known.rest(now, pauses);
                known.rests_until = known.rests_until.max(asked.map(|asked| now + asked));
                if known.probes.len() + SICK_AFTER > PROBES_MAX {
                    known.probes.clear();
                }
                known.probes.insert(id.clone());
                if was_well {
                    known.probes.extend(known.refused.iter().cloned());
                }
            }
            match is_sick || refusal == Refusal::Denied {
                true => About::Sink,
                false => About::Unclear,
            }
        })
    }

    /// A send did not leave this node although the sink was ready. How long its sender waits; for the
    /// others that is no reason to.
    pub(super) fn not_sent(&self) -> Duration {
        self.known.update(|known| {
            known.failed();
            self.away_for(known)
        })
    }

    /// Completes when the sink may be tried again. Cancel-safe.
    pub(super) async fn over<C: Clock>(&self, clock: &C) {
        let until = self.known.with(Known::waits_until);
        let Some(until) = until else { return };
        let sooner =
            |known: &Known| known.waits_until().is_none_or(|now| now < until).then_some(());
        tokio::select! {
            biased;
            () = self.known.wait_for(sooner) => {}
            () = clock.sleep_until(until) => {}
        }
    }

    /// The pause after the last failure to reach it.
    fn away_for(&self, known: &Known) -> Duration {
        self.away.after(known.failures.saturating_sub(1))
    }
}

impl Known {
    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether a message that is taken is no news.
    fn is_quiet(&self) -> bool {
        self.failures == 0
            && self.waits_until().is_none()
            && self.refused.is_empty()
            && self.suspects.is_empty()
    }

    fn waits_until(&self) -> Option<Instant> {
        self.away_until.max(self.rests_until)
    }

    fn rest(&mut self, now: Instant, pauses: Backoff) -> Duration {
        let pause = pauses.after(self.rests);
        self.rests = self.rests.saturating_add(1);
        self.rests_until = Some(now + pause);
        pause
    }

    fn suspect(&mut self, id: &MessageId) {
        if self.suspects.len() >= SUSPECTS_MAX && !self.suspects.contains_key(id) {
            let oldest = self.suspects.iter().min_by_key(|(_, taken)| **taken);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.suspects.remove(&oldest);
            }
        }
        self.suspects.entry(id.clone()).or_insert(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant(0) + Duration::from_millis(millis)
    }

    /// When it is tried in two minutes, looked at every 10 ms by three units, if `works` says what a try
    /// comes to.
    fn tries(pause: &SinkPause, works: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut tries = Vec::new();
        for millis in (0..120_000).step_by(10) {
            for _ in 0..3 {
                if pause.may_try(at(millis)) {
                    tries.push(millis);
                    if works(millis) {
                        pause.ready();
                    } else {
                        pause.away(at(millis));
                    }
                }
            }
        }
        tries
    }

    #[test]
    fn a_sink_that_is_away_is_tried_ever_more_rarely_however_many_wait_for_it() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        let away = tries(&pause, |_| false);
        assert_eq!(away[..8], [0, 100, 300, 700, 1500, 3100, 6300, 11300], "{away:?}");
        assert_eq!(away.len(), 6 + 23, "and then every five seconds");
    }

    /// Another might say "ready" for ever and take nothing.
    #[test]
    fn only_a_send_that_reaches_it_makes_the_pauses_short_again() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        let waits = |pause: &SinkPause| [(); 4].map(|()| pause.not_sent().as_millis());
        assert_eq!(waits(&pause), [100, 200, 400, 800]);
        assert!(pause.may_try(at(0)), "others may");
        pause.ready();
        assert_eq!(waits(&pause), [1600, 3200, 5000, 5000]);
        pause.took(&id("a"));
        assert_eq!(waits(&pause), [100, 200, 400, 800]);
        pause.refused(&id("a"), Refusal::ForNow, None, at(0));
        pause.away(at(0));
        pause.took(&id("a"));
        assert!(pause.may_try(at(0)));
    }

    /// A login that takes ten seconds to fail does not follow the last one at once.
    #[test]
    fn a_pause_is_counted_from_the_end_of_the_try() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        pause.away(at(0));
        assert!(pause.may_try(at(100)));
        assert!(!pause.may_try(at(150)), "one at a time");
        pause.away(at(10_000));
        assert!(!pause.may_try(at(10_100)));
        assert!(pause.may_try(at(10_200)));
    }

    fn id(name: &str) -> MessageId {
        MessageId::new(name).unwrap()
    }

    fn outgoing(name: &str) -> Outgoing {
        Outgoing { id: id(name), attempt: 0, failures: 0, payload: [].into() }
    }

    /// What a sink that takes only what `takes` says makes of a queue: what is sent when, in
    /// milliseconds, and what was found to be a message's own fault.
    fn sends(
        pause: &SinkPause,
        seconds: u64,
        queue: &mut Vec<Outgoing>,
        takes: impl Fn(&str, u64) -> Result<(), Refusal>,
    ) -> (Vec<(u64, String)>, Vec<String>) {
        let (mut sent, mut at_fault) = (Vec::new(), Vec::new());
        for millis in (0..seconds * 1000).step_by(50) {
            let found: Vec<Outgoing> =
                queue.iter().take(32 + pause.looks_past()).cloned().collect();
            for message in &found {
                let turn = pause.turn(at(millis));
                let message = match turn {
                    Turn::Free => message,
                    Turn::Probe => pause.next(&found).unwrap(),
                    Turn::Wait => break,
                };
                let name = message.id.as_str();
                sent.push((millis, name.to_owned()));
                match takes(name, millis) {
                    Ok(()) => {
                        pause.took(&message.id);
                        queue.retain(|it| it.id != message.id);
                    }
                    Err(refusal) => {
                        if pause.refused(&message.id, refusal, None, at(millis)) == About::Message {
                            at_fault.push(name.to_owned());
                            queue.retain(|it| it.id != message.id);
                        }
                    }
                }
                if pause.rests() || turn == Turn::Probe {
                    break;
                }
            }
        }
        (sent, at_fault)
    }

    fn queue(names: &[&str]) -> Vec<Outgoing> {
        names.iter().map(|name| outgoing(name)).collect()
    }

    #[test]
    fn a_sink_that_refuses_everything_is_tried_ever_more_rarely_and_kills_nothing() {
        for refusal in [Refusal::ForNow, Refusal::ForGood, Refusal::Unknown] {
            let pause = SinkPause::new(&DispatcherConfig::default());
            let mut messages = queue(&["a", "b", "c", "d", "e", "f"]);
            let (sent, at_fault) = sends(&pause, 60, &mut messages, |_, _| Err(refusal));
            let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
            assert_eq!(times, [0, 0, 0, 500, 1500, 3500, 7500, 15500, 31500], "{refusal:?}");
            let names: Vec<&str> = sent.iter().map(|(_, name)| name.as_str()).collect();
            assert_eq!(names[..7], ["a", "b", "c", "d", "e", "f", "a"], "another each time");
            assert_eq!((messages.len(), at_fault.len()), (6, 0), "{refusal:?}");
        }
    }

    #[test]
    fn poison_at_the_head_keeps_nothing_back_and_ends() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        let mut messages = queue(&["p1", "p2", "p3", "p4", "a", "b"]);
        let poison = |name: &str, _| match name.starts_with('p') {
            true => Err(Refusal::ForGood),
            false => Ok(()),
        };
        let (sent, at_fault) = sends(&pause, 10, &mut messages, poison);
        let mut at_fault = at_fault;
        at_fault.sort();
        assert_eq!(at_fault, ["p1", "p2", "p3", "p4"]);
        assert!(messages.is_empty() && sent.len() == 4 * 2 + 2, "{sent:?}");
    }

    #[test]
    fn a_sink_that_is_back_gets_everything_at_once() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        let mut messages = queue(&["a", "b", "c", "d"]);
        let sick = |_: &str, at| if at < 3000 { Err(Refusal::ForGood) } else { Ok(()) };
        let (sent, at_fault) = sends(&pause, 10, &mut messages, sick);
        assert_eq!(at_fault, [""; 0]);
        assert!(
            sent[sent.len() - 4..].iter().all(|(at, _)| (3500..=3550).contains(at)),
            "{sent:?}"
        );
        assert!(messages.is_empty());
    }

    #[test]
    fn a_refused_login_costs_minutes_at_once_and_a_wish_to_be_left_alone_is_obeyed_within_bounds() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        let mut messages = queue(&["a"]);
        let denied = |_: &str, _| Err(Refusal::Denied);
        let (sent, _) = sends(&pause, 600, &mut messages, denied);
        let times: Vec<u64> = sent.iter().map(|(at, _)| at / 1000).collect();
        assert_eq!(times, [0, 5, 15, 35, 75, 155, 315]);
        for (asked, rests) in [(7, 7), (86_400, 600)] {
            let pause = SinkPause::new(&DispatcherConfig::default());
            let asked = Some(Duration::from_secs(asked));
            let about = pause.refused(&id("a"), Refusal::ForNow, asked, at(0));
            assert_eq!(about, About::Unclear);
            assert_eq!(pause.turn(at(rests * 1000 - 1)), Turn::Wait);
            assert_eq!(pause.turn(at(rests * 1000)), Turn::Probe);
            assert_eq!(pause.turn(at(rests * 1000)), Turn::Wait, "one at a time");
            pause.unprobed(at(rests * 1000));
            assert_eq!(pause.turn(at(rests * 1000)), Turn::Probe);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let pause = SinkPause::new(&DispatcherConfig::default());
        for n in 0..5000 {
            pause.refused(&id(&format!("m{n}")), Refusal::ForGood, None, at(n));
        }
        let known = pause.known.get();
        assert!(known.suspects.len() <= SUSPECTS_MAX && known.probes.len() <= PROBES_MAX);
        assert_eq!(known.refused.len(), SICK_AFTER);
    }
}
