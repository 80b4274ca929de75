//! Logical records: where one ends in a stream of bytes.
//!
//! A record is its length LL, two bytes, most significant first, that count themselves, then the rest. The
//! top bit of LL says "continued" and is no part of the length. Lengths 0 and 1 cannot be.

/// Two bytes of LL that no record can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) u16);

/// Where a stream of records stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// The first byte of an LL whose second has not come.
    high: Option<u8>,
    /// Bytes of the present record that are still to come, LL not counted.
    left: u16,
}

/// What one step along the stream has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes that were passed.
    pub(crate) bytes: usize,
    /// A record ends with the last of them.
    pub(crate) ends_record: bool,
}

impl Records {
    /// No record is open.
    pub(crate) fn at_boundary(self) -> bool {
        self == Self::default()
    }

    /// Goes on to the end of the present record, or of the bytes.
    ///
    /// # Errors
    /// An LL among them is none.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Taken, BadLength> {
        let mut at = 0;
        if self.left == 0 {
            let high = match self.high.take() {
                Some(high) => high,
                None => match bytes.first() {
                    Some(high) => {
                        at = 1;
                        *high
                    }
                    None => return Ok(Taken { bytes: 0, ends_record: false }),
                },
            };
            let Some(low) = bytes.get(at) else {
                self.high = Some(high);
                return Ok(Taken { bytes: at, ends_record: false });
            };
            at += 1;
            let ll = u16::from_be_bytes([high, *low]);
            self.left = (ll & 0x7FFF).checked_sub(2).ok_or(BadLength(ll))?;
        }
        let part = bytes.len().saturating_sub(at).min(self.left.into());
        self.left -= part as u16; // at most what was left
        Ok(Taken { bytes: at + part, ends_record: self.left == 0 })
    }

    /// Where the stream stands after `bytes`.
    ///
    /// # Errors
    /// An LL among them is none.
    pub(crate) fn after(mut self, mut bytes: &[u8]) -> Result<Self, BadLength> {
        while !bytes.is_empty() {
            let taken = self.take(bytes)?;
            bytes = &bytes[taken.bytes..];
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_ends_where_its_length_says() {
        let mut records = Records::default();
        assert_eq!(records.take(&[0, 4, b'a']), Ok(Taken { bytes: 3, ends_record: false }));
        assert!(!records.at_boundary());
        assert_eq!(records.take(&[b'b', 0, 2]), Ok(Taken { bytes: 1, ends_record: true }));
        assert!(records.at_boundary());
        assert_eq!(records.take(&[0x80, 2]), Ok(Taken { bytes: 2, ends_record: true }), "continued, empty");
        for ll in [0_u16, 1, 0x8000, 0x8001] {
            assert_eq!(Records::default().after(&ll.to_be_bytes()), Err(BadLength(ll)));
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let whole = Records::default().after(&bytes);
            let pieces = Records::default().after(&bytes[..cut]).and_then(|first| first.after(&bytes[cut..]));
            prop_assert_eq!(whole, pieces);
        }
    }
}
