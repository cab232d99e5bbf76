//! The jobs of a node: the product's own, with an action that takes its time on the node's clock
//! and is seen by the history when it begins and when it ends.

use std::sync::Arc;

use fencepost::jobs::{Job, JobContext, JobError, Jobs, Schedule};
use fencepost::{Clock, NodeId, Token};

use super::clocks::SimClock;
use super::recorder::Recorder;
use crate::faults::pick::{chance, uniform_duration};
use crate::faults::plan::PlannedJob;
use crate::history::{ActionEnd, JobEvent, JobNo, JobRun, Kind};
use crate::streams::stream;

/// How many of a hundred actions fail.
const FAILING: u64 = 5;

/// The plan's jobs as one node runs them.
///
/// # Panics
/// The plan holds a job that the product refuses: the scenario should have.
pub fn jobs_of(
    planned: &[PlannedJob],
    seed: u64,
    node: NodeId,
    clock: &SimClock,
    recorder: &Arc<Recorder>,
) -> Jobs<SimClock> {
    let mut jobs = Jobs::default();
    for (number, planned) in (1..).zip(planned) {
        let (job, planned) = (JobNo(number), *planned);
        let (clock, recorder) = (clock.clone(), Arc::clone(recorder));
        let act = move |context: JobContext<SimClock>| {
            let run = JobRun { job, instant: context.instant() };
            act(context, run, planned, seed, node, clock.clone(), Arc::clone(&recorder))
        };
        let job = Schedule::every(planned.every)
            .map_err(Into::into)
            .and_then(|schedule| Job::new(job.name().as_str(), schedule, act))
            .and_then(|job| job.misfire(planned.misfire)?.overlap(planned.overlap))
            .and_then(|job| job.grace(planned.grace));
        jobs.add(job.expect("a planned job is one")).expect("they have names of their own");
    }
    jobs
}

async fn act(
    context: JobContext<SimClock>,
    run: JobRun,
    planned: PlannedJob,
    seed: u64,
    node: NodeId,
    clock: SimClock,
    recorder: Arc<Recorder>,
) -> Result<(), JobError> {
    let (token, reading) = (context.token(), clock.now());
    recorder.record(Kind::Job(JobEvent::Started { node, run, token, reading }));
    let mut ending = Ending { recorder, node, run, token, how: ActionEnd::Cancelled };
    let mut random = stream(seed, &format!("job {}", run.job), run.instant.unix_ms);
    clock.sleep(uniform_duration(&mut random, planned.runs)).await;
    if chance(&mut random, FAILING) {
        ending.how = ActionEnd::Failed;
        return Err(JobError::new("it was drawn to fail"));
    }
    ending.how = ActionEnd::Done;
    Ok(())
}

/// Tells the end of an action, however it comes.
struct Ending {
    recorder: Arc<Recorder>,
    node: NodeId,
    run: JobRun,
    token: Token,
    how: ActionEnd,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Self { node, run, token, how, .. } = *self;
        self.recorder.record(Kind::Job(JobEvent::Ended { node, run, token, how }));
    }
}
