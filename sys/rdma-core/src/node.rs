//! One object of the library and those it needs: destroyed once, and after all that need it.
//!
//! The whole argument about lifetimes is in this file. An object of the library is an [`Owned`]; with
//! references to its parents it is a [`Node`]; nodes are shared by `Arc`. Children hold their parents, so a
//! parent's destruction can only come after its last child's, in whatever order handles are dropped.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use rdma_sys as sys;

use crate::error::{Error, answer};

/// A type of the library's objects, and how one is destroyed.
pub(crate) trait Raw {
    /// What errors call the object.
    const OBJECT: &'static str;
    /// The function that destroys it.
    const DESTROY: &'static str;
    /// Destroys the object; 0, or an errno or -1, upon which it is still there.
    ///
    /// # Safety
    /// `raw` is such an object, nothing uses it during the call, and nothing does afterwards if it returns 0.
    unsafe fn destroy(raw: *mut Self) -> i32;
}

macro_rules! raw {
    ($($type:ident, $object:literal, $destroy:ident;)*) => {$(
        impl Raw for sys::$type {
            const OBJECT: &'static str = $object;
            const DESTROY: &'static str = stringify!($destroy);
            unsafe fn destroy(raw: *mut Self) -> i32 {
                // SAFETY: the caller's promise is what the function asks for.
                unsafe { sys::$destroy(raw) }
            }
        }
    )*};
}

raw! {
    ibv_context, "the context", ibv_close_device;
    ibv_pd, "the protection domain", ibv_dealloc_pd;
    ibv_mr, "the memory region", ibv_dereg_mr;
    ibv_mw, "the memory window", ibv_dealloc_mw;
    ibv_comp_channel, "the completion channel", ibv_destroy_comp_channel;
    ibv_cq, "the completion queue", ibv_destroy_cq;
    ibv_srq, "the shared receive queue", ibv_destroy_srq;
    ibv_qp, "the queue pair", ibv_destroy_qp;
}

/// Exclusive ownership of one object of the library.
pub(crate) struct Owned<R: Raw>(NonNull<R>);

// SAFETY: verbs objects are not bound to a thread, and libibverbs and its providers lock for themselves
// (ibv_alloc_td(3): "By default all verbs objects are safe for multi-threaded access"). What they leave
// open is locked here: the states of queue pairs, the sizes of completion queues, the keys of windows.
// Destruction takes `Owned` by value.
unsafe impl<R: Raw> Send for Owned<R> {}
// SAFETY: as above.
unsafe impl<R: Raw> Sync for Owned<R> {}

impl<R: Raw> Owned<R> {
    /// Takes what a creating `call` returned; null is its failure, with errno.
    ///
    /// # Safety
    /// `raw` is null, or an object that nobody else destroys.
    pub(crate) unsafe fn new(call: &'static str, raw: *mut R) -> Result<Self, Error> {
        NonNull::new(raw).map(Self).ok_or_else(|| Error::last(call))
    }

    pub(crate) fn as_ptr(&self) -> *mut R {
        self.0.as_ptr()
    }

    fn destroy(self) -> Result<(), (Self, Error)> {
        // SAFETY: `self` is the only owner and taken by value, and lives in a node with no other holder.
        let status = unsafe { R::destroy(self.as_ptr()) };
        match answer(R::DESTROY, status) {
            Ok(()) => {
                std::mem::forget(self); // it holds a pointer only, to what is gone
                Ok(())
            }
            Err(error) => Err((self, error)),
        }
    }
}

impl<R: Raw> Drop for Owned<R> {
    fn drop(&mut self) {
        // SAFETY: the last holder of the node is dropping it, so nothing uses the object now or later.
        let status = unsafe { R::destroy(self.as_ptr()) };
        if let Err(error) = answer(R::DESTROY, status) {
            // A drop has nobody to return to. The object stays until the process ends.
            tracing::error!(object = R::OBJECT, %error, "not destroyed on drop");
        }
    }
}

/// An object with what must outlive it. Fields are dropped in this order: the object first.
pub(crate) struct Node<R: Raw, P> {
    owned: Owned<R>,
    pub(crate) parents: P,
}

impl<R: Raw, P> Node<R, P> {
    pub(crate) fn new(owned: Owned<R>, parents: P) -> Arc<Self> {
        Arc::new(Self { owned, parents })
    }

    /// The library's object, valid while the node is held.
    pub(crate) fn raw(&self) -> *mut R {
        self.owned.as_ptr()
    }
}

impl<R: Raw, P> fmt::Debug for Node<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:p}", R::OBJECT, self.raw())
    }
}

/// Destroys a node's object now, if nothing else holds it; else, or if the library refuses, gives it back.
pub(crate) fn close<R: Raw, P>(node: Arc<Node<R, P>>) -> Result<(), (Arc<Node<R, P>>, Error)> {
    let node = match Arc::try_unwrap(node) {
        Ok(node) => node,
        Err(shared) => return Err((shared, Error::InUse { object: R::OBJECT })),
    };
    let Node { owned, parents } = node;
    match owned.destroy() {
        Ok(()) => Ok(()),
        Err((owned, error)) => Err((Node::new(owned, parents), error)),
    }
}

/// A context has no parent.
pub(crate) type ContextNode = Node<sys::ibv_context, ()>;
/// A protection domain needs its context.
pub(crate) type PdNode = Node<sys::ibv_pd, Arc<ContextNode>>;

/// Errors unless both are of the same opened device.
///
/// Providers cast what they are given to their own types, so a mixture would be read as what it is not.
pub(crate) fn same_device(
    call: &'static str,
    argument: &'static str,
    one: &Arc<ContextNode>,
    other: &Arc<ContextNode>,
) -> Result<(), Error> {
    let same = Arc::ptr_eq(one, other);
    let problem = "belongs to another opened device";
    same.then_some(()).ok_or(Error::Unfit { call, argument, problem })
}
