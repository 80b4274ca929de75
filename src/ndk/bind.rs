//! Posting what works on tokens: bind, fast register, invalidate.
//!
//! Each is a request of the send queue, executed in order with the others, and none waits for another thread.
//! The new token is known when the post returns; it grants something once the request has completed.

use super::adapter::AdapterCore;
use super::post::{self, BIND_FLAGS, FAST_REGISTER_FLAGS, INVALIDATE_FLAGS};
use super::{FastRegister, FastRegisterMr, Mr, Mw, OpFlags, PostCall, PostError, Qp, Token};
use crate::device::qp::{How, PostRefused};
use crate::memory::{Binding, PAGE_SIZE, PageList, Rights};
use std::ops::Range;
use std::sync::Arc;

/// What [`Qp::invalidate`] ends: the binding of a window, or a fast registration.
///
/// An ordinary region cannot be invalidated; it is deregistered.
#[derive(Clone, Copy, Debug)]
pub enum Invalidate<'a> {
    /// The binding that was posted last.
    Window(&'a Mw),
    /// The registration that was posted last.
    FastRegister(&'a FastRegisterMr),
}

impl<'a> From<&'a Mw> for Invalidate<'a> {
    fn from(window: &'a Mw) -> Self {
        Self::Window(window)
    }
}

impl<'a> From<&'a FastRegisterMr> for Invalidate<'a> {
    fn from(region: &'a FastRegisterMr) -> Self {
        Self::FastRegister(region)
    }
}

impl Qp {
    /// Posts the binding of a window to bytes of a region, for the peer of this queue pair (`NdkBind`).
    ///
    /// The flags say what the peer may do: [`OpFlags::ALLOW_REMOTE_READ`], [`OpFlags::ALLOW_REMOTE_WRITE`],
    /// both or nothing. Gives the window's new token. A window that is bound already fails the request
    /// with INVALID_DEVICE_REQUEST, a region deregistered meanwhile with ACCESS_VIOLATION. A region
    /// with a bound window cannot be deregistered.
    ///
    /// # Errors
    /// ACCESS_VIOLATION: the range leaves the region (MW-11); remote write to a region without local write
    /// (MW-3); region or window of another domain. INVALID_PARAMETER: a flag that a bind does not take, or
    /// more bytes than [`max_window_size`](super::AdapterInfo::max_window_size).
    /// CONNECTION_INVALID: not connected. NO_MORE_ENTRIES: the queue is full.
    pub fn bind(
        &self,
        context: u64,
        region: &Mr,
        window: &Mw,
        range: Range<usize>,
        flags: OpFlags,
    ) -> Result<Token, PostError> {
        let (call, rights) = (PostCall::Bind, rights(flags));
        // Local write by itself is no right of a window; as a part of remote write it is the region's affair.
        let rights = rights.map(|rights| rights.without(Rights::LOCAL_WRITE));
        let alone =
            flags.contains(OpFlags::ALLOW_LOCAL_WRITE) && !flags.contains(OpFlags::ALLOW_REMOTE_WRITE);
        let how = self.how(call, context, flags, BIND_FLAGS, rights.is_some() && !alone)?;
        let rights = rights.unwrap_or_default();
        let inside = range.start < region.len() && range.start <= range.end && range.end <= region.len();
        let binding = Binding {
            region: region.local_token(),
            address: region.base.wrapping_add(range.start as u64),
            length: range.end.saturating_sub(range.start) as u64,
            rights,
        };
        let same =
            self.same_domain(&region.adapter, region.pd) && self.same_domain(&window.adapter, window.pd);
        let lacks =
            binding.rights.contains(Rights::REMOTE_WRITE) && !region.rights.contains(Rights::LOCAL_WRITE);
        let refused = match (same, inside, lacks) {
            (false, _, _) => Some(PostRefused::OtherDomain),
            (_, false, _) => Some(PostRefused::OutsideOfRegion { end: range.end, length: region.len() }),
            (_, _, true) => Some(PostRefused::NeedsLocalWrite),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(self.refusing(post::refused(call, refused)));
        }
        let most = self.adapter.limits().max_window_size as u64;
        if binding.length > most {
            return Err(self.refusing(post::too_long_window(binding.length, most)));
        }
        let posted = self.qp.post_bind(&window.window, &region.region, binding, how);
        posted.map_err(|refused| post::refused(call, refused))
    }

    /// Posts the registration of pages (`NdkFastRegister`).
    ///
    /// The flags say what it grants: [`OpFlags::ALLOW_LOCAL_WRITE`], [`OpFlags::ALLOW_REMOTE_READ`],
    /// [`OpFlags::ALLOW_REMOTE_WRITE`]; [`OpFlags::RDMA_READ_SINK`] is taken and needs nothing (MR-4). Gives
    /// the region's new remote token. A region whose last registration was not invalidated fails the request
    /// with INVALID_DEVICE_REQUEST; a page that is in no mapping of the adapter, with ACCESS_VIOLATION.
    ///
    /// # Errors
    /// ACCESS_VIOLATION: a remote right, and the region was initialised without (MR-7); a region of another
    /// domain. INVALID_PARAMETER: more pages than it was initialised for, a page or base that is not aligned
    /// (MR-9), a length that the pages do not hold (MR-10), or a flag that it does not take.
    /// INVALID_DEVICE_REQUEST: the region was not initialised. NO_MORE_ENTRIES: the queue is full, or 4
    /// registrations of this region are posted or in force. CONNECTION_INVALID: not connected.
    pub fn fast_register(
        &self,
        context: u64,
        region: &FastRegisterMr,
        register: FastRegister<'_>,
        flags: OpFlags,
    ) -> Result<Token, PostError> {
        let (call, rights) = (PostCall::FastRegister, rights(flags));
        let how = self.how(call, context, flags, FAST_REGISTER_FLAGS, rights.is_some())?;
        if !self.same_domain(&region.adapter, region.pd) {
            return Err(self.refusing(post::refused(call, PostRefused::OtherDomain)));
        }
        if let Some(error) = judge(&register) {
            return Err(self.refusing(error));
        }
        let list = PageList {
            pages: register.pages,
            first_byte_offset: register.first_byte_offset,
            length: register.length,
            base: register.base_virtual_address,
            rights: rights.unwrap_or_default(),
        };
        let posted = self.qp.post_fast_register(region.home(), &list, how);
        posted.map_err(|refused| post::refused(call, refused))
    }

    /// Posts the invalidation of a window's binding or of a fast registration (`NdkInvalidate`).
    ///
    /// It ends what was posted last for it. When it has completed, no byte moves through the token any more;
    /// a transfer that is going on through it fails (MW-9). A window that is not bound, or a region in which
    /// nothing is registered, fails the request with INVALID_DEVICE_REQUEST (MW-8).
    ///
    /// # Errors
    /// INVALID_PARAMETER: a flag that it does not take. ACCESS_VIOLATION: an object of another domain.
    /// INVALID_DEVICE_REQUEST: the region was not initialised. CONNECTION_INVALID: not connected.
    /// NO_MORE_ENTRIES: the queue is full.
    pub fn invalidate<'a>(
        &self,
        context: u64,
        object: impl Into<Invalidate<'a>>,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let call = PostCall::Invalidate;
        let how = self.how(call, context, flags, INVALIDATE_FLAGS, true)?;
        let object = object.into();
        let (adapter, pd) = match object {
            Invalidate::Window(window) => (&window.adapter, window.pd),
            Invalidate::FastRegister(region) if region.home() == Token::default() => {
                return Err(self.refusing(post::refused(call, PostRefused::NotInitialized)));
            }
            Invalidate::FastRegister(region) => (&region.adapter, region.pd),
        };
        if !self.same_domain(adapter, pd) {
            return Err(self.refusing(post::refused(call, PostRefused::OtherDomain)));
        }
        let posted = match object {
            Invalidate::Window(window) => self.qp.post_unbind(&window.window, how),
            Invalidate::FastRegister(region) => self.qp.post_invalidate(region.home(), how),
        };
        posted.map_err(|refused| post::refused(call, refused))
    }

    fn how(
        &self,
        call: PostCall,
        context: u64,
        flags: OpFlags,
        allowed: OpFlags,
        whole: bool,
    ) -> Result<How, PostError> {
        if !flags.outside(allowed).is_empty() || !whole {
            return Err(self.refusing(post::flags_refused(call, flags, allowed)));
        }
        let deferred = flags.contains(OpFlags::DEFER);
        Ok(How { context, flags: post::key_flags(flags), deferred, low: None })
    }

    fn same_domain(&self, adapter: &Arc<AdapterCore>, pd: u32) -> bool {
        Arc::ptr_eq(adapter, &self.adapter) && pd == self.qp.pd()
    }
}

/// The rights that the flags name; `None`: half of one that takes two bits.
fn rights(flags: OpFlags) -> Option<Rights> {
    let mut rights = Rights::default();
    for (flag, right) in [
        (OpFlags::ALLOW_REMOTE_READ, Rights::REMOTE_READ),
        (OpFlags::ALLOW_LOCAL_WRITE, Rights::LOCAL_WRITE),
        (OpFlags::ALLOW_REMOTE_WRITE, Rights::REMOTE_WRITE),
        (OpFlags::RDMA_READ_SINK, Rights::READ_SINK),
    ] {
        if flags.contains(flag) {
            rights = rights | right;
        }
    }
    let half = flags.contains(OpFlags(0x20)) && !flags.contains(OpFlags::ALLOW_REMOTE_WRITE);
    (!half).then_some(rights)
}

/// The arithmetic of a fast registration.
fn judge(register: &FastRegister<'_>) -> Option<PostError> {
    let FastRegister { pages, first_byte_offset, length, base_virtual_address: base } = *register;
    let offset = u64::from(first_byte_offset);
    let room = (pages.len() as u64 * PAGE_SIZE).saturating_sub(offset);
    let wrong = |rule, got, limit| Some(post::registration(rule, got, limit));
    if offset >= PAGE_SIZE {
        return wrong(&post::OFFSET, offset, PAGE_SIZE - 1);
    }
    if let Some(page) = pages.iter().find(|page| **page % PAGE_SIZE != 0) {
        return wrong(&post::PAGE, *page, *page & !(PAGE_SIZE - 1));
    }
    if length == 0 {
        return wrong(&post::NO_BYTES, 0, room);
    }
    if length > room {
        return wrong(&post::LENGTH, length, room);
    }
    if base % PAGE_SIZE != offset {
        return wrong(&post::BASE, base, (base & !(PAGE_SIZE - 1)) | offset);
    }
    let most = u64::MAX - (length - 1);
    if base > most { wrong(&post::BASE_END, base, most) } else { None }
}
