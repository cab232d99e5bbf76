//! One node of three says that it may act, and no other does: the smallest use of leadership.
//!
//! ```sh
//! cargo example latch          # a cluster of one
//! cargo example latch n1       # one of three: n2 and n3 in two other terminals
//! ```
//!
//! Stop the one that acts with Ctrl-C, or kill it, and watch another take over.

use std::net::SocketAddr;
use std::time::Duration;

use fencepost::{ClusterConfig, ClusterService, NodeId};
use miette::IntoDiagnostic;

#[tokio::main]
async fn main() -> miette::Result<()> {
    let config = match std::env::args().nth(1) {
        Some(name) => {
            let voters = ["n1", "n2", "n3"].map(|voter| voter.parse::<NodeId>().expect("a name"));
            let addresses = [7501, 7502, 7503].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            let voters = voters.into_iter().zip(addresses);
            ClusterConfig::voter("latch", name.parse().into_diagnostic()?, voters)
        }
        None => ClusterConfig::standalone(),
    };
    println!("{} starts and waits for a leader", config.node());
    let limit = Duration::from_secs(60);
    let cluster = ClusterService::builder(config).initialize_within(limit).await?;
    match cluster.status().leader {
        Some(leader) => println!("joined: {leader} leads"),
        None => println!("joined: nobody leads yet"),
    }

    let acting = async {
        while let Ok(guard) = cluster.latch().await {
            while let Ok(left) = guard.check() {
                let left = left.as_millis();
                println!("acting with token {}, for {left} ms at least", guard.token());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            println!("acting no more with token {}", guard.token());
        }
    };
    tokio::select! {
        biased;
        () = acting => {}
        _ = tokio::signal::ctrl_c() => println!("stopping; whoever acts hands over"),
    }
    Ok(cluster.shutdown().await?)
}
