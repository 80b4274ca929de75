//! Opening and closing an adapter, which the kernel gives elsewhere, its clock, and the text of the last
//! failure.

use crate::abi::{NtStatus, Version};
use crate::border::{Argument, Call, Out, Refused, Text, Wrong, given, inside_callback, last_error, told};
use crate::object::{Handle, Object, Shared};
use qpair::ndk::{Adapter, Clock, Faults, NdkVersion, Status};
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The open adapters by the address that C has.
///
/// So a pointer that is not one of them is told, even after its adapter has been freed.
static OPEN: Mutex<BTreeMap<usize, Arc<Object<Adapter>>>> = Mutex::new(BTreeMap::new());

/// Opens the device of a name; the header has the documentation.
///
/// The adapter reports the highest minor version of the major that is asked for (ADP-2, ADP-3).
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn NdkOpenAdapter(device: Text, version: Version, mut adapter: Out<*mut c_void>) -> NtStatus {
    const CALL: Call = Call("NdkOpenAdapter");
    told((|| {
        let mut out = adapter.required(CALL.argument(3, "adapter"))?;
        let place = CALL.argument(1, "device");
        out.put(open((device.read(place)?, place), version, None)?);
        Ok(NtStatus::SUCCESS)
    })())
}

/// The same for a program that tests its error paths; `qpair_ndk_ext.h` has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn NdkOpenAdapterWithFaults(
    device: Text,
    version: Version,
    seed: u64,
    mut adapter: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkOpenAdapterWithFaults");
    told((|| {
        let mut out = adapter.required(CALL.argument(4, "adapter"))?;
        let place = CALL.argument(1, "device");
        out.put(open((device.read(place)?, place), version, Some(Faults::new(seed)))?);
        Ok(NtStatus::SUCCESS)
    })())
}

/// Moves the clock of a NET that was opened with `clock=manual`; `qpair_ndk_ext.h` has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn NdkAdvanceClock(adapter: Handle<Adapter>, nanoseconds: u64) -> NtStatus {
    const CALL: Call = Call("NdkAdvanceClock");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "adapter"))?;
        let Some((_, clock)) = &adapter.shared().clock else {
            let hint = "open the device with the option clock=manual";
            return Err(Refused::Call(CALL, Status::NOT_SUPPORTED, hint));
        };
        clock.advance(Duration::from_nanos(nanoseconds));
        Ok(NtStatus::SUCCESS)
    })())
}

/// Opens what the text of a device says: a name, and options behind it.
fn open(device: (&str, Argument), version: Version, faults: Option<Faults>) -> Result<*mut c_void, Refused> {
    let (text, argument) = device;
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default();
    let (mut options, mut manual) = (Adapter::options(name), false);
    for part in parts {
        let wrong = Wrong::Rule("a name with an option that has no value; write NAME;OPTION=VALUE;...");
        match part.split_once('=').ok_or_else(|| argument.is(wrong))? {
            ("clock", "manual") => manual = true,
            (option, value) => options = options.set(option, value)?,
        }
    }
    options = options.version(NdkVersion { major: version.major, minor: version.minor });
    if let Some(faults) = &faults {
        options = options.faults(faults);
    }
    // Held until the adapter is listed, so that all of a NET find the clock of the first.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = name.split_once('@').map_or(name, |(net, _)| net);
    let clock = manual.then(|| {
        let known = open.values().filter_map(|adapter| adapter.shared().clock.as_ref());
        known.filter(|(of, _)| of == net).map(|(_, clock)| clock.clone()).next().unwrap_or_default()
    });
    if let Some(clock) = &clock {
        options = options.clock(Clock::Manual(clock.clone()));
    }
    let handle = options.open()?;
    let NdkVersion { major, minor } = handle.info().version;
    let clock = clock.map(|clock| (net.to_owned(), clock));
    let object = Object::new(&Shared::new(Version { major, minor }, faults, clock), handle);
    let pointer = object.as_c();
    open.insert(pointer.addr(), object);
    Ok(pointer)
}

/// Closes the adapter and frees its objects; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn NdkCloseAdapter(adapter: *mut c_void) {
    given(close(adapter.addr()));
}

fn close(adapter: usize) -> Result<(), Refused> {
    const CALL: Call = Call("NdkCloseAdapter");
    if inside_callback() {
        let hint = "it would wait for the callback that it is called in; close it on another thread";
        return Err(Refused::Call(CALL, Status::INVALID_DEVICE_REQUEST, hint));
    }
    let object = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&adapter);
    let Some(object) = object else {
        let wrong = if adapter == 0 { Wrong::Null } else { Wrong::NotAnObject };
        return Err(CALL.argument(1, "adapter").is(wrong));
    };
    let claimed = object.claim();
    debug_assert!(claimed, "who takes an adapter out of the table is alone with it");
    let handle = loop {
        match object.take_if_empty() {
            Some(handle) => break handle,
            // Another thread is in the last instructions of a call on the adapter.
            None => std::thread::yield_now(),
        }
    };
    // Were it refused, callbacks could still run, and its objects would stay allocated for ever.
    handle.close()?;
    object.shared().free();
    Ok(())
}

/// Why the last call of this thread failed; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn NdkLastError() -> *const c_char {
    last_error()
}
