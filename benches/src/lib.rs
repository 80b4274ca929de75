//! Workloads shared by the benches of qpair.
