//! Faults of the database and the sink, and what a person does about messages.

use std::time::Duration;

use super::Injector;
use crate::faults::plan::{Case, Service, ServiceTrouble};
use crate::history::{Kind, Spot, WorldEvent};
use crate::world::database::lock;
use crate::world::service;

impl Injector {
    /// What is committed while it `loses` is acknowledged, and gone when it is up again: a standby took
    /// over that had none of it.
    pub(super) async fn restart_service(&self, service: Service, loses: Duration, down: Duration) {
        let books = self.operator.as_ref().map(|operator| &operator.books);
        let books = books.filter(|_| !loses.is_zero());
        let standby = books.map(|books| {
            let standby = lock(books).standby();
            standby.expect("memory can be copied")
        });
        self.wait(loses).await;
        self.change(service, service::Service::stop);
        if let Some((books, standby)) = books.zip(standby) {
            let cluster = &self.cluster;
            let now = cluster.clocks.wall(cluster.places.database());
            let failed_over = lock(books).fail_over(standby, now, &cluster.recorder);
            failed_over.expect("memory can be read");
        }
        self.wait(down).await;
        self.change(service, service::Service::start);
    }

    pub(super) async fn trouble_service(
        &self,
        service: Service,
        trouble: ServiceTrouble,
        share_ppm: u32,
        lasts: Duration,
    ) {
        self.change(service, |state| state.add(trouble, share_ppm));
        self.wait(lasts).await;
        self.change(service, |state| state.remove(trouble, share_ppm));
    }

    /// Does that to a service, and tells whether it works from then on, or no longer.
    fn change(&self, service: Service, change: impl Fn(&service::Service)) {
        let state = self.state(service);
        let before = state.works();
        change(state);
        let works = state.works();
        if works != before {
            let which = match service {
                Service::Database => Spot::Database,
                Service::Sink => Spot::Sink,
            };
            self.cluster.recorder.record(Kind::World(WorldEvent::Service { which, works }));
        }
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
