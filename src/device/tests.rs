//! Tests of the device as a whole, over a real NET.
