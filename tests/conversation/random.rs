//! CPIC-30 with more stories than the suite tells, and smaller ones of those that fail.

use crate::lus::partners::{CALLS, Event, VERBS, WRONGS, story};
use proptest::prelude::*;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        30 => (0..VERBS).prop_map(Event::Left),
        30 => (0..CALLS).prop_map(Event::Right),
        2 => (0..WRONGS).prop_map(Event::Wrong),
        1 => (0_usize..2).prop_map(Event::Kill),
    ];
    proptest::collection::vec(event, 1..80)
}

proptest! {
    #![proptest_config(config())]

    /// CPIC-30, APPC-14.
    #[test]
    fn cpic_30_random_partners_agree_with_the_tables(invoked in any::<bool>(), events in events()) {
        if let Err(what) = story("cpic_30", invoked, &events) {
            prop_assert!(false, "{}", what);
        }
    }
}

/// Enough for each run of the tests; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let failure_persistence = None; // what it finds becomes a check of its own
    ProptestConfig { cases: asked.unwrap_or(150), failure_persistence, ..ProptestConfig::default() }
}
