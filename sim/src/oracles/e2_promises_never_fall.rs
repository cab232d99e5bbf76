//! E2: the promised term of an incarnation never falls, its vote in a term never changes, and what
//! it says is durable before it is said.
//!
//! Guards the election layer: every argument about majorities needs voters that keep their word
//! across a restart. An incarnation is one of a generation: what a voter promised in an older one
//! is void, and one that rejoins has promised nothing. Ongaro 2014, §3.4 (one vote a term) and §3.8 (term and vote are persisted
//! before a reply). Who asks for votes, or is elected, says "I voted for myself", so that vote must
//! be durable as well.

use fencepost::election::HardState;
use fencepost::{Generation, Identity, Incarnation, Term};

use super::few::Few;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageKind};

/// Promises are kept, and durable before they are made.
pub const ORACLE: Oracle = Oracle {
    property: "E2",
    says: "terms never fall, votes never change, both are durable before they are sent",
    layer: "election",
    check,
};

/// What an incarnation is bound by.
#[derive(Clone, Copy)]
struct Promise {
    /// The highest term that it showed in any way.
    shown: Term,
    /// The term that is durable.
    durable: Term,
    /// The vote that was durable in that term, even if it was lost since.
    vote: Option<Identity>,
}

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut promises: Few<(Generation, Identity), Promise> = Few::default();
    for (index, event) in history.events().iter().enumerate() {
        match &event.kind {
            Kind::Started { node, hard } | Kind::Persisted { node, hard } => {
                if hard.incarnation == Incarnation::NONE {
                    continue;
                }
                let me = Identity { node: *node, incarnation: hard.incarnation };
                let key = (hard.generation, me);
                if let Some(promise) = promises.get_mut(&key) {
                    if let Some(flaw) = promise.renew(hard) {
                        report.add(index, event, || format!("{me} {}", flaw()));
                    }
                } else {
                    let HardState { term, vote, .. } = *hard;
                    promises.insert(key, Promise { shown: term, durable: term, vote });
                }
            }
            // What a node says while it rejoins promises nothing: that it says no more is E5.
            Kind::Sent { from, .. } if from.incarnation == Incarnation::NONE => {}
            Kind::Sent { what: MessageKind::Register | MessageKind::Superseded, .. } => {}
            Kind::Sent { from, generation, term, what, vote, .. } => {
                let Some(promise) = promises.get_mut(&(*generation, *from)) else {
                    report.add(index, event, || {
                        format!("{from} sent something in term {term} with nothing durable")
                    });
                    continue;
                };
                let spoken_vote = match (what, vote) {
                    (MessageKind::VoteRequest, _) => Some(*from),
                    (MessageKind::VoteReply, Some((candidate, true))) => Some(*candidate),
                    _ => None,
                };
                if *term < promise.shown {
                    let shown = promise.shown;
                    report.add(index, event, || {
                        format!("{from} sent something in term {term} after it had shown {shown}")
                    });
                } else if *term > promise.durable {
                    let durable = promise.durable;
                    report.add(index, event, || {
                        format!("{from} sent something in term {term}, durable is {durable}")
                    });
                } else if spoken_vote.is_some() && spoken_vote != promise.vote {
                    report.add(index, event, || {
                        let (said, kept) = (show(spoken_vote), show(promise.vote));
                        format!("{from} said its vote in term {term} is {said}, durable is {kept}")
                    });
                }
                promise.shown = promise.shown.max(*term);
            }
            Kind::Elected { leader, generation, term, .. } => {
                let voted = promises.get(&(*generation, *leader)).is_some_and(|promise| {
                    promise.durable == *term && promise.vote == Some(*leader)
                });
                if !voted {
                    report.add(index, event, || {
                        format!(
                            "{leader} was elected in term {term} before its own vote was durable"
                        )
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}

impl Promise {
    /// Replaces the durable state, and tells what is wrong with that.
    fn renew(&mut self, hard: &HardState) -> Option<impl FnOnce() -> String + use<>> {
        let HardState { term, vote, .. } = *hard;
        let old = *self;
        let fell = term < old.shown;
        let changed = term == old.durable && old.vote.is_some() && vote != old.vote;
        // After a fall the lower state counts, so that one fall is one violation.
        self.shown = term;
        self.durable = term;
        self.vote = if changed { vote.or(old.vote) } else { vote };
        (fell || changed).then_some(move || {
            if fell {
                format!("fell from term {} to term {term}", old.shown)
            } else {
                format!("changed its vote in term {term} from {} to {}", show(old.vote), show(vote))
            }
        })
    }
}

fn show(vote: Option<Identity>) -> String {
    vote.map_or_else(|| "none".to_owned(), |candidate| candidate.to_string())
}
