//! The mutations of `qpair::ring`, read from its source.
