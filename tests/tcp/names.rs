//! Names on the network: observers, which are answered over their own connections, and nodes under
//! one name.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fencepost::election::MAX_OBSERVERS;
use fencepost::node::Transport;
use fencepost::node::frame::Frame;
use fencepost::node::tcp::{CLAIM_LIMIT, QUEUE_LEN, SILENCE_LIMIT, TcpConfig, TcpTransport};
use madsim::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::world::{
    CLUSTER, FIRST_OBSERVER, Outcome, address, bind, config, connect_and_say, frame, heard,
    hello_of, id, message, process, run, world_with,
};

const OBSERVER: u8 = FIRST_OBSERVER;
const MOMENT: Duration = Duration::from_millis(300);
/// Time for a node to be missed by all, and for those who wait to try again.
const A_WHILE: Duration = Duration::from_secs(5);

#[test]
fn an_observer_is_answered_by_all_voters() {
    run(21, || async {
        let world = world_with(3, &[OBSERVER, OBSERVER + 1], &[]);
        sleep(A_WHILE).await;
        for voter in 1..=3 {
            world.assert_hear(OBSERVER, voter, "the start").await;
            world.assert_hear(OBSERVER + 1, voter, "the start").await;
            assert_eq!(world.seen(voter).count(|c| &c.refused), 0);
        }
        assert_eq!(world.seen(OBSERVER).from(OBSERVER + 1), 0, "observers do not meet");
    });
}

#[test]
fn an_observer_that_is_gone_is_forgotten_and_may_come_back() {
    run(22, || async {
        let world = world_with(2, &[OBSERVER], &[]);
        world.assert_hear(OBSERVER, 1, "the start").await;
        world.kill(OBSERVER);
        sleep(A_WHILE).await;
        assert_eq!(world.seen(1).count(|c| &c.queue_full), 0, "nothing is kept for it");
        world.restart(OBSERVER);
        sleep(MOMENT).await;
        world.assert_hear(OBSERVER, 1, "its restart").await;
        assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), 0);
        assert_eq!(world.seen(1).count(|c| &c.refused), 0);
    });
}

#[test]
fn an_observer_finds_a_voter_again_that_restarted() {
    run(23, || async {
        let world = world_with(2, &[OBSERVER], &[]);
        world.assert_hear(OBSERVER, 1, "the start").await;
        for _ in 0..3 {
            world.kill(1);
            sleep(A_WHILE).await;
            let deaf = world.seen(OBSERVER).from(1);
            world.assert_hear(OBSERVER, 2, "the death of n1").await;
            assert_eq!(world.seen(OBSERVER).from(1), deaf, "n1 is dead");
            world.restart(1);
            sleep(Duration::from_secs(1)).await;
            world.assert_hear(OBSERVER, 1, "the restart of n1").await;
        }
    });
}

#[test]
fn a_second_process_under_a_name_is_refused_while_the_first_is_alive() {
    // One that talks, and ones that have nothing to say.
    for quiet in [&[][..], &[2, OBSERVER]] {
        run(24, || async {
            let world = world_with(2, &[OBSERVER], quiet);
            sleep(A_WHILE).await;
            let mut attempts = 0;
            for (name, observer) in [(2, false), (OBSERVER, true)] {
                for _ in 0..20 {
                    let twin = hello_of(CLUSTER, name, 1, process(name, 7), observer);
                    assert_eq!(world.attack(twin, MOMENT).await, Outcome::Closed);
                    attempts += 1;
                    assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), attempts);
                }
            }
            assert_eq!(world.seen(1).count(|c| &c.refused), 0);
            if quiet.is_empty() {
                world.assert_talking("the claims of its twin").await;
                world.assert_hear(1, OBSERVER, "the claims of its twin").await;
            }
        });
    }
}

#[test]
fn a_name_is_free_once_its_holder_ended_or_fell_silent() {
    run(25, || async {
        let world = world_with(2, &[], &[2]);
        sleep(A_WHILE).await;
        let twin = |boot| hello_of(CLUSTER, 2, 1, process(2, boot), false);

        world.kill(2);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(world.attack(twin(7), MOMENT).await, Outcome::Open, "it ended");
        world.restart(2);
        sleep(A_WHILE).await;
        assert_eq!(world.attack(twin(8), MOMENT).await, Outcome::Closed, "it is back");
        assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), 1);

        // Cut off or stopped: its connection hangs in the air.
        Handle::current().pause(world.nodes[&2].0.id());
        sleep(CLAIM_LIMIT / 2).await;
        assert_eq!(world.attack(twin(9), MOMENT).await, Outcome::Closed, "not silent for long");
        sleep(CLAIM_LIMIT).await;
        let heir = world.stranger.spawn(connect_and_say(twin(10), A_WHILE));
        sleep(MOMENT).await;
        assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), 2, "the third was let in");
        Handle::current().resume(world.nodes[&2].0.id());
        sleep(CLAIM_LIMIT / 4).await;
        assert!(world.seen(1).count(|c| &c.duplicate_ids) > 2, "now it is the second itself");
        // The heir says nothing more, and loses the name for that.
        assert_eq!(heir.await.unwrap(), Outcome::Closed);
        sleep(A_WHILE).await;
        assert_eq!(world.attack(twin(11), MOMENT).await, Outcome::Closed);
    });
}

#[test]
fn the_newest_connection_of_one_process_wins() {
    run(26, || async {
        let world = world_with(1, &[], &[]);
        sleep(MOMENT).await;
        let hello = hello_of(CLUSTER, OBSERVER, 1, 5, true);
        let older = world.stranger.spawn(connect_and_say(hello.clone(), A_WHILE));
        sleep(MOMENT).await;
        assert_eq!(world.attack(hello, MOMENT).await, Outcome::Answered);
        assert_eq!(older.await.unwrap(), Outcome::Closed);
        assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), 0);
    });
}

#[test]
fn the_queue_for_an_observer_forgets_its_oldest() {
    run(31, || async {
        let handle = Handle::current();
        let machine = |n: u8| handle.create_node().ip([10, 0, 0, n].into()).build();
        let voter = machine(1).spawn(async {
            let mut transport = bind(1, 1).await;
            let observer = transport.recv().await.from();
            for term in 1..=100 {
                transport.send(observer, message(1, term).into());
            }
            transport.flush().await;
            transport.counters().queue_full.load(Ordering::Relaxed)
        });
        let observer = machine(OBSERVER).spawn(async {
            let mut transport = bind(OBSERVER, 1).await;
            transport.send(id(1), message(OBSERVER, 1).into());
            let mut terms = Vec::new();
            while let Ok(packet) = timeout(A_WHILE, transport.recv()).await {
                terms.push(heard(packet).term.0);
            }
            terms
        });
        let dropped = voter.await.unwrap();
        assert_eq!(dropped, 100 - QUEUE_LEN as u64);
        assert_eq!(observer.await.unwrap(), (dropped + 1..=100).collect::<Vec<_>>());
    });
}

#[test]
fn the_port_is_free_when_the_last_words_have_left() {
    run(33, || async {
        let machine = Handle::current().create_node().ip([10, 0, 0, 1].into()).build();
        let bound = machine.spawn(async {
            let mut first = bind(1, 1).await;
            let taken = TcpTransport::bind(config(1, 1, 2)).await.is_err();
            first.flush().await;
            let free = TcpTransport::bind(config(1, 1, 2)).await.is_ok();
            drop(first);
            (taken, free)
        });
        assert_eq!(bound.await.unwrap(), (true, true));
    });
}

#[test]
fn observers_are_limited_and_the_silent_make_room() {
    run(27, || async {
        let world = world_with(2, &[], &[]);
        world.assert_talking("the start").await;
        let limit = u8::try_from(MAX_OBSERVERS).unwrap();
        let extra = 5;
        let observers = OBSERVER..OBSERVER + limit + extra;
        let clients: Vec<_> = observers
            .map(|n| {
                let hello = hello_of(CLUSTER, n, 1, 1, true);
                world.stranger.spawn(connect_and_say(hello, 2 * SILENCE_LIMIT))
            })
            .collect();
        sleep(MOMENT).await;
        assert_eq!(world.seen(1).count(|c| &c.refused), u64::from(extra));
        world.assert_talking("a crowd of observers").await;
        for client in clients {
            assert_eq!(client.await.unwrap(), Outcome::Closed, "refused or silent for too long");
        }
        let late = hello_of(CLUSTER, OBSERVER + limit + 10, 1, 1, true);
        assert_eq!(world.attack(late, CLAIM_LIMIT).await, Outcome::Answered, "there is room again");
        assert_eq!(world.seen(1).count(|c| &c.refused), u64::from(extra));
    });
}

#[test]
fn a_silent_connection_is_closed() {
    run(28, || async {
        let world = world_with(1, &[], &[]);
        sleep(MOMENT).await;
        let mut bytes = hello_of(CLUSTER, OBSERVER, 1, 1, true);
        assert_eq!(world.attack(bytes.clone(), 2 * SILENCE_LIMIT).await, Outcome::Closed);
        assert_eq!(world.seen(1).count(|c| &c.truncated), 0);
        // A frame that never ends is no sign of life.
        bytes.extend(&frame(&Frame::Alive)[..4]);
        assert_eq!(world.attack(bytes, 2 * SILENCE_LIMIT).await, Outcome::Closed);
        assert_eq!(world.seen(1).count(|c| &c.truncated), 1);
    });
}

#[test]
fn observers_and_voters_do_not_pass_for_each_other() {
    run(29, || async {
        let world = world_with(2, &[], &[]);
        world.assert_talking("the start").await;
        for (refused, bytes) in [
            (1, hello_of(CLUSTER, 2, 1, process(2, 1), true)),
            (2, hello_of(CLUSTER, 1, 1, process(1, 1), true)),
            (3, hello_of(CLUSTER, OBSERVER, 1, 1, false)),
            (4, hello_of("other", OBSERVER, 1, 1, true)),
            (5, hello_of(CLUSTER, OBSERVER, 2, 1, true)),
        ] {
            assert_eq!(world.attack(bytes, MOMENT).await, Outcome::Closed);
            assert_eq!(world.seen(1).count(|c| &c.refused), refused);
        }
        world.assert_talking("the false hellos").await;
        assert_eq!(world.seen(1).count(|c| &c.duplicate_ids), 0);
    });
}

#[test]
fn a_voter_must_listen_and_an_observer_must_not() {
    run(30, || async {
        let machine = Handle::current().create_node().ip([10, 0, 0, 1].into()).build();
        let test = machine.spawn(async {
            let deaf = TcpConfig { listen: None, ..config(1, 2, 1) };
            let error = TcpTransport::bind(deaf).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let open = TcpConfig { listen: Some(address(1)), ..config(OBSERVER, 2, 1) };
            let error = TcpTransport::bind(open).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(
                TcpTransport::bind(config(OBSERVER, 2, 1)).await.unwrap().local_addr(),
                None
            );
        });
        test.await.unwrap();
    });
}
