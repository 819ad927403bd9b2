//! `recover()`, row by row of its decision tables.

mod common;
mod release_2_1_2;
mod release_4_1;
