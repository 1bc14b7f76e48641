//! The deduplication as the encoder uses it: scenarios by name, properties of random graphs, sizes.

mod input;
mod notation;
mod oracle;
mod properties;
mod real;
mod run;
mod scale;
mod scenarios;
