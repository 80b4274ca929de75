//! Atomics, cells and fences: the standard library's, or loom's in a model (`--cfg qpair_loom`).
//!
//! The only place that names either, so that the source a model explores is the source that ships.
//! Orderings, fences and second looks of the concurrent protocols are written through [`ord!`],
//! [`fence!`], [`recheck!`] and [`mutant!`]: each carries its name and its reason, costs nothing in a
//! normal build, and can be weakened by name in a model, where some model must then fail.
//!
//! Not here: anything that knows a ring. May come in: primitives that both worlds have.

pub(crate) use facade::*;

#[cfg(not(qpair_loom))]
mod facade {
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::Mutex;
    pub(crate) use std::sync::atomic::{Ordering, fence};

    // Names of our own, so that clippy tells the facade's atomics from std's, which it bans elsewhere.
    #[expect(clippy::disallowed_types, reason = "the facade over std's atomics")]
    pub(crate) type AtomicU64 = std::sync::atomic::AtomicU64;
    #[expect(clippy::disallowed_types, reason = "the facade over std's atomics")]
    pub(crate) type AtomicPtr<T> = std::sync::atomic::AtomicPtr<T>;

    /// A cell whose accesses loom can watch; here a plain one.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Shared access through a raw pointer.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Exclusive access through a raw pointer.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// A pause after a lost compare-and-swap; it never yields the processor.
    #[derive(Debug, Default)]
    pub(crate) struct Backoff(crossbeam_utils::Backoff);

    impl Backoff {
        pub(crate) fn new() -> Self {
            Self(crossbeam_utils::Backoff::new())
        }

        #[inline]
        pub(crate) fn spin(&self) {
            self.0.spin();
        }
    }
}

#[cfg(qpair_loom)]
mod facade {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::Ordering;
    // Reference counts are not under test, and loom's cannot be a method's receiver.
    pub(crate) use std::sync::Arc;

    /// A cell whose accesses loom watches for races.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            self.0.with(f)
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(f)
        }
    }

    /// A lost compare-and-swap gives way to the other threads of the model.
    #[derive(Debug, Default)]
    pub(crate) struct Backoff;

    impl Backoff {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn spin(&self) {
            loom::thread::yield_now();
        }
    }

    /// Companion of all fences of one execution of a model.
    static FENCES: std::sync::Mutex<Option<Arc<loom::sync::atomic::AtomicUsize>>> =
        std::sync::Mutex::new(None);

    /// Prepares the facade for one execution of a model.
    pub(crate) fn begin_model() {
        let fences = loom::sync::atomic::AtomicUsize::new(0);
        *FENCES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::new(fences));
    }

    /// A fence, which loom by itself does not see as something to reorder: a schedule in which another
    /// thread's fence comes between my access and my fence is tried only if the two fences conflict.
    pub(crate) fn fence(order: Ordering) {
        let fences = FENCES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        fences.expect("the model calls begin_model first").fetch_add(1, Ordering::Relaxed);
        loom::sync::atomic::fence(order);
    }

    /// Loom remembers only the last access to an atomic when it looks for schedules worth trying, so a
    /// thread's own second load can hide another thread's (loom issues 166 and 392). A companion that is
    /// read-modified-written before each access gives every pair of accesses a conflict of its own.
    macro_rules! shadowed {
        ($name:ident, $loom:ty, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name {
                shadow: loom::sync::atomic::AtomicUsize,
                inner: $loom,
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::new(<$value>::default())
                }
            }

            #[allow(dead_code, reason = "each atomic offers the whole set")]
            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self { shadow: loom::sync::atomic::AtomicUsize::new(0), inner: <$loom>::new(value) }
                }

                fn touch(&self) -> &$loom {
                    self.shadow.fetch_add(1, Ordering::Relaxed);
                    &self.inner
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.touch().load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.touch().store(value, order);
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.touch().swap(value, order)
                }

                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.touch().compare_exchange(current, new, success, failure)
                }

                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.compare_exchange(current, new, success, failure)
                }
            }
        };
    }

    shadowed!(AtomicU64, loom::sync::atomic::AtomicU64, u64);

    impl AtomicU64 {
        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_add(value, order)
        }

        pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_sub(value, order)
        }

        pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_or(value, order)
        }

        pub(crate) fn fetch_and(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_and(value, order)
        }

        pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_max(value, order)
        }
    }

    /// A pointer held as an address with exposed provenance would do, but loom has its own.
    #[derive(Debug)]
    pub(crate) struct AtomicPtr<T> {
        shadow: loom::sync::atomic::AtomicUsize,
        inner: loom::sync::atomic::AtomicPtr<T>,
    }

    impl<T> AtomicPtr<T> {
        pub(crate) fn new(value: *mut T) -> Self {
            Self {
                shadow: loom::sync::atomic::AtomicUsize::new(0),
                inner: loom::sync::atomic::AtomicPtr::new(value),
            }
        }

        fn touch(&self) -> &loom::sync::atomic::AtomicPtr<T> {
            self.shadow.fetch_add(1, Ordering::Relaxed);
            &self.inner
        }

        pub(crate) fn load(&self, order: Ordering) -> *mut T {
            self.touch().load(order)
        }

        pub(crate) fn store(&self, value: *mut T, order: Ordering) {
            self.touch().store(value, order);
        }

        pub(crate) fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
            self.touch().swap(value, order)
        }
    }
}

/// `ord!(Name: Release, "reason")` is `Ordering::Release`; in a model the ordering can be weakened by name.
macro_rules! ord {
    ($name:ident : $order:ident, $reason:literal) => {{
        #[cfg(not(qpair_loom))]
        {
            $crate::sync::Ordering::$order
        }
        #[cfg(qpair_loom)]
        {
            $crate::sync::mutation::ordering(stringify!($name), $crate::sync::Ordering::$order)
        }
    }};
}

/// `fence!(Name, "reason")` is `fence(SeqCst)`; in a model it can be dropped by name.
macro_rules! fence {
    ($name:ident, $reason:literal) => {{
        #[cfg(qpair_loom)]
        let keep = !$crate::sync::mutation::chosen(stringify!($name), "dropped");
        #[cfg(not(qpair_loom))]
        let keep = true;
        if keep {
            $crate::sync::fence($crate::sync::Ordering::SeqCst);
        }
    }};
}

/// `recheck!(Name, condition)` is `condition`, a second look; in a model it can be made blind by name.
macro_rules! recheck {
    ($name:ident, $condition:expr) => {{
        #[cfg(qpair_loom)]
        let blind = $crate::sync::mutation::chosen(stringify!($name), "dropped");
        #[cfg(not(qpair_loom))]
        let blind = false;
        !blind && $condition
    }};
}

/// `mutant!(Name => wrong, right)` is `right`; in a model the slip `wrong` can be chosen by name.
macro_rules! mutant {
    ($name:ident => $wrong:expr, $right:expr) => {{
        #[cfg(qpair_loom)]
        let slip = $crate::sync::mutation::chosen(stringify!($name), "slip");
        #[cfg(not(qpair_loom))]
        let slip = false;
        if slip { $wrong } else { $right }
    }};
}

pub(crate) use {fence, mutant, ord, recheck};

/// The mutation under test, named `Name=variant` by the environment variable `QPAIR_MUTATION`.
#[cfg(qpair_loom)]
pub(crate) mod mutation {
    use super::Ordering;
    use std::sync::OnceLock;

    static CHOICE: OnceLock<Option<(String, String)>> = OnceLock::new();

    fn choice() -> Option<&'static (String, String)> {
        CHOICE
            .get_or_init(|| {
                let text = std::env::var("QPAIR_MUTATION").ok()?;
                let (name, variant) = text.split_once('=').expect("QPAIR_MUTATION is Name=variant");
                Some((name.to_owned(), variant.to_owned()))
            })
            .as_ref()
    }

    pub(crate) fn chosen(name: &str, variant: &str) -> bool {
        choice().is_some_and(|(n, v)| n == name && v == variant)
    }

    pub(crate) fn ordering(name: &str, order: Ordering) -> Ordering {
        match choice() {
            Some((n, v)) if n == name => match v.as_str() {
                "Relaxed" => Ordering::Relaxed,
                "Acquire" => Ordering::Acquire,
                "Release" => Ordering::Release,
                other => panic!("QPAIR_MUTATION: no ordering {other}"),
            },
            _ => order,
        }
    }
}
