// SPDX-License-Identifier: Apache-2.0
// See load.js.

use std::time::{Duration, Instant};

mod work {
    #[inline(never)]
    pub fn seventy(n: u32) -> f64 {
        (0..n).map(|i| f64::from(i).sqrt() * 1.5).sum()
    }

    #[inline(never)]
    pub fn thirty(n: u32) -> f64 {
        (1..n).fold(1.0, |sum, i| sum + (sum + f64::from(i)).sqrt())
    }
}

fn on_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn run_for(work: fn(u32) -> f64, ns: u64, sink: &mut f64) -> u64 {
    let begin = on_cpu_ns();
    loop {
        for _ in 0..10 {
            *sink += std::hint::black_box(work)(200_000);
        }
        let spent = on_cpu_ns() - begin;
        if spent >= ns {
            return spent;
        }
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut seventy, mut thirty, mut sink) = (0, 0, 0.0);
    while Instant::now() < end {
        seventy += run_for(work::seventy, 70_000_000, &mut sink);
        thirty += run_for(work::thirty, 30_000_000, &mut sink);
    }
    println!(
        "{{\"program\":\"load.rs\",\"pid\":{},\"functions\":{{\"seventy\":{},\"thirty\":{}}},\"sink\":{}}}",
        std::process::id(),
        seventy,
        thirty,
        sink > 0.0
    );
}
