//! Faults of the database and the sink, and what a person does about messages.

use std::time::Duration;

use super::Injector;
use crate::faults::plan::{Case, Service, ServiceTrouble};
use crate::history::Kind;
use crate::world::service;

impl Injector {
    pub(super) async fn restart_service(&self, service: Service, down: Duration) {
        let state = self.state(service);
        state.stop();
        self.wait(down).await;
        state.start();
    }

    pub(super) async fn trouble_service(
        &self,
        service: Service,
        trouble: ServiceTrouble,
        share_ppm: u32,
        lasts: Duration,
    ) {
        let state = self.state(service);
        state.add(trouble, share_ppm);
        self.wait(lasts).await;
        state.remove(trouble, share_ppm);
    }

    /// The store's clock is that of the database's machine.
    pub(super) fn step_store_clock(&self, by_ms: i64) {
        self.cluster.clocks.step_wall(self.cluster.places.database(), by_ms);
        self.cluster.recorder.record(Kind::DatabaseWallStep { by_ms });
    }

    /// Without a workload there is nothing to judge.
    pub(super) async fn judge(&self, case: Case, thinks: Duration) {
        let Some(operator) = &self.operator else { return };
        operator.judge(case, thinks).await;
    }

    fn state(&self, service: Service) -> &service::Service {
        match service {
            Service::Database => &self.cluster.database_state,
            Service::Sink => &self.cluster.sink_state,
        }
    }
}
