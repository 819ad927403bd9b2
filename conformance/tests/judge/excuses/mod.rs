//! Excuses on recorded histories: what is forgiven, and near misses that are not.

mod claims;
mod starved;
mod strangers;
