//! APPC for C: verbs as verb control blocks (`qpair_appc.h`).

use crate::border::{Vcb, tell};
use crate::node;

/// AP_COMM_SUBSYSTEM_NOT_LOADED, and "there is no node"; both stand most significant byte first.
const NOT_LOADED: ([u8; 2], [u8; 4]) = ([0xF0, 0x04], [0xF0, 0, 0, 1]);

/// Carries out a verb; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn APPC(mut block: Vcb) {
    let running = node::running();
    let done = block.open(|block, data| match &running {
        Some(running) => {
            if let Err(short) = running.appc.call(block, data) {
                tell(short);
            }
        }
        None => {
            tell("APPC: there is no node; call qpair_appc_start first");
            block[4..6].copy_from_slice(&NOT_LOADED.0);
            block[8..12].copy_from_slice(&NOT_LOADED.1);
        }
    });
    if done.is_none() {
        tell("APPC: the verb control block is NULL; there is nowhere to put a return code");
    }
}

/// The same by its other name; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn APPC_C(block: Vcb) {
    APPC(block);
}
