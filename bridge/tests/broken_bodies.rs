//! Broken bodies of every format: an error or some rows, never a panic, never absurd memory.

// An allocator that counts needs the trait, which is unsafe to implement.
#![allow(unsafe_code)]
// As in tests inside the crate.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use _bridge::database::Rows;
use _bridge::formats::{EncodeOptions, Format, IpcCodec, decode, encoder};
use arrow_array::RecordBatch;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[allow(dead_code)] // What only the unit tests use.
#[path = "../src/formats/tests/samples.rs"]
mod samples;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What decoding a broken body of some kilobytes may hold at once.
const BOUND: usize = 256 << 20;

#[derive(Clone, Debug)]
enum Damage {
    Bit(Index, u8),
    Byte(Index, u8),
    Word(Index, i32),
    Long(Index, i64),
    Cut(Index),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let ints = prop::sample::select(vec![0, 1, -1, 7, 255, 65_536, 1 << 20, 1 << 28, i32::MAX, i32::MIN]);
    let longs =
        prop::sample::select(vec![0, 1, -1, 1 << 20, 1 << 33, 1 << 40, i64::MAX, i64::MIN, i64::MAX - 63]);
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        3 => any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (any::<Index>(), ints).prop_map(|(at, word)| Damage::Word(at, word)),
        3 => (any::<Index>(), longs).prop_map(|(at, long)| Damage::Long(at, long)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => any::<(Index, Index)>().prop_map(|(at, to)| Damage::Remove(at, to)),
        1 => any::<(Index, Index)>().prop_map(|(at, to)| Damage::Repeat(at, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.len() < 8 {
        return;
    }
    let between = |a: &Index, b: &Index, len: usize| {
        let (a, b) = (a.index(len), b.index(len));
        a.min(b)..a.max(b)
    };
    match damage {
        Damage::Bit(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
        Damage::Byte(at, byte) => *at.get_mut(bytes) = *byte,
        Damage::Word(at, word) => {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        Damage::Long(at, long) => {
            let at = at.index(bytes.len() / 8) * 8;
            bytes[at..at + 8].copy_from_slice(&long.to_le_bytes());
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Remove(at, to) => drop(bytes.drain(between(at, to, bytes.len()))),
        Damage::Repeat(at, to) => {
            let range = between(at, to, bytes.len());
            let copy = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, copy);
        }
    }
}

fn body(format: Format, batch: &RecordBatch, ipc_codec: Option<IpcCodec>) -> Vec<u8> {
    let mut encoder = encoder(format, &batch.schema(), EncodeOptions { ipc_codec }).unwrap();
    let parts = encoder.parts();
    let mut bytes = Vec::new();
    let mut out = |chunk: Vec<u8>| {
        bytes.extend_from_slice(&chunk);
        Ok(())
    };
    encoder.start(&mut out).unwrap();
    for part in [batch.clone(), batch.slice(1, 2)] {
        let part = parts.encode(part).unwrap();
        encoder.write(part, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    bytes
}

/// Three rows of all columns but those named.
fn sample(batch: &RecordBatch, without: &[&str]) -> RecordBatch {
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|place| !without.contains(&batch.schema().field(*place).name().as_str()))
        .collect();
    batch.project(&kept).unwrap().slice(0, 3)
}

/// Decodes all rows, or as many as come before the error.
fn exhaust(rows: Box<dyn Rows>) {
    let mut total = 0;
    for batch in rows {
        let Ok(batch) = batch else { return };
        total += batch.num_rows();
        // Runs and nulls may claim any number of rows; they come in slices.
        if total > 1 << 20 {
            return;
        }
    }
}

#[test]
fn broken_bodies_are_refused_within_bounds() {
    let scalars = sample(&samples::scalars(), &[]);
    let exotic = sample(&samples::exotic(), &[]);
    let parquet = sample(&samples::exotic(), &["imdn"]);
    let cases = [
        (Format::ArrowStream, &scalars, None),
        (Format::ArrowStream, &exotic, None),
        (Format::ArrowStream, &exotic, Some(IpcCodec::Zstd)),
        (Format::ArrowStream, &exotic, Some(IpcCodec::Lz4)),
        (Format::ArrowFile, &exotic, None),
        (Format::Parquet, &scalars, None),
        (Format::Parquet, &parquet, None),
        (Format::Csv, &scalars, None),
        (Format::Jsonl, &exotic, None),
        (Format::Json, &exotic, None),
    ];
    // The default hook would print every panic that the boundary catches.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut failures = Vec::new();
    for (format, batch, codec) in cases {
        let whole = body(format, batch, codec);
        let target = batch.schema();
        let default = Config::default();
        let config = Config { cases: 6 * default.cases, failure_persistence: None, ..default };
        let outcome = TestRunner::new(config).run(&prop::collection::vec(damage(), 1..4), |damages| {
            let mut bytes = whole.clone();
            for damage in &damages {
                apply(&mut bytes, damage);
            }
            for target in [Some(&target), None] {
                let start = NOW.load(Ordering::Relaxed);
                PEAK.store(start, Ordering::Relaxed);
                let decoded = decode(format, Box::new(Cursor::new(bytes.clone())), target);
                if let Ok(rows) = decoded {
                    exhaust(rows);
                }
                let held = PEAK.load(Ordering::Relaxed).saturating_sub(start);
                prop_assert!(held < BOUND, "{} MiB held", held >> 20);
            }
            Ok(())
        });
        if let Err(failure) = outcome {
            failures.push(format!("{format:?} {codec:?}: {failure}"));
        }
    }
    std::panic::set_hook(hook);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
