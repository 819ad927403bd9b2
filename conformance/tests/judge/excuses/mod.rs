//! Excuses on recorded histories: what is forgiven, and near misses that are not.

mod starved;
mod strangers;
