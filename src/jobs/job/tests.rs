//! What can be a job, and a set of jobs.

use super::*;
use crate::jobs::{MAX_CATCH_UP, MAX_CONCURRENT, MAX_GRACE};

fn job(name: &str) -> Result<Job, JobsError> {
    let schedule = Schedule::every(Duration::from_secs(60))?;
    Job::new(name, schedule, async |run: JobContext| {
        run.check()?;
        Err(JobError::new("no work"))
    })
}

#[test]
fn a_name_is_one_jobs() {
    let mut jobs = Jobs::default();
    jobs.add(job("report").unwrap()).unwrap();
    let twice = jobs.add(job("report").unwrap()).unwrap_err();
    assert_eq!(twice, JobsError::Duplicate { name: "report".to_owned() });
    assert!(twice.to_string().contains("another name"), "{twice}");
    jobs.add(job("Report").unwrap()).unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.name().as_str()).collect::<Vec<_>>(),
        ["report", "Report"]
    );
    assert!(job("").unwrap_err().to_string().contains("1 to 64 bytes"));
}

#[test]
fn there_is_a_limit_to_jobs() {
    let mut jobs = Jobs::default();
    for number in 0..MAX_JOBS {
        jobs.add(job(&number.to_string()).unwrap()).unwrap();
    }
    assert_eq!(jobs.add(job("one more").unwrap()), Err(JobsError::TooMany));
}

#[test]
fn policies_without_sense_are_refused() {
    for at_most in [0, MAX_CATCH_UP + 1] {
        let error = job("a").unwrap().misfire(Misfire::CatchUp { at_most }).unwrap_err();
        assert_eq!(error, JobsError::Policy(PolicyError::CatchUp { at_most }));
    }
    for at_most in [0, MAX_CONCURRENT + 1] {
        let error = job("a").unwrap().overlap(Overlap::Allow { at_most }).unwrap_err();
        assert_eq!(error, JobsError::Policy(PolicyError::Concurrent { at_most }));
    }
    assert!(job("a").unwrap().grace(MAX_GRACE).is_ok());
    let error = job("a").unwrap().grace(MAX_GRACE + Duration::from_nanos(1)).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}
