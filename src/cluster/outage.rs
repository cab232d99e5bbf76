//! Says that nobody leads, and why, when that lasts; more and more rarely; and once that it is over.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::shared::Shared;
use super::watched::Watched;
use crate::time::{Clock, Instant};

/// How long nobody may lead before it is worth a line. An election takes a second or two.
pub const OUTAGE_TOLD_AFTER: Duration = Duration::from_secs(10);

/// Why no leader is known to this node, as its coordinator has it.
pub type Why = Arc<Watched<Option<String>>>;

/// Tells for as long as the service runs.
pub(super) async fn tell_outages<C: Clock>(shared: Arc<Shared<C>>, why: Why) {
    loop {
        shared.status.wait_for(|status| status.leader.is_none().then_some(())).await;
        let began = shared.clock.now();
        let mut after = OUTAGE_TOLD_AFTER;
        let leader = loop {
            tokio::select! {
                biased;
                leader = shared.status.wait_for(|status| status.leader) => break leader,
                () = shared.clock.sleep_until(began + after) => {}
            }
            let role = shared.status.with(|status| status.role);
            let why = why.get().unwrap_or_else(|| "the reason is not known".into());
            warn!(?role, "no leader for {}: {why}", seconds(passed(began, shared.clock.now())));
            after *= 2;
        };
        let passed = passed(began, shared.clock.now());
        if passed >= OUTAGE_TOLD_AFTER {
            info!(%leader, "there is a leader again, after {}", seconds(passed));
        }
    }
}

fn passed(began: Instant, now: Instant) -> Duration {
    began.until(now).unwrap_or_default()
}

/// Whole seconds, for people.
fn seconds(passed: Duration) -> String {
    format!("{} s", passed.as_secs())
}

#[cfg(all(test, madsim))]
mod tests {
    use tokio::time::sleep;

    use super::super::lines::Lines;
    use super::super::testing::World;
    use super::*;

    #[tokio::test]
    async fn an_outage_is_told_more_and_more_rarely_and_its_end_once() {
        let lines = Lines::default();
        let _logged = tracing::subscriber::set_default(lines.clone());
        let world = World::new();
        world.why.set(Some("rejoining, needs word of n3".into()));
        sleep(OUTAGE_TOLD_AFTER * 9 + Duration::from_millis(500)).await;
        let told = |needle: &str| lines.all().iter().filter(|l| l.contains(needle)).count();
        assert_eq!(told("no leader for"), 4, "after 10, 20, 40 and 80 s: {:?}", lines.all());
        assert_eq!(told("no leader for 80 s: rejoining, needs word of n3"), 1);
        world.status.update(|status| status.leader = Some("n2".parse().unwrap()));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(told("there is a leader again, after 90 s"), 1, "{:?}", lines.all());
    }

    #[tokio::test]
    async fn an_election_is_no_outage() {
        let lines = Lines::default();
        let _logged = tracing::subscriber::set_default(lines.clone());
        let world = World::new();
        sleep(OUTAGE_TOLD_AFTER / 2).await;
        world.status.update(|status| status.leader = Some("n2".parse().unwrap()));
        sleep(OUTAGE_TOLD_AFTER * 2).await;
        assert!(!lines.all().iter().any(|line| line.contains("leader")), "{:?}", lines.all());
    }
}
