// SPDX-License-Identifier: Apache-2.0
//! burn ← last ← descend × 18 ← first ← in_main or in_thread. Half of the time in the main thread, half in another one.

use std::hint::black_box;
use std::time::Duration;

#[no_mangle]
#[inline(never)]
extern "C" fn burn() {
    let mut state: u64 = 88172645463325252;
    for _ in 0..40_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state = black_box(state);
    }
}

#[no_mangle]
#[inline(never)]
fn last() {
    burn();
    black_box(());
}

#[no_mangle]
#[inline(never)]
fn descend(frames: u32) -> u32 {
    if frames > 1 {
        return descend(frames - 1) + black_box(1);
    }
    last();
    black_box(1)
}

#[no_mangle]
#[inline(never)]
fn first() -> u32 {
    descend(18) + black_box(1)
}

/// The calling thread's CPU time so far, from the kernel's text interface: the standard library has no clock for it.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    Duration::from_nanos(text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number"))
}

/// Enters the chain until the thread has spent `budget`; returns what it spent.
#[inline(always)]
fn burn_budget(budget: Duration) -> Duration {
    let start = thread_cpu();
    loop {
        for _ in 0..20 {
            black_box(first());
        }
        let spent = thread_cpu() - start;
        if spent >= budget {
            return spent;
        }
    }
}

// Not the same code as in_thread, or the compiler makes one function of the two.
#[no_mangle]
#[inline(never)]
fn in_main(budget: Duration) -> Duration {
    burn_budget(budget) + black_box(Duration::ZERO)
}

#[no_mangle]
#[inline(never)]
fn in_thread(budget: Duration) -> Duration {
    burn_budget(budget)
}

fn main() {
    let milliseconds: u64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).expect("CPU-MILLISECONDS");
    let half = Duration::from_millis(milliseconds) / 2;
    let thread = std::thread::spawn(move || in_thread(half)).join().expect("the thread");
    let spent = in_main(half) + thread;
    println!("{{\"program\":\"rust\",\"pid\":{},\"burned_ns\":{}}}", std::process::id(), spent.as_nanos());
}
