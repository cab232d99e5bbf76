//! The state of a service, whichever it is: whether its process runs, and what is wrong with its
//! answers.
//!
//! A restart ends the connections of the old process. What is on its way in one is lost: a question
//! is answered by the machine, which knows no such connection, and an answer by nobody. Whoever asks
//! while no process runs is refused, and so knows that nothing happened.

use std::sync::{Mutex, MutexGuard};

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::timer::nanos;
use crate::faults::plan::ServiceTrouble;

/// A service's state.
pub struct Service {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Counts the ends and the starts of its process: even while it runs.
    epoch: u64,
    /// How many restarts hold it down.
    stops: u32,
    /// What is wrong, with the share of questions that it meets in parts per million.
    troubles: Vec<(ServiceTrouble, u32)>,
    random: Xoshiro256PlusPlus,
}

/// What becomes of a question when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The process gets it.
    Taken,
    /// No process ran when it was sent, and none does now: the asker knows that nothing happened.
    Refused,
    /// Its connection broke: the asker cannot know.
    Broken,
}

impl Service {
    /// A service that runs. `random` is its own stream.
    pub fn new(random: Xoshiro256PlusPlus) -> Self {
        let troubles = Vec::new();
        Self { inner: Mutex::new(Inner { epoch: 0, stops: 0, troubles, random }) }
    }

    /// Ends its process once more.
    pub fn stop(&self) {
        let mut inner = self.lock();
        inner.stops += 1;
        inner.epoch += u64::from(inner.stops == 1);
    }

    /// Takes one such end away: when none is left, a new process starts.
    pub fn start(&self) {
        let mut inner = self.lock();
        inner.stops -= 1;
        inner.epoch += u64::from(inner.stops == 0);
    }

    /// From now on this is wrong, too.
    pub fn add(&self, trouble: ServiceTrouble, share_ppm: u32) {
        self.lock().troubles.push((trouble, share_ppm));
    }

    /// Takes one such trouble away.
    pub fn remove(&self, trouble: ServiceTrouble, share_ppm: u32) {
        let troubles = &mut self.lock().troubles;
        let mine = troubles.iter().position(|active| *active == (trouble, share_ppm));
        troubles.remove(mine.expect("it was put there"));
    }

    /// Whether its process runs and answers as it should.
    pub fn works(&self) -> bool {
        let inner = self.lock();
        inner.stops == 0 && inner.troubles.is_empty()
    }

    /// Which of its processes runs, or is awaited.
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// What becomes of a question that was sent at `sent` and arrives now.
    pub fn arrival(&self, sent: u64) -> Arrival {
        let epoch = self.epoch();
        let (ran, runs) = (sent.is_multiple_of(2), epoch.is_multiple_of(2));
        match (ran, runs) {
            _ if ran && sent != epoch => Arrival::Broken,
            (false, false) => Arrival::Refused,
            // Whoever was about to connect found the new process.
            _ => Arrival::Taken,
        }
    }

    /// Whether it fails to do what it is asked now.
    pub fn fails(&self) -> bool {
        self.met(|trouble| matches!(trouble, ServiceTrouble::Fails).then_some(0)).is_some()
    }

    /// Whether it refuses what it is sent now, whatever it is.
    pub fn refuses(&self) -> bool {
        self.met(|trouble| matches!(trouble, ServiceTrouble::Refuses).then_some(0)).is_some()
    }

    /// How much later than usual the answer about something done leaves, in nanoseconds; `None`: it
    /// is lost.
    pub fn acknowledges(&self) -> Option<u64> {
        if self.met(|trouble| matches!(trouble, ServiceTrouble::Lost).then_some(0)).is_some() {
            return None;
        }
        let late = self.met(|trouble| match trouble {
            ServiceTrouble::Late { by } => Some(nanos(by)),
            _ => None,
        });
        Some(late.unwrap_or(0))
    }

    /// The sum over the troubles of a sort that meet this question; `None` if none does. Draws
    /// nothing where there is nothing to draw, so that a fault taken out of a plan changes no draw
    /// of a run without.
    fn met(&self, sort: impl Fn(ServiceTrouble) -> Option<u64>) -> Option<u64> {
        let mut inner = self.lock();
        let Inner { troubles, random, .. } = &mut *inner;
        let mut sum = None;
        for (trouble, share_ppm) in troubles {
            if let Some(much) = sort(*trouble)
                && random.next_u64() % 1_000_000 < u64::from(*share_ppm)
            {
                sum = Some(sum.unwrap_or(0) + much);
            }
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("never held across a panic")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::streams::stream;

    fn service() -> Service {
        Service::new(stream(1, "test", 0))
    }

    #[test]
    fn a_restart_breaks_what_is_under_way_and_refuses_what_is_new() {
        let service = service();
        let before = service.epoch();
        assert_eq!(service.arrival(before), Arrival::Taken);
        service.stop();
        let meanwhile = service.epoch();
        assert_eq!(service.arrival(before), Arrival::Broken);
        assert_eq!(service.arrival(meanwhile), Arrival::Refused);
        service.start();
        assert_eq!(service.arrival(before), Arrival::Broken, "it was sent to the old process");
        assert_eq!(service.arrival(meanwhile), Arrival::Taken);
        assert_eq!(service.arrival(service.epoch()), Arrival::Taken);
    }

    #[test]
    fn two_restarts_at_once_are_one_that_lasts_longer() {
        let service = service();
        service.stop();
        let down = service.epoch();
        service.stop();
        service.start();
        assert_eq!(service.epoch(), down);
        assert_eq!(service.arrival(down), Arrival::Refused);
        service.start();
        assert_eq!(service.arrival(service.epoch()), Arrival::Taken);
    }

    #[test]
    fn each_trouble_meets_its_share_until_its_own_end() {
        let service = service();
        let late = |ms| ServiceTrouble::Late { by: Duration::from_millis(ms) };
        service.add(late(3), 1_000_000);
        service.add(late(4), 1_000_000);
        assert_eq!(service.acknowledges(), Some(7_000_000));
        service.remove(late(3), 1_000_000);
        assert_eq!((service.acknowledges(), service.fails()), (Some(4_000_000), false));
        service.add(ServiceTrouble::Lost, 300_000);
        let lost = (0..1_000).filter(|_| service.acknowledges().is_none()).count();
        assert!((250..350).contains(&lost), "{lost} of 1000");
        service.remove(ServiceTrouble::Lost, 300_000);
        service.add(ServiceTrouble::Fails, 1_000_000);
        assert!(service.fails());
        service.remove(ServiceTrouble::Fails, 1_000_000);
        service.remove(late(4), 1_000_000);
        assert_eq!((service.acknowledges(), service.fails()), (Some(0), false));
    }
}
