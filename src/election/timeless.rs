//! What a model checker sees of a state: everything but how far away each instant is.
//!
//! The properties of the election proper (E1 to E5) must hold without clocks. A checker that lets
//! any time pass between two inputs needs to know which instants are over and which are ahead, and
//! nothing else; states that differ in more than that would never end.

use super::machine::{Election, State};
use crate::id::Incarnation;
use crate::time::Instant;

impl Election {
    /// Forgets the time, so that `now` is the beginning of the clock, and the order in which votes
    /// and answers came, which nothing depends on.
    ///
    /// What is over, and every wait that ends by itself, ends there: a quarantine, a pause between
    /// two campaigns or questions. What can fail by time has all of its time left: a poll, a lease,
    /// a registration, and a promise that is not over at `now`. What was heard was heard just now.
    pub fn forget_time(&mut self, now: Instant) {
        let nanos = &self.fixed.nanos;
        self.promised_until = match now < self.promised_until {
            true => Instant(nanos.promise),
            false => Instant(0),
        };
        // The end of the clock is never.
        if self.campaign_at < Instant(u64::MAX) {
            self.campaign_at = Instant(0);
        }
        self.vain_after = Instant(0);
        for forgetful in &mut self.forgetful {
            forgetful.heard = Instant(0);
        }
        self.doubts.forget_time();
        match &mut self.state {
            State::Rejoining(rejoining) => rejoining.forget_time(nanos),
            State::PreCandidate(poll) | State::Candidate(poll) => poll.forget_time(nanos),
            State::Leader(leading) => leading.forget_time(nanos),
            State::Observer(_) | State::Follower => {}
        }
    }

    /// Which incarnation a rejoining voter registers, once it knows.
    pub fn registers_as(&self) -> Option<Incarnation> {
        match &self.state {
            State::Rejoining(rejoining) => rejoining.registers_as(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
