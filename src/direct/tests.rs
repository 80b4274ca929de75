//! Tests of direct execution with a small host.
