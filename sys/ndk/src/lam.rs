//! `NDK_LOGICAL_ADDRESS_MAPPING`: addresses of pages for the privileged token and fast registrations.
//!
//! A mapping is a structure of the caller's with a number in it, by which this library finds what it stands
//! for. So one that was released, or never built, is told.

use crate::abi::{LogicalAddressMapping, Mdl, NtStatus};
use crate::border::{Call, Callback, Context, Later, Out, Refused, RequestCompletion, Wrong, given, told};
use crate::object::{Handle, Shared};
use crate::{mdl, requests};
use qpair::ndk::{Adapter, Lam, Status};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// `NDK_FN_BUILD_LAM`.
pub(crate) type Build = extern "C" fn(
    Handle<Adapter>,
    Out<Mdl>,
    usize,
    RequestCompletion,
    Context,
    Out<LogicalAddressMapping>,
    Out<u32>,
    Out<u32>,
) -> NtStatus;

/// `NDK_FN_RELEASE_LAM`.
pub(crate) type Release = extern "C" fn(Handle<Adapter>, Out<LogicalAddressMapping>);

/// The mappings of an adapter that are not released, by the number in the structure.
#[derive(Default)]
pub(crate) struct Mappings(Mutex<(usize, BTreeMap<usize, Lam>)>);

impl Mappings {
    /// Keeps a mapping, and gives its number; never 0.
    fn keep(&self, lam: Lam) -> usize {
        let (last, mappings) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        mappings.insert(*last, lam);
        *last
    }

    fn take(&self, number: usize) -> Option<Lam> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number)
    }
}

/// Where the results of a build go: the mapping, its size and the offset of the first byte.
struct Results {
    lam: Later<LogicalAddressMapping>,
    first_byte_offset: Later<u32>,
}

impl Results {
    fn put(self, shared: &Shared, lam: Lam) {
        if let Some(mut place) = self.first_byte_offset.into_inner().optional() {
            place.put(lam.first_byte_offset());
        }
        let (pages, count) = (Box::from(lam.pages()), lam.pages().len() as u32);
        let number = shared.mappings.keep(lam);
        let head = LogicalAddressMapping { adapter_context: number, adapter_page_count: count };
        self.lam.into_inner().put_mapping(head, &pages);
    }
}

/// Bytes that the mapping of `length` bytes from `base` on takes; `None`: more than can be said.
fn size(base: *mut u8, length: usize) -> Option<u32> {
    let offset = base.addr() % Lam::PAGE_SIZE;
    let pages = offset.checked_add(length)?.div_ceil(Lam::PAGE_SIZE);
    u32::try_from(pages.checked_mul(size_of::<u64>())?.checked_add(size_of::<LogicalAddressMapping>())?).ok()
}

pub(crate) extern "C" fn build(
    adapter: Handle<Adapter>,
    mut chain: Out<Mdl>,
    length: usize,
    completion: RequestCompletion,
    context: Context,
    mut lam: Out<LogicalAddressMapping>,
    mut lam_size: Out<u32>,
    mut first_byte_offset: Out<u32>,
) -> NtStatus {
    const CALL: Call = Call("NdkBuildLam");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let (mdl, long) = (CALL.argument(2, "Mdl"), CALL.argument(3, "Length"));
        let base = mdl::contiguous(&mut chain, length, mdl, long)?;
        let mut size_place = lam_size.required(CALL.argument(7, "pLAMSize"))?;
        first_byte_offset.required(CALL.argument(8, "pFBO"))?;
        let Some(size) = size(base, length) else {
            return Err(long.is(Wrong::Rule("more than one mapping holds; build several")));
        };
        let room = size_place.get();
        size_place.put(size);
        if room < size {
            let hint = "give a larger buffer; *pLAMSize says now how much the mapping takes";
            return Err(Refused::Call(CALL, Status::BUFFER_TOO_SMALL, hint));
        }
        lam.required(CALL.argument(6, "pNdkLAM"))?;
        let completed = completion.required(context, CALL.argument(4, "RequestCompletion"))?;
        // SAFETY: by the header the memory that the chain describes stays the caller's, valid for reads and
        // writes, until the mapping is released and no request uses it; the chain describes `length` bytes
        // from `base` on. Peers write it only as far as the caller registers its pages for that.
        let request = unsafe { adapter.build_lam_raw(base, length) };
        let results = || Results { lam: lam.later(), first_byte_offset: first_byte_offset.later() };
        let (later, shared) = (results(), Arc::clone(adapter.shared()));
        let now = request.now_or_then(move |result| {
            completed.call(requests::status(result.map(|lam| later.put(&shared, lam))));
        });
        match now {
            Some(result) => {
                results().put(adapter.shared(), result?);
                Ok(NtStatus::SUCCESS)
            }
            None => Ok(NtStatus::PENDING),
        }
    })())
}

pub(crate) extern "C" fn release(adapter: Handle<Adapter>, mut lam: Out<LogicalAddressMapping>) {
    const CALL: Call = Call("NdkReleaseLam");
    given((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let argument = CALL.argument(2, "pNdkLAM");
        let number = lam.required(argument)?.get().adapter_context;
        let lam = adapter.shared().mappings.take(number);
        let lam = lam.ok_or_else(|| {
            argument.is(Wrong::Other("no mapping of this adapter; it was released, or never built"))
        })?;
        drop(lam); // the caller's duty: no request uses it any more, so that nothing is left to wait for
        Ok(())
    })())
}
