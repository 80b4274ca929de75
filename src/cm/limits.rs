//! Read limits: how many RDMA reads and atomics may be under way, and how two sides agree on it.

use crate::planted::planted;

/// Reads and atomics in progress at one time, in each direction; 0 means none in that direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadLimits {
    /// Those of the peer that this side serves (responder resources).
    pub inbound: u32,
    /// Those of this side that the peer serves (initiator depth).
    pub outbound: u32,
}

impl ReadLimits {
    /// The smaller value in each direction. Asking for more than a maximum is never an error (CONN-17).
    pub fn capped(self, maximum: Self) -> Self {
        Self { inbound: self.inbound.min(maximum.inbound), outbound: self.outbound.min(maximum.outbound) }
    }

    /// What holds for this side once the peer has named `peer`, seen from the peer (ndkpi.md 4.4).
    ///
    /// Each inbound limit is at most the other side's outbound one and the reverse (CONN-18). Both sides
    /// arrive at the same pair of numbers if each names what is left after its own capping.
    pub fn agreed(self, maximum: Self, peer: Self) -> Self {
        if planted!(LimitsNotAgreed, "each side keeps the read limits that it asked for") {
            return self.capped(maximum);
        }
        self.capped(maximum).capped(Self { inbound: peer.outbound, outbound: peer.inbound })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = ReadLimits> {
        (0..40u32, 0..40u32).prop_map(|(inbound, outbound)| ReadLimits { inbound, outbound })
    }

    proptest! {
        /// CONN-18, and both ends mean the same: what one may ask for is what the other serves.
        #[test]
        fn conn_18_both_sides_agree(a in limits(), a_max in limits(), p in limits(), p_max in limits()) {
            let asked = a.capped(a_max);
            let passive = p.agreed(p_max, asked);
            let active = a.agreed(a_max, passive);
            prop_assert_eq!(active.inbound, passive.outbound);
            prop_assert_eq!(active.outbound, passive.inbound);
            prop_assert_eq!(active.inbound, a.inbound.min(a_max.inbound).min(p.outbound).min(p_max.outbound));
        }
    }

    #[test]
    fn conn_17_more_than_the_maximum_is_capped() {
        let asked = ReadLimits { inbound: 1000, outbound: 1000 };
        let maximum = ReadLimits { inbound: 16, outbound: 8 };
        assert_eq!(asked.capped(maximum), maximum);
    }
}
