//! Lock-free rings.
