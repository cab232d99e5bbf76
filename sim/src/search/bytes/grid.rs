//! The few values that a byte can stand for: close together where they are small.

use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Lengths of faults, distances of messages.
const TIMES: [Duration; 32] = [
    ms(1),
    ms(2),
    ms(5),
    ms(10),
    ms(20),
    ms(50),
    ms(100),
    ms(150),
    ms(200),
    ms(300),
    ms(400),
    ms(500),
    ms(600),
    ms(800),
    ms(1_000),
    ms(1_200),
    ms(1_500),
    ms(2_000),
    ms(2_500),
    ms(3_000),
    ms(3_500),
    ms(4_000),
    ms(5_000),
    ms(6_000),
    ms(7_000),
    ms(8_000),
    ms(9_000),
    ms(10_000),
    ms(12_000),
    ms(15_000),
    ms(20_000),
    ms(25_000),
];

/// Probabilities, and deviations of a clock's rate, in parts per million.
pub(super) const PPM: [u32; 10] =
    [0, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 300_000, 500_000];

/// Noise without a fault. It does not end, so there must be a leader in spite of it.
pub(super) const CALM_PPM: [u32; 5] = [0, 1_000, 5_000, 10_000, 20_000];

/// The least and the highest latency of a network.
pub(super) const LATENCIES: [(Duration, Duration); 4] =
    [(Duration::from_micros(300), ms(2)), (ms(1), ms(20)), (ms(10), ms(100)), (ms(30), ms(40))];

/// Windows of a sink that drops repetitions.
pub(super) const WINDOWS: [Duration; 2] = [ms(20_000), ms(300_000)];

/// The value that a byte stands for.
pub(super) fn pick<T: Copy>(values: &[T], byte: u8) -> T {
    values[usize::from(byte) % values.len()]
}

/// The byte of the value that is least far away; of several the first.
pub(super) fn nearest<T>(values: &[T], far: impl Fn(&T) -> u64) -> u8 {
    let nearest = values.iter().enumerate().min_by_key(|(_, value)| far(value));
    nearest.map_or(0, |(index, _)| u8::try_from(index).expect("short lists"))
}

/// How far two times are apart, in nanoseconds.
pub(super) fn apart(a: Duration, b: Duration) -> u64 {
    u64::try_from(a.abs_diff(b).as_nanos()).unwrap_or(u64::MAX / 2)
}

/// A time of at least a millisecond.
pub(super) fn time(byte: u8) -> Duration {
    pick(&TIMES, byte)
}

/// The byte of the time nearest to this one.
pub(super) fn time_byte(time: Duration) -> u8 {
    nearest(&TIMES, |known| apart(*known, time))
}

/// A time that is not longer than `most`, or the shortest.
pub(super) fn time_within(byte: u8, most: Duration) -> Duration {
    let wanted = time(byte).min(most);
    TIMES.iter().rev().copied().find(|known| *known <= wanted).unwrap_or(TIMES[0])
}

/// No time at all, or one that is not longer than `most`.
pub(super) fn time_or_none_within(byte: u8, most: Duration) -> Duration {
    match byte.checked_sub(1) {
        Some(byte) if most >= TIMES[0] => time_within(byte, most),
        _ => Duration::ZERO,
    }
}

/// The byte of no time, or of the time nearest to this one.
pub(super) fn time_or_none_byte(time: Duration) -> u8 {
    if time.is_zero() { 0 } else { time_byte(time) + 1 }
}

/// A share or a deviation that is not zero: the rules of scenarios refuse a fault that is nothing.
pub(super) fn some_ppm(byte: u8) -> u32 {
    pick(&PPM, byte).max(PPM[1])
}

/// The byte of the probability nearest to this one.
pub(super) fn ppm_byte(ppm: u32) -> u8 {
    nearest(&PPM, |known| known.abs_diff(ppm).into())
}
