//! Ends of queue pairs, registrations and long messages while others are at work.
