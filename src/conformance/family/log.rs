//! The statements about the log, on the disk that forgets.
//!
//! Their checks stand with the log, since they look at its blocks and at the disk under it. That whatever was
//! acknowledged outlives a process that is killed, on real files, is for `tests/log.rs`.

use super::{D, I, Statement};
use crate::ulp::log::tests::{On, Outcome, failing, reading, statements};

/// Why LOG-33 has no check here.
const BROKEN: &str =
    "a log is broken only in a build with planted faults, in which the library's own tests show it";
/// The statements whose checks ask a log in a folder, and by LOG-34 one that lies with a peer.
macro_rules! statements {
    ($($number:literal, $mark:ident, $text:literal, $($check:path),+;)*) => {
        pub(super) const STATEMENTS: &[Statement] = &[
            $(Statement::plain($number, $mark, $text, || {
                $($check(On::Folder)?;)+
                Ok(())
            }),)*
            Statement::not_shown("LOG-33", I, "a flush that returns early fails LOG-1", BROKEN),
            Statement::plain("LOG-34", I, "all that holds in containers that are regions of a peer", log_34),
        ];

        const CHECKS: &[(&str, fn(On) -> Outcome)] = &[$($(($number, $check),)+)*];
    };
}

fn log_34() -> Outcome {
    CHECKS
        .iter()
        .try_for_each(|(number, check)| check(On::Peer).map_err(|error| format!("{number}: {error}").into()))
}

statements! {
    "LOG-1", D, "what was appended before a flush that succeeded survives a crash", statements::log_1_what_was_flushed_survives_a_crash;
    "LOG-2", D, "a flush to LSN NULL does what flushing the buffers does", statements::log_2_null_means_all;
    "LOG-3", D, "records up to the LSN survive; more may", statements::log_3_up_to_the_lsn;
    "LOG-4", D, "what a flush returns is the oldest LSN not stable", statements::log_4_the_oldest_not_flushed_is_returned;
    "LOG-5", I, "with the LSN stable already, no I/O is done", statements::log_5_stable_already_is_no_io;
    "LOG-6", D, "LSNs grow, from whatever thread", statements::log_6_lsns_grow;
    "LOG-7", D, "an LSN is made of its parts, and gives them back; impossible parts are refused", statements::log_7_lsns_are_made_of_their_parts;
    "LOG-8", D, "NULL is the smallest, INVALID larger than any valid one", statements::log_8_null_and_invalid_bound_all;
    "LOG-9", D, "a forced flush survives; a forced append promises nothing", statements::log_9_force_flush_survives;
    "LOG-10", D, "reserving and appending in one step is both or neither", statements::log_10_reserve_and_append_are_one;
    "LOG-11", D, "using a reservation takes one away; with new ones it is refused", statements::log_11_using_a_reservation_takes_it;
    "LOG-12", I, "with the log full, an append into reserved space succeeds, whatever flushes come between", statements::log_12_reserved_space_is_there;
    "LOG-13", D, "without space an append says so, and succeeds once the base is advanced", statements::log_13_full_until_the_base_advances;
    "LOG-14", D, "with fewer than two containers there is no area", statements::log_14_two_containers_at_least;
    "LOG-15", D, "a recycled container goes on under the next logical number, and its old records are gone", statements::log_15_recycling_gives_the_next_logical_number;
    "LOG-16", D, "records between archive tail and base stay, with their containers", statements::log_16_the_archive_tail_holds_containers;
    "LOG-17", D, "a record longer than a block is refused", statements::log_17_a_record_is_no_longer_than_a_block;
    "LOG-18", D, "a restart area, all before it, and the new base survive together or not at all", reading::log_18_restart_area_and_base_are_one;
    "LOG-19", D, "restart areas are read from the newest down to the base", reading::log_19_restart_areas_go_back_to_the_base;
    "LOG-20", D, "after a crash the base is the old or the new, and all flushed from the new on are there", reading::log_20_the_base_is_old_or_new;
    "LOG-21", D, "a forward read ends with END_OF_FILE; a chain below the base with START_OF_LOG", reading::log_21_reads_end_as_documented;
    "LOG-22", D, "an LSN given by the user must be below the present one", reading::log_22_the_users_lsn_is_below;
    "LOG-23", D, "deleting an area flushes its blocks first", statements::log_23_deleting_an_area_flushes;
    "LOG-24", D, "an active container is not removed by force; lazily it goes when it leaves the active log", statements::log_24_active_containers_leave_lazily;
    "LOG-25", D, "one size for all containers, which a later size must reach", statements::log_25_containers_have_one_size;
    "LOG-26", I, "a block torn at any sector, or with one bit changed, gives no record", failing::log_26_no_record_of_a_torn_or_damaged_block;
    "LOG-27", I, "behind a torn block nothing is found, also once it was rewritten with the very same records", failing::log_27_nothing_behind_a_torn_block;
    "LOG-28", I, "damage below what was known to be stable is never taken for the end", failing::log_28_damage_below_what_was_stable_is_told;
    "LOG-29", I, "a crash at any point of a metadata write leaves a log that opens, with all acknowledged records", failing::log_29_one_slot_is_always_whole;
    "LOG-30", I, "threads that flush at once share syncs, and none returns before a sync that began after its append has ended", failing::log_30_flushes_are_shared;
    "LOG-31", I, "when a sync fails, nobody whose record is not stable is told success, and no more is appended until it is rewritten", failing::log_31_a_failed_sync_is_told_to_all, failing::log_31_opened_again_after_a_failed_sync;
    "LOG-32", I, "recovery finds the same again, also after a crash within it", failing::log_32_recovery_finds_the_same_again;
}
