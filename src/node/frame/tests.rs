//! Properties of the frames: everything reads back, and nothing that arrives can hurt.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::election::View;
use crate::id::{Identity, Incarnation, Term};

fn any_node() -> impl Strategy<Value = NodeId> {
    "[a-zA-Z0-9._-]{1,31}".prop_map(|name| name.parse().unwrap())
}

fn any_identity() -> impl Strategy<Value = Identity> {
    (any_node(), any::<u64>())
        .prop_map(|(node, life)| Identity { node, incarnation: Incarnation(life) })
}

fn any_body() -> impl Strategy<Value = Body> {
    let view = (any::<u64>(), prop::collection::vec(any_node(), 0..8))
        .prop_map(|(version, participants)| Arc::new(View { version, participants }));
    prop_oneof![
        Just(Body::PreVote),
        Just(Body::VoteRequest),
        (any_identity(), any::<u64>(), any::<bool>()).prop_map(|(to, asked, granted)| {
            Body::PreVoteReply { to, asked: Term(asked), granted }
        }),
        (any_identity(), any::<bool>()).prop_map(|(to, granted)| Body::VoteReply { to, granted }),
        (any::<u64>(), view).prop_map(|(round, view)| Body::Heartbeat { round, view }),
        (any_identity(), any::<u64>()).prop_map(|(to, round)| Body::HeartbeatAck { to, round }),
        any_identity().prop_map(|to| Body::NewerTerm { to }),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let message = (any_identity(), any::<u64>(), any_body())
        .prop_map(|(from, term, body)| Frame::Message(Message { from, term: Term(term), body }));
    let hello = ("\\PC{0,16}", any_node(), any_node())
        .prop_map(|(cluster, from, to)| Frame::Hello { cluster, from, to });
    prop_oneof![4 => message, 1 => hello]
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

fn big_view(count: usize) -> Frame {
    let name = |n: usize| format!("{n:0>31}").parse().unwrap();
    let view = View { version: 1, participants: (0..count).map(name).collect() };
    let from = Identity { node: name(0), incarnation: Incarnation(u64::MAX) };
    let body = Body::Heartbeat { round: u64::MAX, view: Arc::new(view) };
    Frame::Message(Message { from, term: Term::MAX, body })
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
fn the_largest_view_fits_and_the_next_is_refused() {
    let frame = big_view(MAX_PARTICIPANTS);
    let bytes = encoded(std::slice::from_ref(&frame));
    assert!(bytes.len() <= Decoder::CAPACITY);
    assert_eq!(decode_one(&bytes), Ok(Some(frame)));

    let count = MAX_PARTICIPANTS + 1;
    let refusal = FrameError::TooManyParticipants { count };
    let mut out = vec![7];
    assert_eq!(encode(&big_view(count), &mut out), Err(refusal.clone()));
    assert_eq!(out, [7], "nothing of a refused frame is written");
    let Frame::Message(message) = big_view(count) else { unreachable!() };
    let payload = postcard::to_stdvec(&Wire::Message(message)).unwrap();
    assert_eq!(decode_one(&framed(&payload)), Err(refusal));
}

#[test]
fn an_absurd_number_of_participants_is_malformed() {
    let Frame::Message(message) = big_view(0) else { unreachable!() };
    let mut payload = postcard::to_stdvec(&Wire::Message(message)).unwrap();
    assert_eq!(payload.pop(), Some(0), "the number of participants comes last");
    payload.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert!(matches!(decode_one(&framed(&payload)), Err(FrameError::Malformed(_))));
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
        let wire = Wire::Hello { magic, version, cluster, from: node, to: node };
        decode_one(&framed(&postcard::to_stdvec(&wire).unwrap()))
    };
    assert!(hello(MAGIC, VERSION, "c").is_ok());
    assert_eq!(hello(*b"HTTP", VERSION, "c"), Err(FrameError::NotOurProtocol));
    assert_eq!(hello(MAGIC, 9, "c"), Err(FrameError::OtherVersion { theirs: 9 }));
    // Another version may look different behind its number.
    assert_eq!(decode_one(&framed(b"\0FPST\x02?")), Err(FrameError::OtherVersion { theirs: 2 }));
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
