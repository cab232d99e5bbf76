//! The `cluster` section: how many nodes there are, what they keep, and how they reach each other.

use fencepost::election::MAX_VOTERS;

use super::field::{Section, Value, count, names, text};
use super::problem::{Problems, suggest};
use super::units::Between;
use crate::faults::plan::{DiskMode, Transport};

/// The most observers of one cluster: more would show nothing new.
const MAX_OBSERVERS: u32 = 8;

/// What the section says; none: that part of it is wrong.
#[derive(Default)]
pub(super) struct Cluster {
    pub voters: Option<Between<u32>>,
    pub observers: Option<Between<u32>>,
    pub disks: Option<Vec<DiskMode>>,
    pub transport: Option<Transport>,
}

pub(super) fn parse(value: &Value, problems: &mut Problems) -> Cluster {
    let Some(section) = Section::of("the cluster", value, problems) else {
        return Cluster::default();
    };
    section.only(&["voters", "observers", "disk", "transport"], problems);
    Cluster {
        voters: voters(&section, problems),
        observers: observers(&section, problems),
        disks: match section.get("disk") {
            None => Some(vec![DiskMode::Kept]),
            Some(value) => disks(value, problems),
        },
        transport: match section.get("transport") {
            None => Some(Transport::Links),
            Some(value) => transport(value, problems),
        },
    }
}

fn voters(section: &Section, problems: &mut Problems) -> Option<Between<u32>> {
    let value = section.need("voters", "3", problems)?;
    let voters = count("voters", value, problems)?;
    let most = MAX_VOTERS as u32;
    let (message, help) = if voters.low == 0 {
        ("a cluster without voters cannot elect", "write voters = 1 at least".to_owned())
    } else if voters.high > most {
        ("too many voters", format!("at most {most} voters are supported"))
    } else {
        return Some(voters);
    };
    problems.add(value.span(), message, format!("expected 1 to {most}"), help);
    None
}

fn observers(section: &Section, problems: &mut Problems) -> Option<Between<u32>> {
    let observers = section.count_or("observers", 0, problems)?;
    if observers.high <= MAX_OBSERVERS {
        return Some(observers);
    }
    problems.add(
        section.place("observers"),
        "too many observers",
        format!("expected 0 to {MAX_OBSERVERS}"),
        "one or two show all there is to see",
    );
    None
}

fn disks(value: &Value, problems: &mut Problems) -> Option<Vec<DiskMode>> {
    let known = DiskMode::ALL.map(DiskMode::name);
    let expected = "expected \"kept\", \"wiped\" or \"none\"";
    let named = names("disk", value, problems)?;
    if named.is_empty() {
        problems.add(value.span(), "no kind of disk", expected, suggest("", known));
        return None;
    }
    // Every name is looked at, so that all wrong ones are reported.
    let disks: Vec<Option<DiskMode>> = named
        .into_iter()
        .map(|(name, at)| {
            let found = DiskMode::ALL.into_iter().find(|disk| disk.name() == name);
            if found.is_none() {
                let message = format!("disk = \"{name}\" is unknown");
                problems.add(at, message, expected, suggest(name, known));
            }
            found
        })
        .collect();
    disks.into_iter().collect()
}

fn transport(value: &Value, problems: &mut Problems) -> Option<Transport> {
    let name = text("transport", value, "\"links\" or \"tcp\"", problems)?;
    let all = [Transport::Links, Transport::Tcp];
    let found = all.into_iter().find(|transport| transport.name() == name);
    if found.is_none() {
        problems.add(
            value.span(),
            format!("transport = \"{name}\" is unknown"),
            "expected \"links\" or \"tcp\"",
            suggest(name, all.map(Transport::name)),
        );
    }
    found
}
