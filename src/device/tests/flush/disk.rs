//! Flushes onto the disk that forgets.
