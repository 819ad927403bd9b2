//! Observing a cluster from outside.
