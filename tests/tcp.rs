//! The TCP transport on simulated networks: messages arrive, restarts are survived, and what a
//! hostile client says is counted and changes nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fencepost::Term;
use fencepost::node::Transport;
use fencepost::node::frame::{Frame, MAX_FRAME_LEN};
use fencepost::node::tcp::{CLAIM_LIMIT, HELLO_LIMIT, MAX_STRANGERS, QUEUE_LEN};
use madsim::runtime::Handle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use world::{
    CLUSTER, FIRST_OBSERVER, Outcome, address, bind, frame, hello, hello_of, id, message, run,
    world,
};

#[path = "tcp/names.rs"]
mod names;
#[path = "tcp/world.rs"]
mod world;

#[test]
fn everybody_hears_everybody() {
    run(1, || async {
        let world = world(3);
        sleep(Duration::from_secs(5)).await;
        for me in 1..=3 {
            for peer in (1..=3).filter(|&n| n != me) {
                let heard = world.seen(me).from(peer);
                assert!(heard > 80, "n{me} heard n{peer} only {heard} times");
            }
            assert_eq!(world.seen(me).from(me), 0);
            assert_eq!(world.seen(me).count(|c| &c.refused), 0);
            assert_eq!(world.seen(me).count(|c| &c.malformed), 0);
        }
    });
}

#[test]
fn hostile_clients_are_counted_and_change_nothing() {
    run(2, || async {
        let world = world(2);
        world.assert_talking("the start").await;
        let seen = world.seen(1);
        let moment = Duration::from_secs(1);

        let garbage = b"\0\0\0\x04junk".to_vec();
        assert_eq!(world.attack(garbage, moment).await, Outcome::Closed);
        assert_eq!(seen.count(|c| &c.malformed), 1);

        let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        assert_eq!(world.attack(http, moment).await, Outcome::Closed);
        assert_eq!(seen.count(|c| &c.oversized), 1, "\"GET \" is a length above the limit");

        let claim = u32::try_from(MAX_FRAME_LEN + 1).unwrap().to_be_bytes().to_vec();
        assert_eq!(world.attack(claim, moment).await, Outcome::Closed);
        assert_eq!(seen.count(|c| &c.oversized), 2);

        let mut cut = hello(CLUSTER, 2, 1);
        cut.pop();
        assert_eq!(world.attack(cut, moment).await, Outcome::Open, "the rest may come yet");
        sleep(moment).await;
        assert_eq!(seen.count(|c| &c.truncated), 1);

        for (refused, bytes) in [
            (1, hello("other", 2, 1)),
            (2, hello(CLUSTER, 2, 3)),
            (3, hello(CLUSTER, 7, 1)),
            (4, hello(CLUSTER, 1, 1)),
            (5, frame(&Frame::Packet(message(2, 1).into()))),
        ] {
            assert_eq!(world.attack(bytes, moment).await, Outcome::Closed);
            assert_eq!(seen.count(|c| &c.refused), refused);
        }

        assert_eq!(world.attack(Vec::new(), HELLO_LIMIT * 2).await, Outcome::Closed);
        assert_eq!(seen.count(|c| &c.refused), 6, "it said nothing in time");

        let twice = [hello(CLUSTER, 2, 1), hello(CLUSTER, 2, 1)].concat();
        assert_eq!(world.attack(twice, moment).await, Outcome::Closed);
        assert_eq!(seen.count(|c| &c.malformed), 2);

        world.assert_talking("the attacks").await;
        assert_eq!(world.seen(2).count(|c| &c.malformed), 0);
    });
}

#[test]
fn a_message_in_another_nodes_name_is_dropped() {
    run(3, || async {
        let world = world(3);
        world.assert_talking("the start").await;
        let forged = u64::MAX >> 1;
        let mut bytes = hello(CLUSTER, 2, 1);
        for (from, term) in [(3, forged), (1, forged), (2, forged - 1)] {
            bytes.extend(frame(&Frame::Packet(message(from, term).into())));
        }
        world.attack(bytes, Duration::from_millis(200)).await;
        let terms = |term| {
            let messages = world.seen(1).messages.lock().unwrap();
            messages.iter().filter(|m| m.term == Term(term)).count()
        };
        assert_eq!(terms(forged), 0);
        assert_eq!(terms(forged - 1), 1, "what the hello's own node says goes through");
        assert_eq!(world.seen(1).count(|c| &c.refused), 2);
        world.assert_talking("the forgery").await;
    });
}

#[test]
fn silent_connections_are_bounded_and_do_not_keep_peers_out() {
    run(4, || async {
        let world = world(2);
        world.assert_talking("the start").await;
        let extra = 9;
        let attacks = (0..MAX_STRANGERS + extra).map(|_| {
            world.stranger.spawn(async {
                let mut stream = TcpStream::connect(address(1)).await.unwrap();
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            })
        });
        let attacks: Vec<_> = attacks.collect();
        sleep(Duration::from_millis(500)).await;
        assert_eq!(world.seen(1).count(|c| &c.refused), extra as u64, "the oldest made room");
        // Who says hello is let in though all places are taken, and keeps what it has.
        let late = hello_of(CLUSTER, FIRST_OBSERVER, 1, 1, true);
        assert_eq!(world.attack(late, CLAIM_LIMIT).await, Outcome::Answered);
        for attack in attacks {
            attack.await.unwrap();
        }
        let all = (MAX_STRANGERS + extra) as u64;
        assert_eq!(world.seen(1).count(|c| &c.refused), all, "each once, and nobody else");
        world.assert_talking("the flood").await;
    });
}

#[test]
fn a_restarted_peer_is_heard_again() {
    run(5, || async {
        let world = world(2);
        world.assert_talking("the start").await;
        for _ in 0..3 {
            world.kill(2);
            sleep(Duration::from_secs(4)).await;
            let deaf = world.seen(2).from(1);
            sleep(Duration::from_secs(1)).await;
            assert_eq!(world.seen(2).from(1), deaf, "it is dead");
            assert!(world.seen(1).count(|c| &c.queue_full) > 0, "stale messages are dropped");
            world.restart(2);
            sleep(Duration::from_secs(1)).await;
            world.assert_talking("the restart").await;
        }
        assert_eq!(world.seen(1).count(|c| &c.refused), 0);
    });
}

#[test]
fn the_queue_for_an_unreachable_peer_is_bounded() {
    run(6, || async {
        let machine = Handle::current().create_node().ip([10, 0, 0, 1].into()).build();
        let full = machine.spawn(async {
            let mut transport = bind(1, 2).await;
            for term in 0..100 {
                transport.send(id(2), message(1, term).into());
                transport.send(id(9), message(1, term).into());
            }
            transport.counters().queue_full.load(Ordering::Relaxed)
        });
        assert_eq!(full.await.unwrap(), 100 - QUEUE_LEN as u64);
    });
}

#[test]
fn dropping_it_ends_its_connections_and_frees_its_port() {
    run(7, || async {
        let machine = Handle::current().create_node().ip([10, 0, 0, 1].into()).build();
        let test = machine.spawn(async {
            for _ in 0..3 {
                let transport = bind(1, 2).await;
                let mut greeted = TcpStream::connect(address(1)).await.unwrap();
                greeted.write_all(&hello(CLUSTER, 2, 1)).await.unwrap();
                greeted.flush().await.unwrap();
                let mut silent = TcpStream::connect(address(1)).await.unwrap();
                sleep(Duration::from_millis(100)).await;
                drop(transport);
                assert_eq!(greeted.read(&mut [0]).await.unwrap(), 0);
                assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
                sleep(Duration::from_millis(1)).await;
            }
        });
        test.await.unwrap();
    });
}

#[test]
fn last_words_arrive_and_are_not_waited_for_in_vain() {
    run(10, || async {
        let world = world(1);
        let machine = Handle::current().create_node().ip([10, 0, 0, 50].into()).build();
        let flushing = machine.spawn(async {
            // An observer of two voters, of which n2 does not exist.
            let mut transport = bind(50, 2).await;
            sleep(Duration::from_secs(1)).await;
            transport.send(id(1), message(50, 77).into());
            transport.send(id(2), message(50, 77).into());
            let began = Instant::now();
            transport.flush().await;
            began.elapsed()
        });
        let took = flushing.await.unwrap();
        assert!(took < Duration::from_millis(200), "{took:?}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.seen(1).from(50), 1, "it ended right after the flush");
    });
}

#[test]
fn the_same_seed_gives_the_same_arrivals() {
    let arrivals = |seed| {
        std::thread::spawn(move || {
            run(seed, || async {
                let world = world(3);
                sleep(Duration::from_secs(2)).await;
                world.kill(2);
                sleep(Duration::from_secs(1)).await;
                world.restart(2);
                sleep(Duration::from_secs(2)).await;
                (1..=3).map(|n| world.seen(n).messages.lock().unwrap().clone()).collect::<Vec<_>>()
            })
        })
        .join()
        .unwrap()
    };
    assert_eq!(arrivals(8), arrivals(8));
    assert_ne!(arrivals(8), arrivals(9));
}
