//! The body of an ATTACH: who wants to talk with which program, and how.
//!
//! A fixed part of 134 bytes, then the initialisation parameters (PIP). Parameters that do not fit into the
//! first frame follow in further ATTACH frames, which have nothing else. Names are padded with blanks.

use super::code::Refusal;

/// Length of the fixed part.
const FIXED: usize = 134;
/// Bytes of initialisation parameters at most.
pub(crate) const PIP_MAX: usize = 32_767;

/// How far a conversation can confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncLevel {
    /// Not at all.
    #[default]
    None,
    /// Either side may ask the other for a confirmation.
    Confirm,
}

/// Who says that the user is who he is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Nobody.
    #[default]
    None,
    /// The invoking LU, which has checked this user.
    Same(String),
    /// The invoking program, by password.
    Program {
        /// Up to 10 bytes.
        user_id: String,
        /// Up to 10 bytes.
        password: String,
    },
}

impl Security {
    /// The user that is named; none: no bytes.
    pub(crate) fn user_id(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Same(user_id) | Self::Program { user_id, .. } => user_id,
        }
    }
}

/// What the invoking program asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attach {
    pub(crate) mapped: bool,
    pub(crate) sync_level: SyncLevel,
    pub(crate) tp_name: String,
    pub(crate) mode: String,
    /// The LU that is asked, and the one that asks; both fully qualified.
    pub(crate) partner_lu: String,
    pub(crate) local_lu: String,
    pub(crate) security: Security,
    pub(crate) pip: Vec<u8>,
}

/// An ATTACH that no LU of ours can have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadAttach;

impl Attach {
    /// The names, how wide the place of each is, and what one is refused with that is wider.
    fn names(&self) -> [(&str, usize, Refusal); 6] {
        let (user, password) = match &self.security {
            Security::None => ("", ""),
            Security::Same(user) => (user.as_str(), ""),
            Security::Program { user_id, password } => (user_id.as_str(), password.as_str()),
        };
        [
            (&self.tp_name, 64, Refusal::ProgramNameNotRecognized),
            (&self.mode, 8, Refusal::FailureNoRetry),
            (&self.partner_lu, 17, Refusal::FailureNoRetry),
            (&self.local_lu, 17, Refusal::FailureNoRetry),
            (user, 10, Refusal::SecurityNotValid),
            (password, 10, Refusal::SecurityNotValid),
        ]
    }

    /// Every name has room in its place.
    ///
    /// # Errors
    /// What the partner would say of a name that it cannot know: cut off, it could be another's.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let wide = self.names().into_iter().find(|(name, width, _)| name.len() > *width);
        wide.map_or(Ok(()), |(.., refusal)| Err(refusal))
    }

    /// The whole body, however many frames it takes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let security = match &self.security {
            Security::None => 0,
            Security::Same(_) => 1,
            Security::Program { .. } => 2,
        };
        let mut out = Vec::with_capacity(FIXED + self.pip.len());
        out.extend([u8::from(self.mapped), u8::from(self.sync_level == SyncLevel::Confirm), security, 0]);
        for (text, width, _) in self.names() {
            let padded = text.bytes().chain(std::iter::repeat(b' ')).take(width);
            out.extend(padded);
        }
        out.extend(u32::to_be_bytes(self.pip.len() as u32));
        debug_assert_eq!(out.len(), FIXED, "the fixed part is fixed");
        out.extend(&self.pip);
        out
    }

    /// Reads the first frame's body; what is missing of the parameters comes by [`extend`](Self::extend).
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn parse(body: &[u8]) -> Result<Partial, BadAttach> {
        let (fixed, pip) = body.split_first_chunk::<FIXED>().ok_or(BadAttach)?;
        let [mapped @ (0 | 1), sync @ (0 | 1), security @ 0..=2, 0, ..] = *fixed else {
            return Err(BadAttach);
        };
        let mut at = 4;
        let mut text = |width: usize| {
            let bytes = &fixed[at..at + width];
            at += width;
            let text = std::str::from_utf8(bytes).map_err(|_| BadAttach)?;
            Ok(text.trim_end_matches([' ', '\0']).to_owned())
        };
        let (tp_name, mode, partner_lu, local_lu) = (text(64)?, text(8)?, text(17)?, text(17)?);
        let (user_id, password) = (text(10)?, text(10)?);
        let security = match security {
            0 => Security::None,
            1 => Security::Same(user_id),
            _ => Security::Program { user_id, password },
        };
        let length = u32::from_be_bytes([fixed[130], fixed[131], fixed[132], fixed[133]]) as usize;
        let sync_level = if sync == 1 { SyncLevel::Confirm } else { SyncLevel::None };
        let attach = Self {
            mapped: mapped == 1,
            sync_level,
            tp_name,
            mode,
            partner_lu,
            local_lu,
            security,
            pip: Vec::new(),
        };
        let mut partial = Partial { attach, missing: length };
        if length > PIP_MAX {
            return Err(BadAttach);
        }
        partial.extend(pip)?;
        Ok(partial)
    }
}

/// An ATTACH, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) attach: Attach,
    /// Bytes of parameters that are still to come.
    pub(crate) missing: usize,
}

impl Partial {
    /// Adds the body of a further frame.
    ///
    /// # Errors
    /// It is longer than what is missing.
    pub(crate) fn extend(&mut self, body: &[u8]) -> Result<(), BadAttach> {
        self.missing = self.missing.checked_sub(body.len()).ok_or(BadAttach)?;
        self.attach.pip.extend(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attach() -> impl Strategy<Value = Attach> {
        let name = |most: usize| {
            proptest::collection::vec(b'A'..=b'Z', 0..=most)
                .prop_map(|bytes| String::from_utf8(bytes).expect("letters"))
        };
        let security = prop_oneof![
            Just(Security::None),
            name(10).prop_map(Security::Same),
            (name(10), name(10)).prop_map(|(user_id, password)| Security::Program { user_id, password }),
        ];
        let names = (name(64), name(8), name(17), name(17));
        let pip = proptest::collection::vec(any::<u8>(), 0..300);
        (any::<bool>(), any::<bool>(), names, security, pip).prop_map(
            |(mapped, confirm, (tp_name, mode, partner_lu, local_lu), security, pip)| Attach {
                mapped,
                sync_level: if confirm { SyncLevel::Confirm } else { SyncLevel::None },
                tp_name,
                mode,
                partner_lu,
                local_lu,
                security,
                pip,
            },
        )
    }

    proptest! {
        #[test]
        fn an_attach_comes_through_in_pieces(attach in attach(), size in FIXED..400) {
            let bytes = attach.to_bytes();
            let mut pieces = bytes.chunks(size);
            let mut partial = Attach::parse(pieces.next().expect("never empty")).expect("our own");
            for piece in pieces {
                prop_assert!(partial.missing > 0);
                partial.extend(piece).expect("no more than was announced");
            }
            prop_assert_eq!(partial, Partial { attach, missing: 0 });
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), near in any::<bool>()) {
            if near && bytes.len() >= FIXED {
                bytes[..4].copy_from_slice(&[0, 1, 2, 0]);
                bytes[130..132].copy_from_slice(&[0, 0]);
                bytes[4..130].iter_mut().for_each(|byte| *byte &= 0x7F);
            }
            if let Ok(mut partial) = Attach::parse(&bytes) {
                prop_assert!(partial.missing + partial.attach.pip.len() <= PIP_MAX);
                prop_assert_eq!(partial.extend(&[0; PIP_MAX + 1]), Err(BadAttach));
            }
        }
    }
}
