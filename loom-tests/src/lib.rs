//! Loom models of the concurrent protocols of qpair.
