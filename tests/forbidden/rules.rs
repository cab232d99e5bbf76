//! What may not be in our crates, because a run would depend on it, and what to use instead.

/// A path that may not be imported or named.
pub struct Rule {
    /// Its segments, with `::` between them.
    pub path: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}

const ORDERED: &str = "its order is drawn anew in each process: use BTreeMap or BTreeSet";
const DRAWN: &str =
    "draw from crate::streams::stream(seed, …), or from the generator that is given";
const CLOCK: &str = "read the Clock that is given, or tokio::time, which is simulated";
const THREADS: &str = "the system decides when it runs: use a task, or crate::blocking";

/// Every forbidden path.
pub const RULES: &[Rule] = &[
    Rule { path: "std::collections::HashMap", remedy: ORDERED },
    Rule { path: "std::collections::HashSet", remedy: ORDERED },
    Rule { path: "std::collections::hash_map", remedy: ORDERED },
    Rule { path: "std::collections::hash_set", remedy: ORDERED },
    Rule { path: "std::hash::RandomState", remedy: DRAWN },
    Rule { path: "std::time::SystemTime", remedy: CLOCK },
    Rule { path: "std::time::Instant", remedy: CLOCK },
    Rule { path: "rustix::time::clock_gettime", remedy: CLOCK },
    Rule { path: "std::thread::spawn", remedy: THREADS },
    Rule { path: "std::thread::scope", remedy: THREADS },
    Rule { path: "std::thread::Builder", remedy: THREADS },
    Rule { path: "std::thread::sleep", remedy: CLOCK },
    Rule { path: "rand::rng", remedy: DRAWN },
    Rule { path: "rand::random", remedy: DRAWN },
    Rule { path: "rand::thread_rng", remedy: DRAWN },
    Rule { path: "rand::rngs", remedy: DRAWN },
    Rule { path: "getrandom", remedy: DRAWN },
    Rule { path: "fastrand", remedy: DRAWN },
    Rule {
        path: "tokio::sync::watch",
        remedy: "it wakes its waiters in a random order: use cluster::Watched",
    },
];

/// Of a `select!` that does not begin with `biased;`.
pub const UNBIASED: &str = "its branches are tried in a random order: begin it with `biased;`";

/// Of state that outlives a run.
pub const STATE: &str = "all nodes and all seeds of a process share it: keep it in a value";

/// Types that make a `static` changeable.
pub const CHANGEABLE: &[&str] = &[
    "Cell",
    "RefCell",
    "UnsafeCell",
    "OnceCell",
    "LazyCell",
    "Mutex",
    "RwLock",
    "Once",
    "OnceLock",
    "LazyLock",
];
