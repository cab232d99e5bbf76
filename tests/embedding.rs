//! The cluster service as an application embeds it: real time, real sockets, real files. Needs the
//! production build: `cargo test-prod --test embedding`.
#![cfg(not(madsim))]

#[path = "address.rs"]
mod address;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fencepost::node::{DiskError, InitializeError};
use fencepost::store::{BindError, SqliteStore};
use fencepost::{ClusterConfig, ClusterService, Leadership, NodeId};
use miette::Diagnostic;
use tokio::sync::mpsc;

use address::free_address;

/// How long anything may take before the run counts as hung.
const PATIENCE: Duration = Duration::from_secs(180);

async fn done<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it hangs")
}

fn voters() -> BTreeMap<NodeId, SocketAddr> {
    ["n1", "n2", "n3"].map(|name| (name.parse().unwrap(), free_address())).into()
}

/// All three nodes, each of which has heard of a leader.
async fn three() -> Vec<Arc<ClusterService>> {
    let voters = voters();
    let mut services = Vec::new();
    for node in voters.keys() {
        let config = ClusterConfig::voter("embedding", *node, voters.clone());
        services.push(Arc::new(ClusterService::builder(config).start().await.unwrap()));
    }
    for service in &services {
        done(service.joined()).await.unwrap();
    }
    services
}

/// The first guard of several nodes, and which of them has it.
async fn first_guard(services: &[Arc<ClusterService>]) -> (usize, Leadership) {
    let (sender, mut guards) = mpsc::channel(1);
    for (at, service) in services.iter().cloned().enumerate() {
        let sender = sender.clone();
        tokio::spawn(async move {
            if let Ok(guard) = service.latch().await {
                let _ = sender.try_send((at, guard));
            }
        });
    }
    done(guards.recv()).await.unwrap()
}

fn store(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(path).unwrap())
}

#[tokio::test]
async fn a_cluster_of_one_leads_acts_and_stops() {
    let service = done(ClusterService::builder(ClusterConfig::standalone()).initialize());
    let service = service.await.unwrap();
    assert!(service.status().believes_to_lead());
    let guard = done(service.latch()).await.unwrap();
    assert!(guard.check().is_ok() && !guard.is_fenced());
    let mut watch = service.watch();
    assert_eq!(watch.next().await.unwrap().participants(), [service.status().current]);
    drop(guard);
    done(service.shutdown()).await.unwrap();
    while done(watch.next()).await.is_some() {}
    assert!(service.leadership().is_none() && service.latch().await.is_err());
}

#[tokio::test]
async fn with_a_store_tokens_rise_although_the_node_remembers_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let builder = ClusterService::builder(ClusterConfig::standalone());
        let builder = builder.store(store(&directory.path().join("store.db")));
        let service = done(builder.initialize()).await.unwrap();
        let guard = done(service.latch()).await.unwrap();
        assert!(guard.is_fenced());
        tokens.push(guard.token());
        drop(guard);
        done(service.shutdown()).await.unwrap();
    }
    assert!(tokens[0] < tokens[1], "{tokens:?}");
}

/// M2: two clusters in one store would fence each other out without knowing of each other.
#[tokio::test]
async fn a_store_serves_one_cluster_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let builder = ClusterService::builder(ClusterConfig::standalone());
    let first = done(builder.store(store(&path)).start()).await.unwrap();
    done(first.shutdown()).await.unwrap();

    let mail = || ClusterConfig::voter("mail", "n1".parse().unwrap(), voters());
    let builder = ClusterService::builder(mail()).store(store(&path));
    let error = done(builder.initialize()).await.err().unwrap();
    let InitializeError::Store(why) = &error else { panic!("{error:?}") };
    let (ours, theirs) = ("mail".to_owned(), "standalone".to_owned());
    assert_eq!(*why, BindError::OtherCluster { ours, theirs });
    assert!(error.help().unwrap().to_string().contains("a store of its own"));

    // One that cannot start binds nothing.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = directory.path().join("other.db");
    let config = mail().listen(taken.local_addr().unwrap());
    let error = ClusterService::builder(config).store(store(&other)).start().await.err().unwrap();
    assert!(matches!(error, InitializeError::Network { .. }), "{error}");
    assert_eq!(store(&other).with(|outbox, _| outbox.fence()).await.unwrap().cluster, None);
}

#[tokio::test]
async fn of_three_nodes_one_may_act_and_hands_over_to_another() {
    let mut services = three().await;
    let (leader, guard) = first_guard(&services).await;
    for (at, service) in services.iter().enumerate() {
        let other = service.leadership();
        // Looked at first, so that it cannot have ended in between.
        let holds = other.is_some() && guard.check().is_ok();
        assert!(!holds || at == leader, "two nodes may act");
    }
    let token = guard.token();
    drop(guard);
    done(services.remove(leader).shutdown()).await.unwrap();
    let (_, guard) = first_guard(&services).await;
    assert!(token < guard.token());
}

#[tokio::test]
async fn selected_work_goes_round() {
    let services = three().await;
    let (sender, mut turns) = mpsc::channel(1);
    let _selections: Vec<_> = services
        .iter()
        .map(|service| {
            let (node, sender) = (service.status().current, sender.clone());
            service.select(move |guard| {
                let sender = sender.clone();
                async move { sender.send((node, guard.token())).await.unwrap() }
            })
        })
        .collect();
    let (first, mut last) = done(turns.recv()).await.unwrap();
    loop {
        let (node, token) = done(turns.recv()).await.unwrap();
        assert!(last < token, "{token} after {last}");
        last = token;
        if node != first {
            break;
        }
    }
}

#[tokio::test]
async fn a_panic_ends_what_it_is_in_and_says_so() {
    let service = ClusterService::builder(ClusterConfig::standalone()).initialize().await.unwrap();
    let token = done(service.latch()).await.unwrap().token();
    let ended = done(service.select(|_| async { panic!("a selection panics") }).ended()).await;
    assert!(ended.to_string().contains("its selected work panicked"), "{ended}");
    // Leadership was given up all the same, and comes back to the only node.
    let next = async {
        loop {
            let guard = service.latch().await.unwrap();
            if guard.token() > token {
                break guard;
            }
        }
    };
    drop(done(next).await);
    service.attach("sweeper", |_| async { panic!("a component panics") }).unwrap();
    let ended = done(service.ended()).await;
    assert!(ended.to_string().contains("its sweeper panicked"), "{ended}");
}

#[tokio::test]
async fn whoever_is_alone_is_told_what_it_waited_for() {
    let me = "n2".parse().unwrap();
    let config = ClusterConfig::voter("embedding", me, voters());
    let limit = Duration::from_millis(50);
    let error = ClusterService::builder(config).initialize_within(limit).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "n2 has not joined its cluster within 50ms: it is Rejoining in term 0 and knows no leader; of \
         the voters [n1, n2, n3] it has heard [], and nothing of [n1, n3]"
    );
    let help = error.help().unwrap().to_string();
    assert!(help.starts_with("it takes 2 of 3 voters to elect a leader, and without a store all"));
}

#[tokio::test]
async fn what_another_node_uses_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let voters = voters();
    let config = |node: &str| {
        let config = ClusterConfig::voter("embedding", node.parse().unwrap(), voters.clone());
        config.data(directory.path().join(node))
    };
    let first = ClusterService::builder(config("n1")).start().await.unwrap();
    let same = ClusterService::builder(config("n1")).start().await.err().unwrap();
    assert!(matches!(same, InitializeError::Disk(DiskError::InUse { .. })), "{same}");
    let taken = voters[&"n1".parse().unwrap()];
    let error = ClusterService::builder(config("n2").listen(taken)).start().await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen at {taken}"));
    done(first.shutdown()).await.unwrap();
    ClusterService::builder(config("n1")).start().await.unwrap();
}
