//! What an initiator request carries: registered memory, or bytes copied at once.

use crate::device::qp;
use crate::work::Sge;

/// The data of a send or write.
///
/// Scatter/gather entries and arrays of them convert into it, and so do arrays of byte slices.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// Registered memory, read when the request is executed; the entries themselves are only read during the
    /// call.
    Sgl(&'a [Sge]),
    /// Bytes that are copied during the call, one piece after the other; at most the queue pair's inline size
    /// in all.
    Inline(&'a [&'a [u8]]),
}

impl Data<'_> {
    /// No bytes at all, which is legal everywhere.
    pub const NONE: Self = Self::Sgl(&[]);
}

impl<'a> From<&'a [Sge]> for Data<'a> {
    fn from(sgl: &'a [Sge]) -> Self {
        Self::Sgl(sgl)
    }
}

impl<'a, const N: usize> From<&'a [Sge; N]> for Data<'a> {
    fn from(sgl: &'a [Sge; N]) -> Self {
        Self::Sgl(sgl)
    }
}

impl<'a> From<&'a Vec<Sge>> for Data<'a> {
    fn from(sgl: &'a Vec<Sge>) -> Self {
        Self::Sgl(sgl)
    }
}

impl<'a> From<&'a Sge> for Data<'a> {
    fn from(sge: &'a Sge) -> Self {
        Self::Sgl(std::slice::from_ref(sge))
    }
}

impl<'a> From<&'a [&'a [u8]]> for Data<'a> {
    fn from(pieces: &'a [&'a [u8]]) -> Self {
        Self::Inline(pieces)
    }
}

impl<'a, const N: usize> From<&'a [&'a [u8]; N]> for Data<'a> {
    fn from(pieces: &'a [&'a [u8]; N]) -> Self {
        Self::Inline(pieces)
    }
}

impl<'a> From<Data<'a>> for qp::Data<'a> {
    #[inline]
    fn from(data: Data<'a>) -> Self {
        match data {
            Data::Sgl(sgl) => Self::Sgl(sgl),
            Data::Inline(pieces) => Self::Inline(pieces),
        }
    }
}
