//! The runs of jobs that have begun and not ended, by the database, and since when nobody acts for
//! them.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::Token;

use super::{JobEvent, JobRun, SimTime};

/// A run that is open in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRun {
    /// Under this token it began.
    pub token: Token,
    /// Its action has not begun, or is over. None: it acts.
    idle_since: Option<SimTime>,
}

impl OpenRun {
    /// For how long nobody has acted for it at `now`.
    pub fn idle_for(&self, now: SimTime) -> Duration {
        let since = self.idle_since.map_or(0, |since| now.since(since));
        Duration::from_nanos(since)
    }
}

/// All of them at one moment of a history.
#[derive(Debug, Default)]
pub struct OpenRuns {
    runs: BTreeMap<JobRun, OpenRun>,
}

impl OpenRuns {
    /// Takes note of the next event, which happens at `at`.
    pub fn apply(&mut self, at: SimTime, event: &JobEvent) {
        match event {
            JobEvent::Began { run, token, .. } => {
                self.runs.insert(*run, OpenRun { token: *token, idle_since: Some(at) });
            }
            JobEvent::Started { run, token, .. } => self.idles(run, *token, None),
            JobEvent::Ended { run, token, .. } => self.idles(run, *token, Some(at)),
            JobEvent::Finished { run, .. } | JobEvent::Interrupted { run, .. } => {
                self.runs.remove(run);
            }
            JobEvent::Registered { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::SetBack { .. }
            | JobEvent::Final { .. } => {}
        }
    }

    fn idles(&mut self, run: &JobRun, token: Token, since: Option<SimTime>) {
        if let Some(open) = self.runs.get_mut(run).filter(|open| open.token == token) {
            open.idle_since = since;
        }
    }

    /// Under which token it began, if it is open.
    pub fn token_of(&self, run: &JobRun) -> Option<Token> {
        self.runs.get(run).map(|open| open.token)
    }

    /// Each of them, by job and instant.
    pub fn iter(&self) -> impl Iterator<Item = (&JobRun, &OpenRun)> {
        self.runs.iter()
    }
}
