// SPDX-License-Identifier: Apache-2.0
// Rust: generics, closures, traits, iterator chains that inline deeply, a panic path.
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

trait Area {
    fn area(&self) -> u64;
    fn describe(&self) -> String {
        format!("area {}", self.area())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Square(u64),
    Rectangle { width: u64, height: u64 },
}

impl Area for Shape {
    fn area(&self) -> u64 {
        match self {
            Shape::Square(side) => mix(*side, *side),
            Shape::Rectangle { width, height } => mix(*width, *height),
        }
    }
}

#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let a = a ^ b.rotate_left(13);
    let a = a.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    a ^ (a >> 29)
}

#[inline(never)]
fn count_words<'a>(text: &'a str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace().filter(|word| word.len() > 1) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

fn show_all<T: Display, I: IntoIterator<Item = T>>(items: I) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

mod nested {
    pub mod deeper {
        pub fn apply<F: Fn(u64) -> u64>(times: usize, function: F) -> u64 {
            (0..times).fold(7, |value, step| function(value + step as u64))
        }
    }
}

#[inline(never)]
fn checked(values: &[u64], index: usize) -> u64 {
    values[index].checked_mul(3).expect("too large")
}

fn main() {
    let text = std::env::args().collect::<Vec<_>>().join(" ") + " the quick brown fox the lazy dog";
    let counts = count_words(&text);
    println!("{}", show_all(counts.values()));
    let shapes = vec![Shape::Square(3), Shape::Rectangle { width: 2, height: 5 }];
    let mut areas: HashMap<String, u64> = HashMap::new();
    for shape in &shapes {
        areas.insert(shape.describe(), shape.area());
    }
    let mut sorted: Vec<_> = areas.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let total = nested::deeper::apply(50, |value| mix(value, sorted.len() as u64));
    let values: Vec<u64> = (0..64).map(|value| mix(value, total) >> 8).collect();
    let boxed: Box<dyn Area> = Box::new(shapes[0].clone());
    println!("{} {} {}", total, checked(&values, (total % 64) as usize), boxed.describe());
}
