//! On threads of their own: what a watcher is told of the end.

use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use super::*;
use crate::election::Role;
use crate::id::{Generation, Incarnation, Term};

const ROUNDS: u32 = 25;
/// How long a watcher gets to look at the status. Should it come later, the round shows nothing.
const TO_LOOK: Duration = Duration::from_millis(5);

/// The watcher looks at the status, and is then held up on its way to the end, until both have changed.
#[test]
fn the_last_status_is_told_before_the_end() {
    let at = |term| ClusterStatus {
        current: "n1".parse().unwrap(),
        incarnation: Incarnation::FIRST,
        role: Role::Follower,
        generation: Generation::NONE,
        term: Term(term),
        leader: None,
        view: Arc::default(),
        clock_suspects: Arc::default(),
    };
    let (begin, rounds) = mpsc::channel::<StatusWatch>();
    let (tell, told) = mpsc::channel();
    let both = Arc::new(Barrier::new(2));
    let begun = Arc::clone(&both);
    let watcher = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for mut watch in rounds {
            let mut last = runtime.block_on(watch.next()).map(|status| status.term);
            begun.wait();
            while let Some(status) = runtime.block_on(watch.next()) {
                last = Some(status.term);
            }
            tell.send(last).unwrap();
        }
    });
    let mut lost = 0;
    for _ in 0..ROUNDS {
        let (status, end) = (Arc::new(Watched::new(at(0))), Arc::<Watched<Option<_>>>::default());
        begin.send(StatusWatch::new(Arc::clone(&status), Arc::clone(&end))).unwrap();
        end.update(|end| {
            both.wait();
            thread::sleep(TO_LOOK);
            status.set(at(1));
            *end = Some(Stopped::ShutDown);
        });
        lost += u32::from(told.recv().unwrap() != Some(Term(1)));
    }
    drop(begin);
    watcher.join().unwrap();
    assert_eq!(lost, 0, "of {ROUNDS} last statuses");
}
