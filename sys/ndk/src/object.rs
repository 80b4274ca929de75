//! Objects as C holds them: header, table, mark, door, and the handle of the Rust face behind the door.
//!
//! An object is made when its handle is there, and stays allocated until the adapter is closed: until then a
//! stale pointer is told from a live one by the door. Its handle goes with its close, so what is left is the
//! structure itself, some 130 bytes.
//!
//! Not here: what the kinds can do; each has a file.

use crate::abi::{Face, ObjectType, Version};
use crate::border::{Argument, Closed, Refused, Wrong};
use crate::extension::Table;
use crate::lam::Mappings;
use qpair::ndk::{Faults, ManualClock, Request};
use qpair::ring::Door;
use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

/// A handle of the Rust face that C holds as an object.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The number in the header.
    const TYPE: ObjectType;
    /// Its table.
    type Dispatch: Sync + 'static;
    const DISPATCH: &'static Self::Dispatch;

    /// What it has beside NDK, if anything.
    fn extension(_shared: &Shared) -> Option<Table> {
        None
    }

    /// Begins its close.
    fn close(self) -> Request<()>;
}

/// What an adapter and its descendants share.
pub(crate) struct Shared {
    /// What every header reports.
    pub(crate) version: Version,
    /// Every object that was made, so that it is freed with the adapter and not before.
    objects: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
    /// Logical address mappings, which are no objects.
    pub(crate) mappings: Mappings,
    /// If the adapter was opened for faults on purpose.
    pub(crate) faults: Option<Faults>,
    /// If its NET goes by a clock that C moves, and the name of the NET.
    pub(crate) clock: Option<(String, ManualClock)>,
}

impl Shared {
    pub(crate) fn new(
        version: Version,
        faults: Option<Faults>,
        clock: Option<(String, ManualClock)>,
    ) -> Arc<Self> {
        let (objects, mappings) = (Mutex::new(Vec::new()), Mappings::default());
        Arc::new(Self { version, objects, mappings, faults, clock })
    }

    /// Frees every object.
    ///
    /// Only when the adapter is closed: then none of them has a call inside, nor will have one.
    pub(crate) fn free(&self) {
        let objects = std::mem::take(&mut *self.objects.lock().unwrap_or_else(PoisonError::into_inner));
        drop(objects);
    }

    /// Makes an object that lives as long as the adapter, and gives what C gets.
    pub(crate) fn publish<K: Kind>(self: &Arc<Self>, handle: K) -> *mut c_void {
        let object = Object::new(self, handle);
        let pointer = object.as_c();
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).push(object);
        pointer
    }
}

/// Says that the memory is an object of ours; the kind stands in the low 32 bits.
const MARK: u64 = 0x5150_6e64_0000_0000;

/// The beginning of all objects.
#[repr(C)]
struct Prefix {
    face: UnsafeCell<Face<c_void>>,
    mark: u64,
}

/// An object.
#[repr(C)]
pub(crate) struct Object<K: Kind> {
    /// C's to read, and to write: it may replace the table.
    face: UnsafeCell<Face<K::Dispatch>>,
    mark: u64,
    door: Door,
    shared: Arc<Shared>,
    /// Behind the door: `None` from the moment on at which its close is carried out.
    handle: UnsafeCell<Option<K>>,
    /// Behind the claim: what to call when the close is complete.
    closed: UnsafeCell<Option<Closed>>,
}

// SAFETY: the face is never touched here once the object is made; the handle is shared, as its type allows,
// between those whom the door lets in, and taken by the one whom the door lets alone; `closed` is stored by
// the one who claimed the door, and taken by that one who carries out the close.
unsafe impl<K: Kind> Sync for Object<K> {}
// SAFETY: as above; the pointers in the face are C's, and the table is `Sync`.
unsafe impl<K: Kind> Send for Object<K> {}

impl<K: Kind> Object<K> {
    pub(crate) fn new(shared: &Arc<Shared>, handle: K) -> Arc<Self> {
        let face = Face {
            version: shared.version,
            object_type: K::TYPE,
            reserved: [null_mut(); 4],
            dispatch: K::DISPATCH,
        };
        Arc::new(Self {
            face: UnsafeCell::new(face),
            mark: MARK | K::TYPE as u64,
            door: Door::new(),
            shared: Arc::clone(shared),
            handle: UnsafeCell::new(Some(handle)),
            closed: UnsafeCell::new(None),
        })
    }

    /// What C gets.
    pub(crate) fn as_c(self: &Arc<Self>) -> *mut c_void {
        Arc::as_ptr(self).cast_mut().cast()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Closes the door; false: it was closed before. Those inside stay there.
    pub(crate) fn claim(&self) -> bool {
        self.door.claim()
    }

    /// Takes the handle, if the door was claimed and nobody is inside.
    ///
    /// For the adapter, whose close waits for those inside. The caller has claimed the door itself.
    pub(crate) fn take_if_empty(&self) -> Option<K> {
        if !self.door.is_empty() {
            return None;
        }
        // SAFETY: the door is claimed and empty, so nobody is inside or will be, and who claimed it is alone.
        unsafe { (*self.handle.get()).take() }
    }

    /// Takes out what the close needs.
    ///
    /// # Safety
    /// The door has told the caller to carry out the close.
    unsafe fn take(this: NonNull<Self>) -> (Option<K>, Option<Closed>) {
        // SAFETY: the object lives until its adapter is closed, and that waits for this close. The door tells
        // one caller only, when nobody is inside and what the claimer stored is visible.
        unsafe { ((*this.as_ref().handle.get()).take(), (*this.as_ref().closed.get()).take()) }
    }
}

/// A pointer to an object that C passes, of the type that the header says.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Handle<K>(*mut c_void, PhantomData<K>);

impl<K: Kind> Handle<K> {
    /// The object, in use until the value is dropped; NULL is none.
    pub(crate) fn optional(&self, argument: Argument) -> Result<Option<Entered<'_, K>>, Refused> {
        if self.0.is_null() {
            return Ok(None);
        }
        self.enter(argument).map(Some)
    }

    /// The object, in use until the value is dropped.
    #[inline]
    pub(crate) fn enter(&self, argument: Argument) -> Result<Entered<'_, K>, Refused> {
        let object = object::<K>(self.0).map_err(|wrong| argument.is(wrong))?;
        // SAFETY: marked as an object of this kind, so it is one, which lives until its adapter is closed: by
        // the header no call is made after that, and none is under way.
        if !unsafe { object.as_ref() }.door.enter() {
            return Err(argument.is(Wrong::Closed));
        }
        Ok(Entered { object, during_the_call: PhantomData })
    }
}

/// A pointer to an object of any kind.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct AnyHandle(*mut c_void);

impl AnyHandle {
    /// As an object of one kind, to be judged when it is entered.
    pub(crate) fn of<K: Kind>(&self) -> Handle<K> {
        Handle(self.0, PhantomData)
    }

    /// Whether it is an object of kind `K`, open or closed.
    pub(crate) fn is<K: Kind>(&self) -> bool {
        object::<K>(self.0).is_ok()
    }

    /// Claims its close; who does gives it what to call when it is complete.
    pub(crate) fn claim<K: Kind>(&self, argument: Argument) -> Result<Claimed<K>, Refused> {
        let object = object::<K>(self.0).map_err(|wrong| argument.is(wrong))?;
        // SAFETY: as in `Handle::enter`.
        if !unsafe { object.as_ref() }.door.claim() {
            return Err(argument.is(Wrong::Closed));
        }
        Ok(Claimed { object })
    }
}

/// The object at `pointer`, if it is marked as one of kind `K`.
#[inline]
fn object<K: Kind>(pointer: *mut c_void) -> Result<NonNull<Object<K>>, Wrong> {
    let object = NonNull::new(pointer.cast::<Object<K>>()).ok_or(Wrong::Null)?;
    if !object.is_aligned() {
        return Err(Wrong::Misaligned);
    }
    // SAFETY: by the header the pointer is that of an object whose adapter is not closed, of the parameter's
    // kind or at least of some kind: all begin with a `Prefix`, whose mark is never written once it is made.
    // For any other pointer this is the guess that the documentation calls one.
    let mark = unsafe { (&raw const (*object.as_ptr().cast::<Prefix>()).mark).read() };
    if mark == MARK | K::TYPE as u64 {
        Ok(object)
    } else if mark & !0xffff_ffff == MARK {
        Err(Wrong::OtherKind)
    } else {
        Err(Wrong::NotAnObject)
    }
}

/// An object in use.
pub(crate) struct Entered<'a, K: Kind> {
    /// Not a reference: the object may go while the door is left for the last time.
    object: NonNull<Object<K>>,
    during_the_call: PhantomData<&'a Object<K>>,
}

impl<K: Kind> Entered<'_, K> {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        // SAFETY: as in `deref`.
        unsafe { &self.object.as_ref().shared }
    }
}

impl<K: Kind> Deref for Entered<'_, K> {
    type Target = K;

    #[inline]
    fn deref(&self) -> &K {
        // SAFETY: the object lives, as in `Handle::enter`; the door was entered and is left only by the drop
        // of this value, and until then nobody takes the handle.
        let handle = unsafe { &*self.object.as_ref().handle.get() };
        handle.as_ref().expect("the door lets nobody in once the handle is taken")
    }
}

impl<K: Kind> Drop for Entered<'_, K> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `deref`; not touched after this, but where the door gives the object to this caller.
        if unsafe { self.object.as_ref() }.door.leave() {
            close_late(self.object);
        }
    }
}

/// Carries out the close of an object whose closer found calls inside; the callback comes in any case.
#[cold]
fn close_late<K: Kind>(object: NonNull<Object<K>>) {
    // SAFETY: the door has told this caller to carry out the close, once.
    let (handle, closed) = unsafe { Object::take(object) };
    let (Some(handle), Some(closed)) = (handle, closed) else {
        unreachable!("the closer stores the callback, and the close is carried out once")
    };
    handle.close().then(move |_never_fails| closed.call());
}

/// An object whose close this caller has claimed.
pub(crate) struct Claimed<K: Kind> {
    object: NonNull<Object<K>>,
}

impl<K: Kind> Claimed<K> {
    /// The handle to close at once and the callback again; `None`: calls are inside, and the last of them to
    /// leave will close, and call back.
    pub(crate) fn close(self, closed: Closed) -> Option<(K, Closed)> {
        // SAFETY: the object lives, as in `Handle::enter`, and until its close is carried out, which is not
        // before `door.close` below. The claim is this caller's alone, and nobody reads `closed` before that.
        let now = unsafe {
            *self.object.as_ref().closed.get() = Some(closed);
            self.object.as_ref().door.close()
        };
        if !now {
            return None;
        }
        // SAFETY: the door has told this caller to carry out the close.
        let (handle, closed) = unsafe { Object::take(self.object) };
        handle.zip(closed)
    }
}
