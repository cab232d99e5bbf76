//! Results of several files become one: the shards of a fleet, or of a night.
//!
//! What can be used is used, and what cannot is told with its place. A seed that comes twice counts
//! once. Results of one scenario in two versions are never mixed, nor are those of two builds: one
//! seed with two histories is no result at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use fencepost::probe::Mutant;

use super::jsonl::{self, BatchKey, Parsed, ParsedBatch, Unreadable};
use crate::search::verdict::Terms;
use crate::search::{BatchReport, BatchVerdict, SeedReport};

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 16 << 20;

/// How many problems are told one by one.
const PROBLEMS_MAX: usize = 20;

/// The results of all files.
#[derive(Debug, Default)]
pub struct Merged {
    batches: Vec<MergedBatch>,
    /// Where each batch is in `batches`; none for one whose results are left out.
    places: BTreeMap<BatchKey, Option<usize>>,
    problems: Vec<String>,
    untold: u64,
    stopped: Vec<String>,
}

/// One scenario, over all files.
#[derive(Debug)]
pub struct MergedBatch {
    /// What its first batch line says.
    pub batch: ParsedBatch,
    /// The sums.
    pub report: BatchReport,
    first: Place,
    /// Every seed with the hash of its history.
    seen: BTreeMap<u64, u64>,
    repeated: u64,
    /// Which shards there are, by the seeds that they part and by how many they are.
    shards: BTreeMap<(u64, u64, u64), BTreeSet<u64>>,
}

/// A line of a file.
#[derive(Debug, Clone)]
struct Place {
    file: String,
    line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A batch that has begun in the file that is read.
struct Open {
    key: BatchKey,
    reference: String,
    last: Option<u64>,
}

impl Open {
    fn after(&self) -> String {
        match self.last {
            Some(seed) => format!("{}, after seed {seed}", self.reference),
            None => format!("{}, before its first seed", self.reference),
        }
    }
}

impl MergedBatch {
    /// The verdict on all its seeds.
    pub fn verdict(&self) -> BatchVerdict {
        let ParsedBatch { expect, delivers, lines, .. } = &self.batch;
        let terms = Terms { expect, delivers: *delivers, lines: lines.iter().collect() };
        self.report.measured(&terms, true)
    }

    /// The planted bug, if any.
    pub fn mutant(&self) -> Option<Mutant> {
        self.batch.mutant
    }
}

impl Merged {
    /// Reads one more file.
    pub fn read(&mut self, path: &Path) {
        let file = path.display().to_string();
        if let Err(cause) = self.read_lines(path, &file) {
            self.problem(format!("{file}: cannot be read: {cause}"));
        }
    }

    /// The scenarios, in the order in which they first came.
    pub fn into_batches(self) -> Vec<MergedBatch> {
        self.batches
    }

    /// What could not be used, and where; the last line says how much more there is.
    pub fn problems(&self) -> Vec<String> {
        let more = (self.untold > 0).then(|| format!("and {} more problems", self.untold));
        self.problems.iter().cloned().chain(more).collect()
    }

    /// What is worth knowing, and wrong with nothing.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.stopped.clone();
        for MergedBatch { batch, repeated, shards, .. } in &self.batches {
            if *repeated > 0 {
                notes.push(format!(
                    "{repeated} results of {} came again; each seed counts once",
                    batch.reference
                ));
            }
            for ((_, _, of), present) in shards {
                let missing = of - present.len() as u64;
                let first = (0..*of).find(|index| !present.contains(index));
                if let Some(first) = first {
                    let text = format!("{missing} of {of} shards of {}", batch.reference);
                    notes.push(format!("{text} are missing; the first of them is {first}/{of}"));
                }
            }
        }
        notes
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        } else {
            self.untold += 1;
        }
    }

    fn read_lines(&mut self, path: &Path, file: &str) -> std::io::Result<()> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut place = Place { file: file.to_owned(), line: 0 };
        let mut open: Option<Open> = None;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            place.line += 1;
            let whole = line.ends_with(b"\n");
            if !whole && length as u64 == LINE_MAX {
                self.problem(format!("{place}: no line of results is that long; the rest is lost"));
                return Ok(());
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match jsonl::parse(&line) {
                Ok(parsed) => self.take(parsed, &place, &mut open),
                Err(Unreadable::NotJson(_)) if !whole => {
                    let batch = open.map(|open| format!(" of {}", open.after()));
                    self.problem(format!(
                        "{place}: the file is cut off in the middle of this line; the results{} are \
                         missing",
                        batch.unwrap_or_default()
                    ));
                    return Ok(());
                }
                Err(why) => self.problem(format!("{place}: {why}")),
            }
        }
        if place.line == 0 {
            self.problem(format!("{file}: is empty"));
        }
        if let Some(open) = open {
            self.problem(unfinished(&place, &open));
        }
        Ok(())
    }

    fn take(&mut self, parsed: Parsed, place: &Place, open: &mut Option<Open>) {
        match parsed {
            Parsed::Batch(key, batch) => {
                if let Some(before) = open.take() {
                    self.problem(unfinished(place, &before));
                }
                *open =
                    Some(Open { key: key.clone(), reference: batch.reference.clone(), last: None });
                self.begin(key, *batch, place);
            }
            Parsed::Seed(key, seed) => {
                if let Some(open) = open.as_mut().filter(|open| open.key == key) {
                    open.last = Some(seed.seed);
                }
                self.seed(&key, &seed, place);
            }
            Parsed::End(key, stopped) => {
                if let Some(ended) = open.take_if(|open| open.key == key)
                    && stopped
                {
                    let text = format!("{}: was stopped in {}", place.file, ended.after());
                    self.stopped.push(text);
                }
            }
        }
    }

    fn begin(&mut self, key: BatchKey, batch: ParsedBatch, place: &Place) {
        let ParsedBatch { shard, seeds, .. } = batch;
        let index = match self.places.get(&key) {
            Some(index) => *index,
            None => {
                let index = self.enter(batch, place);
                self.places.insert(key, index);
                index
            }
        };
        if let Some(index) = index {
            let shards = &mut self.batches[index].shards;
            shards.entry((seeds.first, seeds.last, shard.of())).or_default().insert(shard.index());
        }
    }

    /// A batch that was not seen before; none if it is another version of one that was.
    fn enter(&mut self, batch: ParsedBatch, place: &Place) -> Option<usize> {
        let same = |other: &&MergedBatch| {
            other.batch.reference == batch.reference && other.mutant() == batch.mutant
        };
        if let Some(other) = self.batches.iter().find(same) {
            self.problem(format!(
                "{place}: this is another version of {} than in {}; its results are left out",
                batch.reference, other.first
            ));
            return None;
        }
        self.batches.push(MergedBatch {
            batch,
            report: BatchReport::default(),
            first: place.clone(),
            seen: BTreeMap::new(),
            repeated: 0,
            shards: BTreeMap::new(),
        });
        Some(self.batches.len() - 1)
    }

    fn seed(&mut self, key: &BatchKey, seed: &SeedReport, place: &Place) {
        let number = seed.seed;
        let index = match self.places.get(key) {
            Some(Some(index)) => *index,
            Some(None) => return,
            None => {
                self.problem(format!("{place}: no line before it says what seed {number} is of"));
                return;
            }
        };
        let MergedBatch { batch, report, seen, repeated, .. } = &mut self.batches[index];
        match seen.get(&number) {
            None => {
                seen.insert(number, seed.hash);
                report.add(seed, &batch.expect);
            }
            Some(hash) if *hash == seed.hash => *repeated += 1,
            Some(_) => {
                let text = format!(
                    "{place}: seed {number} of {} has another history here than before: these are \
                     results of different builds, or a run is not deterministic",
                    batch.reference
                );
                self.problem(text);
            }
        }
    }
}

fn unfinished(place: &Place, open: &Open) -> String {
    format!("{place}: the results end in {}: the run did not come to its end", open.after())
}
