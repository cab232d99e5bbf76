//! Properties of the frames: everything reads back, and nothing that arrives can hurt.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::election::{ConfigId, CrashVector, Release, Roll, View};
use crate::id::{Boot, Generation, Identity, Incarnation, Term};
use crate::store::MAX_WORK_NAME_LEN;
use crate::time::Instant;

fn any_node() -> impl Strategy<Value = NodeId> {
    "[a-zA-Z0-9._-]{1,31}".prop_map(|name| name.parse().unwrap())
}

fn any_identity() -> impl Strategy<Value = Identity> {
    (any_node(), any::<u64>())
        .prop_map(|(node, life)| Identity { node, incarnation: Incarnation(life) })
}

fn any_generation() -> impl Strategy<Value = Generation> {
    (any::<u64>(), any::<u64>()).prop_map(|(number, roll)| Generation { number, roll })
}

fn any_boot() -> impl Strategy<Value = Boot> {
    (any_node(), any::<u64>()).prop_map(|(node, nonce)| Boot { node, nonce })
}

fn any_vector() -> impl Strategy<Value = Arc<CrashVector>> {
    prop::collection::vec(any_identity(), 0..8).prop_map(|all| Arc::new(all.into_iter().collect()))
}

/// A body of every kind: a new one has to be added here, or the test below fails.
fn any_body() -> impl Strategy<Value = Body> {
    prop::strategy::Union::new([asks().boxed(), answers().boxed(), lists().boxed()])
}

fn asks() -> impl Strategy<Value = Body> {
    let release = (any_identity(), any::<u64>())
        .prop_map(|(leader, term)| Release { leader, term: Term(term) });
    prop_oneof![
        Just(Body::PreVote),
        prop::option::of(release).prop_map(|release| Body::VoteRequest { release }),
        any_identity().prop_map(|to| Body::TakeOver { to }),
        Just(Body::Leaving),
        (any::<u64>(), any_generation(), any::<bool>())
            .prop_map(|(nonce, heard, stuck)| Body::Rejoining { nonce, heard, stuck }),
        any::<u64>().prop_map(|nonce| Body::Register { nonce }),
        Just(Body::NewerGeneration),
        Just(Body::Observing),
    ]
}

fn answers() -> impl Strategy<Value = Body> {
    prop_oneof![
        (any_identity(), any::<u64>(), any::<bool>()).prop_map(|(to, asked, granted)| {
            Body::PreVoteReply { to, asked: Term(asked), granted }
        }),
        (any_identity(), any::<bool>(), any_vector())
            .prop_map(|(to, granted, known)| Body::VoteReply { to, granted, known }),
        (any_identity(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u8>()).prop_map(
            |(to, round, reading, nonce, priority)| {
                Body::HeartbeatAck { to, round, reading: Instant(reading), nonce, priority }
            }
        ),
        any_identity().prop_map(|to| Body::NewerTerm { to }),
        (any_boot(), any::<u64>())
            .prop_map(|(to, life)| Body::Known { to, incarnation: Incarnation(life) }),
        (any_boot(), any::<u64>(), any_vector()).prop_map(|(to, life, known)| {
            Body::Registered { to, incarnation: Incarnation(life), known }
        }),
        (any_identity(), any::<u64>())
            .prop_map(|(to, life)| Body::Superseded { to, by: Incarnation(life) }),
    ]
}

fn lists() -> impl Strategy<Value = Body> {
    let view = (any::<u64>(), prop::collection::vec(any_node(), 0..8))
        .prop_map(|(version, participants)| Arc::new(View { version, participants }));
    let boots = prop::collection::vec(any_boot(), 0..=MAX_VOTERS);
    let voters = prop::collection::vec(any_node(), 0..=MAX_VOTERS);
    prop_oneof![
        (any::<u64>(), view).prop_map(|(round, view)| Body::Heartbeat { round, view }),
        (any_generation(), any::<u64>(), boots).prop_map(|(generation, floor, boots)| {
            let roll = Arc::new(Roll { generation, floor: Term(floor), boots });
            Body::RollCall { roll }
        }),
        (voters, any::<bool>())
            .prop_map(|(voters, asks)| Body::Voters { voters: Arc::new(voters), asks }),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    let message = (any_identity(), any_generation(), numbers, any_body()).prop_map(
        |(from, generation, (config, promise, term), body)| {
            let (config, term) = (ConfigId(config), Term(term));
            let message = Message { from, generation, config, promise, term, body };
            Frame::Packet(message.into())
        },
    );
    let hello = ("\\PC{0,16}", any_node(), any_node(), any::<u64>(), any::<bool>()).prop_map(
        |(cluster, from, to, process, observer)| Frame::Hello {
            cluster,
            from,
            to,
            process,
            observer,
        },
    );
    let letter = (any_node(), "\\PC{1,16}", prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(from, work, body)| letter(from, &work, &body));
    prop_oneof![4 => message, 1 => hello, 1 => Just(Frame::Alive), 1 => letter]
}

fn letter(from: NodeId, work: &str, body: &[u8]) -> Frame {
    let (work, body) = (WorkName::new(work).unwrap(), body.into());
    Frame::Packet(Packet::Letter(Letter { from, work, body }))
}

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        encode(frame, &mut bytes).unwrap();
    }
    bytes
}

/// Pushes everything in pieces and takes what comes out, checking the bound at each step.
fn decode_in_pieces(
    decoder: &mut Decoder,
    mut bytes: &[u8],
    pieces: &[usize],
) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    let mut pieces = pieces.iter().cycle();
    while !bytes.is_empty() {
        let piece = (*pieces.next().unwrap()).clamp(1, bytes.len());
        let taken = decoder.push(&bytes[..piece]);
        assert!(decoder.buffer.capacity() <= Decoder::CAPACITY);
        let before = frames.len();
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
        assert!(taken > 0 || frames.len() > before, "no progress");
        bytes = &bytes[taken..];
    }
    Ok(frames)
}

/// The longest name of a node, one for each number.
fn name(n: usize) -> NodeId {
    format!("{n:0>31}").parse().unwrap()
}

/// A body as large as it gets, in a message that is.
fn big(body: Body) -> Frame {
    let from = Identity { node: name(0), incarnation: Incarnation(u64::MAX) };
    let generation = Generation { number: u64::MAX, roll: u64::MAX };
    let config = ConfigId(u64::MAX);
    let (promise, term) = (u64::MAX, Term::MAX);
    Frame::Packet(Message { from, generation, config, promise, term, body }.into())
}

fn big_view(count: usize) -> Frame {
    let view = View { version: 1, participants: (0..count).map(name).collect() };
    big(Body::Heartbeat { round: u64::MAX, view: Arc::new(view) })
}

fn big_vector(count: usize) -> Frame {
    let life = |n| Identity { node: name(n), incarnation: Incarnation(u64::MAX) };
    let to = life(0);
    let known = Arc::new((0..count).map(life).collect());
    big(Body::VoteReply { to, granted: true, known })
}

fn big_registration(count: usize) -> Frame {
    let life = |n| Identity { node: name(n), incarnation: Incarnation(u64::MAX) };
    let to = Boot { node: name(0), nonce: u64::MAX };
    let known = Arc::new((0..count).map(life).collect());
    big(Body::Registered { to, incarnation: Incarnation(u64::MAX), known })
}

fn big_roll(count: usize) -> Frame {
    let boots = (0..count).map(|n| Boot { node: name(n), nonce: u64::MAX }).collect();
    let roll = Roll { generation: Generation::stored(u64::MAX), floor: Term::MAX, boots };
    big(Body::RollCall { roll: Arc::new(roll) })
}

fn big_list(count: usize) -> Frame {
    big(Body::Voters { voters: Arc::new((0..count).map(name).collect()), asks: true })
}

/// A frame around `payload`, as only a hostile sender would make it.
fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(payload);
    bytes
}

fn decode_one(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(bytes), bytes.len());
    decoder.next()
}

#[test]
fn the_largest_lists_fit_and_the_next_are_refused() {
    type Case = (usize, fn(usize) -> Frame, fn(usize) -> FrameError);
    let cases: [Case; 5] = [
        (MAX_PARTICIPANTS, big_view, |count| FrameError::TooManyParticipants { count }),
        (MAX_KNOWN, big_vector, |count| FrameError::TooManyKnown { count }),
        (MAX_KNOWN, big_registration, |count| FrameError::TooManyKnown { count }),
        (MAX_VOTERS, big_roll, |count| FrameError::TooManyBoots { count }),
        (MAX_VOTERS, big_list, |count| FrameError::TooManyVoters { count }),
    ];
    for (limit, big, refusal) in cases {
        let frame = big(limit);
        let bytes = encoded(std::slice::from_ref(&frame));
        assert!(bytes.len() <= Decoder::CAPACITY);
        assert_eq!(decode_one(&bytes), Ok(Some(frame)));

        let count = limit + 1;
        let mut out = vec![7];
        assert_eq!(encode(&big(count), &mut out), Err(refusal(count)));
        assert_eq!(out, [7], "nothing of a refused frame is written");
        let Frame::Packet(Packet::Election(message)) = big(count) else { unreachable!() };
        let payload = postcard::to_stdvec(&Wire::Message(message)).unwrap();
        assert_eq!(decode_one(&framed(&payload)), Err(refusal(count)));
    }
}

#[test]
fn an_absurd_length_of_a_list_is_malformed() {
    // In each of these the length of the list comes last, but for so many bytes.
    for (empty, behind) in [
        (big_view(0), 0),
        (big_vector(0), 0),
        (big_registration(0), 0),
        (big_roll(0), 0),
        (big_list(0), 1),
    ] {
        let Frame::Packet(Packet::Election(message)) = empty else { unreachable!() };
        let mut payload = postcard::to_stdvec(&Wire::Message(message)).unwrap();
        let at = payload.len() - behind - 1;
        assert_eq!(payload.remove(at), 0, "the length");
        let absurd = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        payload.splice(at..at, absurd);
        assert!(matches!(decode_one(&framed(&payload)), Err(FrameError::Malformed(_))));
    }
}

/// The generators cover every body: postcard numbers the variants, and the next number is none.
#[test]
fn every_kind_of_body_is_tried() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bodies = (0..2_000).map(|_| any_body().new_tree(&mut runner).unwrap().current());
    let kinds: std::collections::BTreeSet<u8> =
        bodies.map(|body| postcard::to_stdvec(&body).unwrap()[0]).collect();
    let count = u8::try_from(kinds.len()).unwrap();
    assert!(kinds.iter().copied().eq(0..count), "{kinds:?}");
    let mut next = [0_u8; 256];
    next[0] = count;
    assert!(postcard::take_from_bytes::<Body>(&next).is_err(), "a kind of body is not tried");
}

#[test]
fn a_letter_is_bounded_and_names_its_work() {
    let wire = |work: &str, len| {
        let body = vec![7; len];
        let wire = Wire::Letter { from: name(0), work, body: &body };
        decode_one(&framed(&postcard::to_stdvec(&wire).unwrap()))
    };
    let longest = "w".repeat(MAX_WORK_NAME_LEN);
    let largest = letter(name(0), &longest, &[7; MAX_LETTER_LEN]);
    assert_eq!(wire(&longest, MAX_LETTER_LEN), Ok(Some(largest)));
    let refusal = FrameError::LetterTooLong { len: MAX_LETTER_LEN + 1 };
    assert_eq!(wire("w", MAX_LETTER_LEN + 1), Err(refusal.clone()));
    let too_long = letter(name(0), "w", &[0; MAX_LETTER_LEN + 1]);
    assert_eq!(encode(&too_long, &mut Vec::new()), Err(refusal));
    for work in ["", "a\nb", &format!("{longest}w")] {
        assert!(matches!(wire(work, 1), Err(FrameError::Malformed(_))), "{work:?}");
    }
}

#[test]
fn an_oversize_claim_is_refused_by_its_header_alone_and_for_good() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(&[0xff; HEADER_LEN]), HEADER_LEN);
    let refusal = FrameError::TooLong { claimed: u64::from(u32::MAX) };
    assert_eq!(decoder.next(), Err(refusal.clone()));
    assert_eq!(decoder.push(&[0; 1000]), 1000, "swallowed, not kept");
    assert_eq!(decoder.next(), Err(refusal));
    assert_eq!(decoder.buffer.capacity(), 0);
}

#[test]
fn other_protocols_versions_and_long_names_are_told_apart() {
    let node: NodeId = "n1".parse().unwrap();
    let hello = |magic, version, cluster| {
        let (process, observer) = (7, false);
        let wire = Wire::Hello { magic, version, cluster, from: node, to: node, process, observer };
        decode_one(&framed(&postcard::to_stdvec(&wire).unwrap()))
    };
    assert!(hello(MAGIC, VERSION, "c").is_ok());
    assert_eq!(hello(*b"HTTP", VERSION, "c"), Err(FrameError::NotOurProtocol));
    assert_eq!(hello(MAGIC, 9, "c"), Err(FrameError::OtherVersion { theirs: 9 }));
    // Another version may look different behind its number.
    assert_eq!(decode_one(&framed(b"\0FPST\x01?")), Err(FrameError::OtherVersion { theirs: 1 }));
    assert_eq!(decode_one(&framed(b"\0FPST")), Err(FrameError::NotOurProtocol));
    let long = "c".repeat(MAX_CLUSTER_NAME_LEN + 1);
    let refusal = FrameError::ClusterNameTooLong { len: long.len() };
    assert_eq!(hello(MAGIC, VERSION, &long), Err(refusal));
}

#[test]
fn an_empty_frame_and_bytes_behind_the_content_are_refused() {
    assert!(matches!(decode_one(&framed(b"")), Err(FrameError::Malformed(_))));
    let mut bytes = encoded(&[big_view(1)]);
    bytes.push(0);
    let payload = bytes[HEADER_LEN..].to_vec();
    assert_eq!(decode_one(&framed(&payload)), Err(FrameError::TrailingBytes { extra: 1 }));
}

proptest! {
    #[test]
    fn frames_read_back_however_they_are_cut(
        frames in prop::collection::vec(any_frame(), 0..20),
        pieces in prop::collection::vec(1usize..200, 1..8),
    ) {
        let mut decoder = Decoder::default();
        let bytes = encoded(&frames);
        prop_assert_eq!(decode_in_pieces(&mut decoder, &bytes, &pieces), Ok(frames));
        prop_assert!(!decoder.is_mid_frame());
    }

    #[test]
    fn large_frames_read_back_within_the_bound(
        counts in prop::collection::vec(0usize..=MAX_PARTICIPANTS, 1..6),
        pieces in prop::collection::vec(1usize..300_000, 1..6),
    ) {
        let frames: Vec<Frame> = counts.into_iter().map(big_view).collect();
        let mut decoder = Decoder::default();
        prop_assert_eq!(decode_in_pieces(&mut decoder, &encoded(&frames), &pieces), Ok(frames));
    }

    #[test]
    fn a_truncation_is_neither_a_frame_nor_an_error(frame in any_frame(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&[frame]);
        let cut = cut.index(bytes.len());
        let mut decoder = Decoder::default();
        prop_assert_eq!(decoder.push(&bytes[..cut]), cut);
        prop_assert_eq!(decoder.next(), Ok(None));
        prop_assert_eq!(decoder.is_mid_frame(), cut > 0);
    }

    #[test]
    fn random_bytes_never_panic_and_stay_within_the_bound(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        pieces in prop::collection::vec(1usize..300, 1..8),
    ) {
        let _ = decode_in_pieces(&mut Decoder::default(), &bytes, &pieces);
    }

    #[test]
    fn random_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(frame)) = decode_one(&framed(&payload)) {
            // Found by luck: then it is a frame like any other.
            let again = encoded(std::slice::from_ref(&frame));
            prop_assert_eq!(decode_one(&again), Ok(Some(frame)));
        }
    }

    #[test]
    fn a_flipped_bit_never_panics(frame in any_frame(), bit in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&[frame]);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = decode_in_pieces(&mut Decoder::default(), &bytes, &[bytes.len()]);
    }
}
