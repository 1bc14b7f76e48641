//! Writes mutated BTF to ask kernels about:
//!
//!     corpus BTF COUNT OUT               stand-alone ones, made of slices of the BTF of a kernel
//!     corpus --whole BTF COUNT OUT       the same without slicing
//!     corpus --split BASE BTF COUNT OUT  split ones, made of the BTF of a module on that base
//!
//! Another number after OUT is the first seed, which else is 0. OUT gets `NUMBER.btf` and `list.tsv`: name, rule that was to be broken, what was done. Numbers that end in 00 are as they were. For
//! `scripts/test-verify.sh`.

use std::fs;
use std::io::Write;
use std::path::Path;

use mutate::btf::slice::{Slice, slice};
use mutate::btf::{Doc, Mutation, mutate, mutate_split};
use mutate::rng::Rng;

/// How many slices a kernel's BTF is cut into; each is mutated in many ways.
const SLICES: u64 = 24;
/// Roots of a slice.
const ROOTS: usize = 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let first = match args.last().and_then(|last| last.parse().ok()) {
        Some(first) if args.len() > 3 => {
            args.pop();
            first
        }
        _ => 0,
    };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["--split", base, btf, count, out] => {
            let (base, own) = (fs::read(base)?, fs::read(btf)?);
            let base = Doc::take_apart(&base, 1, 0, Rng::new(0)).ok_or("the base is no BTF")?;
            let (first_id, str_start) = (base.end_id(), base.strings.len() as u32);
            write_all(first, count.parse()?, Path::new(out), |seed, plain| match plain {
                true => as_it_is(own.clone()),
                false => mutate_split(&own, first_id, str_start, seed),
            })
        }
        ["--whole", btf, count, out] => {
            let whole = fs::read(btf)?;
            write_all(first, count.parse()?, Path::new(out), |seed, plain| match plain {
                true => as_it_is(whole.clone()),
                false => mutate(&whole, seed),
            })
        }
        [btf, count, out] => {
            let whole = fs::read(btf)?;
            let whole = Slice::of(&whole).ok_or("this is no BTF")?;
            let slices: Vec<Vec<u8>> = (0..SLICES).map(|seed| slice(&whole, seed, ROOTS)).collect();
            write_all(first, count.parse()?, Path::new(out), |seed, plain| {
                let cut = &slices[(seed % SLICES) as usize];
                if plain { as_it_is(cut.clone()) } else { mutate(cut, seed) }
            })
        }
        _ => Err("corpus [--whole | --split BASE] BTF COUNT OUT".into()),
    }
}

fn as_it_is(bytes: Vec<u8>) -> Mutation {
    Mutation { bytes, what: "as it was".into(), rule: None }
}

fn write_all(
    first: u64,
    count: u64,
    out: &Path,
    mutation: impl Fn(u64, bool) -> Mutation,
) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(out)?;
    let mut list = fs::File::create(out.join("list.tsv"))?;
    for seed in first..first + count {
        let Mutation { bytes, what, rule } = mutation(seed, seed % 100 == 0);
        let name = format!("{seed:05}.btf");
        fs::write(out.join(&name), bytes)?;
        writeln!(list, "{name}\t{}\t{what}", rule.unwrap_or("-"))?;
    }
    Ok(())
}
