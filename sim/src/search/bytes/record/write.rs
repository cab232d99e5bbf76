//! The record that says a fault, for corpora that are made from plans.

use std::time::Duration;

use super::*;
use crate::search::bytes::grid::ppm_byte;

/// The record that says this fault, or one near to it; `None`: no record can.
pub(in crate::search::bytes) fn bytes_of(planned: &PlannedFault) -> Option<[u8; LEN]> {
    let mut record = Record {
        kind: 0,
        start: 0,
        moment: [0; 2],
        from: Targets(0),
        to: Targets(0),
        flags: 0,
        amounts: [0; 4],
    };
    record.set_start(&planned.start);
    let flag = |flag: u8, set: bool| if set { flag } else { 0 };
    match &planned.fault {
        Fault::Pause { nodes, lasts } => {
            record.kind = PAUSE;
            record.from = Targets::from_list(nodes);
            record.amounts[0] = grid::time_byte(*lasts);
        }
        Fault::Lies { nodes, lasts } => {
            record.kind = LIES;
            record.from = Targets::from_list(nodes);
            record.amounts[0] = grid::time_byte(*lasts);
        }
        Fault::Suspend { nodes, counted, lasts } => {
            record.kind = SUSPEND;
            record.from = Targets::from_list(nodes);
            record.flags |= flag(FORTH, !counted);
            record.amounts[0] = grid::time_byte(*lasts);
        }
        Fault::Cut { links, lasts } => {
            record.kind = CUT;
            record.set_links(links);
            record.amounts[0] = grid::time_byte(*lasts);
        }
        Fault::Flap { links, up, down, lasts } => {
            record.kind = FLAP;
            record.set_links(links);
            let bytes = [lasts, up, down].map(|time| grid::time_byte(*time));
            record.amounts[..3].copy_from_slice(&bytes);
        }
        Fault::Topology { topology, lasts } => {
            record.kind = TOPOLOGY;
            record.amounts[0] = grid::time_byte(*lasts);
            // Their places in the list above.
            record.amounts[1] = match topology {
                Topology::Star(centre) => {
                    record.from = Targets::from_list(&[*centre]);
                    0
                }
                Topology::Chain => 1,
                Topology::Ring => 2,
            };
        }
        Fault::Slow { links, by, lasts } => {
            record.kind = SLOW;
            record.set_links(links);
            record.amounts[..2].copy_from_slice(&[grid::time_byte(*lasts), grid::time_byte(*by)]);
        }
        Fault::Noise { links, noise, lasts } => {
            record.kind = NOISE;
            record.set_links(links);
            record.amounts = [
                grid::time_byte(*lasts),
                ppm_byte(noise.loss_ppm),
                ppm_byte(noise.duplicate_ppm),
                ppm_byte(noise.reorder_ppm),
            ];
        }
        Fault::Bounce { nodes, graceful, harm, down, slow_start } => {
            record.kind = BOUNCE;
            record.from = Targets::from_list(nodes);
            record.flags |= flag(FORTH, *graceful);
            record.set_harm(*harm);
            record.amounts[0] = grid::time_byte(*down);
            record.amounts[1] = grid::time_or_none_byte(*slow_start);
        }
        Fault::Die { nodes, harm, down, slow_start } => {
            record.kind = DIE;
            record.from = Targets::from_list(nodes);
            record.set_harm(*harm);
            record.amounts[0] = grid::time_byte(*down);
            record.amounts[1] = grid::time_or_none_byte(*slow_start);
        }
        Fault::CrashLoop { nodes, harm, times, up, down } => {
            record.kind = CRASH_LOOP;
            record.from = Targets::from_list(nodes);
            record.set_harm(*harm);
            record.amounts[0] = grid::time_byte(*down);
            record.amounts[1] = grid::time_or_none_byte(*up);
            record.amounts[2] = crate::search::bytes::less_one(*times, LOOP_MAX);
        }
        Fault::Disk { nodes, trouble, lasts } => {
            record.kind = DISK;
            record.from = Targets::from_list(nodes);
            record.amounts[0] = grid::time_byte(*lasts);
            record.amounts[2] = match trouble {
                DiskTrouble::Full => FULL,
                DiskTrouble::Unreadable => UNREADABLE,
                DiskTrouble::Slow { by } => {
                    record.amounts[1] = grid::time_byte(*by);
                    SLOW_DISK
                }
            };
        }
        Fault::Restart { service, loses, down } => {
            record.kind = RESTART;
            record.flags |= flag(FORTH, *service == Service::Sink);
            record.amounts[0] = grid::time_byte(*down);
            record.amounts[1] = grid::time_or_none_byte(*loses);
        }
        Fault::Service { service, trouble, share_ppm, lasts } => {
            record.kind = SERVICE;
            record.flags |= flag(FORTH, *service == Service::Sink);
            record.amounts[0] = grid::time_byte(*lasts);
            record.amounts[2] = match trouble {
                ServiceTrouble::Fails => FAILS,
                ServiceTrouble::Lost => LOST,
                ServiceTrouble::Refuses => REFUSES,
                ServiceTrouble::Late { by } => {
                    record.amounts[1] = grid::time_byte(*by);
                    LATE
                }
            };
            record.amounts[3] = ppm_byte(*share_ppm);
        }
        Fault::Strobe { node, by_ms, every, lasts } => {
            record.kind = STROBE;
            record.from = Targets::from_list(&[*node]);
            record.flags |= flag(FORTH, *by_ms < 0);
            let by = grid::time_byte(Duration::from_millis(by_ms.unsigned_abs()));
            record.amounts[..3].copy_from_slice(&[
                grid::time_byte(*lasts),
                by,
                grid::time_byte(*every),
            ]);
        }
        Fault::WallStep { node, by_ms } => {
            record.kind = WALL;
            record.from = Targets::from_list(&[*node]);
            record.flags |= flag(FORTH, *by_ms < 0);
            record.amounts[1] = grid::time_byte(Duration::from_millis(by_ms.unsigned_abs()));
        }
        Fault::Rate { node, ppm, lasts } => {
            record.kind = RATE;
            record.from = Targets::from_list(&[*node]);
            record.flags |= flag(FORTH, *ppm < 0);
            record.amounts[..2]
                .copy_from_slice(&[grid::time_byte(*lasts), ppm_byte(ppm.unsigned_abs())]);
        }
        // Lists of voters that change one after another: a fuzzer's steps would not keep the order.
        Fault::Deploy { .. } | Fault::Retire { .. } => return None,
        // The bytes of a stored corpus keep their meaning: a person's verdicts are not among them.
        Fault::Judge { .. } => return None,
    }
    Some(record.write())
}
