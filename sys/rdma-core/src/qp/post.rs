//! Posting sends: in batches through `ibv_wr_*`, or one by one through `ibv_post_send`.

use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::PoisonError;

use rdma_sys as sys;

use super::request::check_elements;
use super::{Bind, Flags, Operation, Payload, Qp, Remote, SendRequest, Sge};
use crate::error::{Error, answer};
use crate::node::same_device;
use crate::shim;

/// Why a batch was not posted as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{posted} requests of the batch were posted, then: {error}")]
pub struct PostError {
    /// Requests that the device has got, from the first on; none on an extended queue pair.
    pub posted: usize,
    /// What stopped the others.
    #[source]
    pub error: Error,
}

/// Requests on their way to the send queue.
///
/// An extended queue pair holds them back until the batch ends, and takes all or none. The others take each
/// at once. What the provider posts by `ibv_post_send` alone ends what is held back so far and goes by
/// itself: operations that it has no function for, and on soft-RoCE scatter/gather entries of different
/// lengths, all of which its provider up to rdma-core 63 takes for as long as the first.
#[derive(Debug)]
pub struct Batch<'a> {
    qp: &'a Qp,
    /// Requests that the device has got.
    posted: usize,
    /// Requests that are held back.
    held: usize,
    /// Whether a start is without its end.
    open: bool,
    /// Providers hold a lock from start to end, which another thread could not release.
    _this_thread: PhantomData<*mut ()>,
}

impl Qp {
    /// Posts what `fill` pushes, with one doorbell at the end where the queue pair is extended.
    ///
    /// If `fill` fails or unwinds, nothing of the batch is posted; see [`PostError::posted`] for queue pairs
    /// that are not extended. Within `fill` the provider's lock of this send queue is held, and with some
    /// (ionic) that of its completion queue: posting to the one or polling the other there would wait for
    /// ever.
    ///
    /// # Errors
    /// What `fill` answers, or what the device refuses: ENOMEM if the queue is full, EINVAL for a wrong
    /// state.
    pub fn post(&self, fill: impl FnOnce(&mut Batch<'_>) -> Result<(), Error>) -> Result<(), PostError> {
        let mut batch = Batch { qp: self, posted: 0, held: 0, open: false, _this_thread: PhantomData };
        batch.start();
        let result = fill(&mut batch).and_then(|()| batch.complete());
        result.map_err(|error| PostError { posted: batch.posted, error })
    }

    /// Posts one request.
    ///
    /// # Errors
    /// As [`Batch::push`] and [`post`](Self::post).
    pub fn post_send(&self, request: &SendRequest<'_>) -> Result<(), Error> {
        self.post(|batch| batch.push(request)).map_err(|failed| failed.error)
    }

    /// Whether the provider would post these entries with a wrong length: see [`Batch`].
    fn miscounts(&self, payload: &Payload<'_>) -> bool {
        let Payload::Elements([first, others @ ..]) = payload else { return false };
        self.limits.miscounts_lists && others.iter().any(|element| element.length != first.length)
    }

    /// What can be judged of a request without the device.
    fn check(&self, request: &SendRequest<'_>) -> Result<(), Error> {
        let call = "push";
        let (bit, feature) = request.operation.kind();
        if !self.limits.operations.contains(bit) {
            let reason = "the device, its provider library or the headers of this build lack it, \
                          or the queue pair was created without";
            return Err(Error::NotSupported { feature, reason });
        }
        let (bytes, inline) = request.operation.payload();
        let unfit = |problem| Err(Error::Unfit { call, argument: "the payload", problem });
        match request.payload {
            Payload::Elements(elements) if !bytes && !elements.is_empty() => {
                return unfit("is not empty, for an operation without payload");
            }
            Payload::Elements(elements) => check_elements(call, elements.len(), self.limits.send_sge)?,
            Payload::Inline(_) if !inline => {
                return unfit("is inline, for an operation that is no send or write");
            }
            Payload::Inline(bytes) if bytes.len() > self.limits.inline_bytes as usize => {
                return Err(Error::TooLarge {
                    call,
                    argument: "the length of inline data",
                    given: bytes.len() as u64,
                    limit: self.limits.inline_bytes.into(),
                    remedy: "create the queue pair with inline_bytes for it, or use registered memory",
                });
            }
            Payload::Inline(_) => {}
        }
        if let Operation::Bind(bind) = &request.operation {
            same_device(call, "the window", self.context(), &bind.window.node.parents.parents)?;
            same_device(call, "the region", self.context(), &bind.region.node.parents.parents)?;
        }
        Ok(())
    }
}

impl Batch<'_> {
    fn start(&mut self) {
        if let Some(view) = self.qp.extended {
            // SAFETY: the queue pair exists; `complete` or drop ends what this starts, on this thread.
            unsafe { sys::ibv_wr_start(view.0.as_ptr()) }
            self.open = true;
        }
    }

    /// Gives the device what is held back, or drops it if the device refuses.
    fn complete(&mut self) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        let (Some(view), true) = (self.qp.extended, self.open) else { return Ok(()) };
        self.open = false;
        // SAFETY: ends what the start began, once, on the same thread.
        answer("ibv_wr_complete", unsafe { sys::ibv_wr_complete(view.0.as_ptr()) })?;
        self.posted += held;
        Ok(())
    }

    /// Posts a request by itself, after what was held back before it. The batch is open again afterwards.
    fn push_plain(&mut self, request: &SendRequest<'_>) -> Result<(), Error> {
        let result = self.complete().and_then(|()| self.qp.post_plain(request));
        self.posted += usize::from(result.is_ok());
        self.start();
        result
    }

    /// Adds a request.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for what the queue pair was not created for, [`Error::TooLarge`] and
    /// [`Error::Unfit`] for a payload that does not suit; without extension also what the device refuses. The
    /// batch then is as before, unless the device refused what was held back: that is gone from it.
    pub fn push(&mut self, request: &SendRequest<'_>) -> Result<(), Error> {
        self.qp.check(request)?;
        let by_function = self.qp.limits.functions.contains(request.operation.kind().0);
        let (Some(view), true) = (self.qp.extended, by_function && !self.qp.miscounts(&request.payload))
        else {
            return self.push_plain(request);
        };
        let ex = view.0.as_ptr();
        let inline = matches!(request.payload, Payload::Inline(_));
        let flags = if inline { request.flags | Flags::INLINE } else { request.flags };
        // SAFETY: the queue pair exists; both are arguments of the next call, guarded by the lock that the
        // start took. Providers without a lock, such as mlx5 under MLX5_SINGLE_THREADED, are for processes of
        // one thread.
        unsafe {
            (*ex).wr_id = request.id;
            (*ex).wr_flags = flags.0;
        }
        // SAFETY: the operation is among those whose function was found at creation, and `check` found the
        // objects of a bind of the same device.
        unsafe { push_operation(ex, &request.operation)? };
        if request.operation.payload().0 {
            // SAFETY: follows an operation with payload, as the library asks; `check` found length and count
            // within the limits. Both are copied by the call. An empty list counts as one of no bytes.
            unsafe {
                match request.payload {
                    Payload::Inline(bytes) => {
                        sys::ibv_wr_set_inline_data(ex, bytes.as_ptr().cast_mut().cast(), bytes.len());
                    }
                    Payload::Elements(elements) => {
                        sys::ibv_wr_set_sge_list(ex, elements.len(), Sge::list(elements));
                    }
                }
            }
        }
        self.held += 1;
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let (true, Some(view)) = (self.open, self.qp.extended) {
            // SAFETY: ends what the start began, once, on the same thread.
            unsafe { sys::ibv_wr_abort(view.0.as_ptr()) }
        }
    }
}

/// Adds an operation to the batch, without its payload.
///
/// # Safety
/// `ex` is a queue pair within a batch, with a function for this operation; a bind's objects are of its
/// device.
unsafe fn push_operation(ex: *mut sys::ibv_qp_ex, operation: &Operation<'_>) -> Result<(), Error> {
    // SAFETY: the caller's promise is what each of the functions asks for.
    unsafe {
        match *operation {
            Operation::Send => sys::ibv_wr_send(ex),
            Operation::SendImmediate(data) => sys::ibv_wr_send_imm(ex, data.to_be()),
            Operation::SendInvalidate(rkey) => sys::ibv_wr_send_inv(ex, rkey),
            Operation::Write(Remote { address, rkey }) => sys::ibv_wr_rdma_write(ex, rkey, address),
            Operation::WriteImmediate(Remote { address, rkey }, data) => {
                sys::ibv_wr_rdma_write_imm(ex, rkey, address, data.to_be());
            }
            Operation::Read(Remote { address, rkey }) => sys::ibv_wr_rdma_read(ex, rkey, address),
            Operation::CompareSwap { remote: Remote { address, rkey }, compare, swap } => {
                sys::ibv_wr_atomic_cmp_swp(ex, rkey, address, compare, swap);
            }
            Operation::FetchAdd { remote: Remote { address, rkey }, add } => {
                sys::ibv_wr_atomic_fetch_add(ex, rkey, address, add);
            }
            Operation::Bind(bind) => {
                let info = bind_info(&bind);
                with_replaced_key(&bind, |window| sys::ibv_wr_bind_mw(ex, window, bind.rkey, &info));
            }
            Operation::LocalInvalidate(rkey) => sys::ibv_wr_local_inv(ex, rkey),
            Operation::AtomicWrite(Remote { address, rkey }, bytes) => {
                let status = shim::qpair_shim_wr_atomic_write(ex, rkey, address, bytes.as_ptr().cast());
                return answer("ibv_wr_atomic_write", status);
            }
            Operation::Flush { remote: Remote { address, rkey }, length, placement, whole_region } => {
                let level = u8::from(whole_region); // IBV_FLUSH_RANGE, IBV_FLUSH_MR
                let status = shim::qpair_shim_wr_flush(ex, rkey, address, length, placement.0, level);
                return answer("ibv_wr_flush", status);
            }
        }
    }
    Ok(())
}

fn bind_info(bind: &Bind<'_>) -> sys::ibv_mw_bind_info {
    sys::ibv_mw_bind_info {
        mr: bind.region.node.raw(),
        addr: bind.address,
        length: bind.length,
        mw_access_flags: bind.access.0,
    }
}

/// Hands the window to `post` with the key that it has now.
///
/// Nobody waits for the lock in vain: who holds it takes that of one send queue at most, of a queue pair that
/// is not extended, and such a lock is never held around this one.
///
/// rxe's provider reads it from the library's object, into which nobody writes the key of a bind of type 2;
/// with the stale one the kernel refuses every bind after the first.
fn with_replaced_key<R>(bind: &Bind<'_>, post: impl FnOnce(*mut sys::ibv_mw) -> R) -> R {
    let _one = bind.window.binding.lock().unwrap_or_else(PoisonError::into_inner);
    let window = bind.window.node.raw();
    // SAFETY: the window exists. The key is read by posts of a bind alone, and all of them are under this
    // lock.
    unsafe { (*window).rkey = bind.replaces };
    post(window)
}

impl Qp {
    /// Posts one request through `ibv_post_send`.
    fn post_plain(&self, request: &SendRequest<'_>) -> Result<(), Error> {
        // SAFETY: numbers and pointers, for which zeroes mean absent.
        let mut raw: sys::ibv_send_wr = unsafe { std::mem::zeroed() };
        raw.wr_id = request.id;
        raw.send_flags = request.flags.0;
        let mut inline = [Sge { address: 0, length: 0, lkey: 0 }];
        let elements = match request.payload {
            Payload::Elements(elements) => elements,
            Payload::Inline(bytes) => {
                raw.send_flags |= Flags::INLINE.0;
                // Within the limit, which is a u32.
                inline[0] = Sge { address: bytes.as_ptr() as u64, length: bytes.len() as u32, lkey: 0 };
                inline.as_slice()
            }
        };
        (raw.sg_list, raw.num_sge) = (Sge::list(elements), elements.len() as i32); // within the limit
        fill_plain(&mut raw, &request.operation)?;
        let post = |raw: &mut sys::ibv_send_wr| {
            // SAFETY: the queue pair exists; the request, its entries and inline bytes are valid for the
            // call, which copies them; `check` found the objects of a bind of the same device.
            answer("ibv_post_send", unsafe { sys::ibv_post_send(self.node.raw(), raw, &mut null_mut()) })
        };
        match &request.operation {
            Operation::Bind(bind) => with_replaced_key(bind, |_window| post(&mut raw)),
            _ => post(&mut raw),
        }
    }
}

/// Writes an operation into a plain request.
fn fill_plain(raw: &mut sys::ibv_send_wr, operation: &Operation<'_>) -> Result<(), Error> {
    use sys::ibv_wr_opcode as code;
    let rdma =
        |Remote { address, rkey }: Remote| sys::wr_t { rdma: sys::rdma_t { remote_addr: address, rkey } };
    let atomic = |Remote { address, rkey }: Remote, compare_add, swap| sys::wr_t {
        atomic: sys::atomic_t { remote_addr: address, compare_add, swap, rkey },
    };
    let either = &mut raw.imm_data_invalidated_rkey_union;
    raw.opcode = match *operation {
        Operation::Send => code::IBV_WR_SEND,
        Operation::SendImmediate(data) => {
            either.imm_data = data.to_be();
            code::IBV_WR_SEND_WITH_IMM
        }
        Operation::SendInvalidate(rkey) => {
            either.invalidated_rkey = rkey;
            code::IBV_WR_SEND_WITH_INV
        }
        Operation::Write(remote) => {
            raw.wr = rdma(remote);
            code::IBV_WR_RDMA_WRITE
        }
        Operation::WriteImmediate(remote, data) => {
            raw.wr = rdma(remote);
            either.imm_data = data.to_be();
            code::IBV_WR_RDMA_WRITE_WITH_IMM
        }
        Operation::Read(remote) => {
            raw.wr = rdma(remote);
            code::IBV_WR_RDMA_READ
        }
        Operation::CompareSwap { remote, compare, swap } => {
            raw.wr = atomic(remote, compare, swap);
            code::IBV_WR_ATOMIC_CMP_AND_SWP
        }
        Operation::FetchAdd { remote, add } => {
            raw.wr = atomic(remote, add, 0);
            code::IBV_WR_ATOMIC_FETCH_AND_ADD
        }
        Operation::Bind(bind) => {
            let (mw, rkey, bind_info) = (bind.window.node.raw(), bind.rkey, bind_info(&bind));
            raw.bind_mw_tso_union.bind_mw = sys::bind_mw_t { mw, rkey, bind_info };
            code::IBV_WR_BIND_MW
        }
        Operation::LocalInvalidate(rkey) => {
            either.invalidated_rkey = rkey;
            code::IBV_WR_LOCAL_INV
        }
        Operation::AtomicWrite(..) | Operation::Flush { .. } => {
            let reason = "it is posted through ibv_wr_* alone, which this queue pair does not have";
            return Err(Error::NotSupported { feature: operation.kind().1, reason });
        }
    };
    Ok(())
}
