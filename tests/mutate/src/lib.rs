//! Structured damage: what is changed is chosen by what it means, and the rest stays as it was, so that readers get past their first
//! checks. Everything is a function of the input and a seed, on any machine.
#![forbid(unsafe_code)]

pub mod btf;
pub mod rng;
