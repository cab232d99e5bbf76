//! `fencepost jobs`: which scheduled jobs a store knows, when each is due next and what it waits for, and
//! what became of its instants.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use miette::{Context, IntoDiagnostic, Report, miette};

use super::entries::date;
use super::stdout::{print, printable};
use super::store::{OpenOutbox, open_existing_at};
use super::{ConfigArg, Failure, json};
use fencepost::WallTime;
use fencepost::jobs::{Schedule, next};
use fencepost::store::{JobName, JobState, RunRecord, RunState, StoreConfig};

/// How wide a line of the list may be, in characters.
const WIDTH: usize = 100;

#[derive(Args)]
pub(super) struct JobsArgs {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    names: Vec<String>,
    #[command(flatten)]
    store: StoreArg,
    /// How many outcomes of each job, newest first
    #[arg(long, value_name = "N", default_value_t = 3)]
    last: usize,
    /// Print JSON instead of text: an object a line, first where a job stands, then its outcomes
    #[arg(long)]
    json: bool,
}

/// Where the jobs are recorded.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct StoreArg {
    /// The node's TOML file, as in examples/three-nodes/n1.toml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The SQLite file of an application that embeds its node
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,
}

impl StoreArg {
    fn open(&self) -> Result<OpenOutbox, Failure> {
        match (&self.config, &self.sqlite) {
            (Some(config), _) => {
                open_existing_at(&ConfigArg { config: config.clone() }.load()?.store)
            }
            (None, Some(path)) => open_existing_at(&StoreConfig::Sqlite(path.clone())),
            (None, None) => Err(Failure::BadInput(miette!("--config or --sqlite FILE is missing"))),
        }
    }
}

/// Lists jobs, where they stand, and their last outcomes.
pub(super) fn run(args: &JobsArgs) -> Result<(), Failure> {
    let mut store = args.store.open()?;
    let known = store.jobs().into_diagnostic();
    let known = known.wrap_err("cannot read the jobs").map_err(Failure::AtRun)?;
    let wanted = wanted(&args.names, known)?;
    let mut out = String::new();
    for job in &wanted {
        let history = store.job_history(job, args.last).into_diagnostic();
        let history = history.wrap_err("cannot read the jobs").map_err(Failure::AtRun)?;
        let stands = store.job_state(job).into_diagnostic();
        let (state, now) = stands.wrap_err("cannot read the jobs").map_err(Failure::AtRun)?;
        let stands = Stands::of(&state.unwrap_or_default(), now);
        if args.json {
            out += &stands.as_json(job);
            out.extend(history.iter().map(|record| as_json(job, record)));
        } else {
            out += &as_text(job, &stands, &history);
        }
    }
    if wanted.is_empty() && !args.json {
        out +=
            "no jobs: they are recorded when a node that schedules some leads for the first time\n";
    }
    print(&out)
}

/// Those that were named, or all.
fn wanted(names: &[String], known: Vec<JobName>) -> Result<Vec<JobName>, Failure> {
    if names.is_empty() {
        return Ok(known);
    }
    let find = |name: &String| -> Result<JobName, Report> {
        let found = known.iter().find(|job| job.as_str() == name);
        found.cloned().ok_or_else(|| {
            let all: Vec<_> = known.iter().map(JobName::as_str).collect();
            miette!(
                help = "`fencepost jobs` without a name lists them all",
                "there is no job {name:?}, but {all:?}"
            )
        })
    };
    names.iter().map(find).collect::<Result<_, _>>().map_err(Failure::AtRun)
}

/// Where a job stands.
struct Stands {
    /// In words; none: no node has said yet which one it has.
    schedule: Option<String>,
    cursor: WallTime,
    next: Option<WallTime>,
    /// What the next instant waits for, if not for its time alone.
    waits: Option<&'static str>,
}

impl Stands {
    fn of(state: &JobState, now: WallTime) -> Self {
        let schedule = Schedule::from_text(&state.schedule).ok();
        let next = schedule.as_ref().and_then(|schedule| next(schedule, state, now));
        let by_time = schedule.as_ref().and_then(|schedule| schedule.next_after(now));
        let waits = match next {
            _ if !state.running.is_empty() => Some("for the end of a run, unless runs may overlap"),
            Some(next) if next <= now => Some("for a leader that runs this job"),
            next if next > by_time => Some(
                "because the instants before have run: the store's clock was ahead then, or is behind",
            ),
            _ => None,
        };
        let kept = Some(state.schedule.clone()).filter(|kept| !kept.is_empty());
        Self {
            schedule: schedule.map(|schedule| schedule.to_string()).or(kept),
            cursor: state.cursor,
            next,
            waits,
        }
    }

    fn as_text(&self) -> String {
        let Some(schedule) = &self.schedule else {
            return "  schedule  not known: no node that has it has started yet\n".to_owned();
        };
        let mut out = fit(&format!("  schedule  {schedule}"));
        let next = self.next.map_or("never".to_owned(), date);
        out += &fit(&format!("  next      {next}, decided until {}", date(self.cursor)));
        if let Some(waits) = self.waits {
            out += &fit(&format!("  waits     {waits}"));
        }
        out
    }

    fn as_json(&self, job: &JobName) -> String {
        format!(
            "{{\"job\":{},\"schedule\":{},\"cursor_unix_ms\":{},\"next_unix_ms\":{},\"waits\":{}}}\n",
            json::text(job.as_str()),
            json::or_null(self.schedule.as_deref().map(json::text)),
            json::time(self.cursor),
            json::or_null(self.next.map(json::time)),
            json::or_null(self.waits.map(json::text)),
        )
    }
}

fn as_text(job: &JobName, stands: &Stands, history: &[RunRecord]) -> String {
    let mut out = format!("{job}\n{}", stands.as_text());
    if history.is_empty() {
        out += "  no instant has come yet\n";
    }
    for record in history {
        let RunRecord { first, last, count, state, token, begun, ended, reason } = record;
        let mut line = format!("  {}  {:<11}  token {token}", date(*first), state.name());
        if *state == RunState::Skipped {
            let _ = match count {
                1 => write!(line, ", never begun"),
                _ => write!(line, ", {count} instants until {}", date(*last)),
            };
        } else {
            let _ = write!(line, ", {} late", span(last.unix_ms, begun.unix_ms));
            if let Some(ended) = ended {
                let _ = write!(line, ", took {}", span(begun.unix_ms, ended.unix_ms));
            }
        }
        out += &fit(&line);
        if let Some(reason) = reason {
            out += &fit(&format!("    {reason}"));
        }
    }
    out
}

fn span(from_ms: u64, to_ms: u64) -> String {
    let span = Duration::from_millis(to_ms.saturating_sub(from_ms));
    humantime::format_duration(span).to_string()
}

/// One line that fits a terminal, whatever an action gave as its reason.
fn fit(line: &str) -> String {
    let mut line = printable(line);
    if line.chars().count() > WIDTH {
        line = line.chars().take(WIDTH - 1).collect();
        line.push('…');
    }
    line + "\n"
}

fn as_json(job: &JobName, record: &RunRecord) -> String {
    let RunRecord { first, last, count, state, token, begun, ended, reason } = record;
    format!(
        "{{\"job\":{},\"first_unix_ms\":{},\"last_unix_ms\":{},\"count\":{count},\"state\":{},\
         \"token\":{token},\"begun_unix_ms\":{},\"ended_unix_ms\":{},\"reason\":{}}}\n",
        json::text(job.as_str()),
        json::time(*first),
        json::time(*last),
        json::text(state.name()),
        json::time(*begun),
        json::or_null(ended.map(json::time)),
        json::or_null(reason.as_deref().map(json::text)),
    )
}
