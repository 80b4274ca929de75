//! The names by which adapters are opened.

use std::net::IpAddr;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name<'n> {
    /// `local`, `local/NET` or `local/NET@ADDRESS`: a NET of this process; `local` is the NET without a name.
    Local {
        /// Name of the NET.
        net: &'n str,
        /// The one address of the adapter; without it, both loopback addresses.
        address: Option<IpAddr>,
    },
    /// Any other word: a device of the kernel.
    #[cfg(feature = "rdma-core")]
    Device {
        /// Its name.
        name: &'n str,
    },
}

/// A name that opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// A name of no device that is built in.
    #[error("there is no device `{name}`")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The NET has an empty name, or one with a separator in it.
    #[error("`{net}` is no name of a NET: it is empty, or has a `/` in it")]
    Net {
        /// The part that should name a NET.
        net: String,
    },
    /// What stands behind the `@` is no address.
    #[error("`{address}` is no IP address")]
    Address {
        /// The part that should be an address.
        address: String,
    },
}

impl<'n> Name<'n> {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameError`]: what is wrong with which part.
    pub(crate) fn parse(name: &'n str) -> Result<Self, NameError> {
        if name == "local" {
            return Ok(Self::Local { net: "", address: None });
        }
        let Some(place) = name.strip_prefix("local/") else {
            #[cfg(feature = "rdma-core")]
            if is_device(name) {
                return Ok(Self::Device { name });
            }
            return Err(NameError::Unknown { name: name.to_owned() });
        };
        let (net, address) = match place.split_once('@') {
            Some((net, address)) => (net, Some(parse_address(address)?)),
            None => (place, None),
        };
        if net.is_empty() || net.contains('/') {
            return Err(NameError::Net { net: net.to_owned() });
        }
        Ok(Self::Local { net, address })
    }
}

/// The word could name a device of the kernel: letters, digits, `_`, `-` and `.`.
#[cfg(feature = "rdma-core")]
fn is_device(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.chars().all(fits)
}

fn parse_address(text: &str) -> Result<IpAddr, NameError> {
    let address = text.parse::<IpAddr>().ok();
    address
        .filter(|address| !address.is_unspecified() && !address.is_multicast())
        .ok_or_else(|| NameError::Address { address: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local<'n>(net: &'n str, address: Option<&str>) -> Result<Name<'n>, NameError> {
        Ok(Name::Local { net, address: address.map(|text| text.parse().unwrap()) })
    }

    #[test]
    fn names_of_this_process() {
        assert_eq!(Name::parse("local"), local("", None));
        assert_eq!(Name::parse("local/lab"), local("lab", None));
        assert_eq!(Name::parse("local/lab@10.0.0.7"), local("lab", Some("10.0.0.7")));
        assert_eq!(Name::parse("local/lab@fd00::1"), local("lab", Some("fd00::1")));
    }

    #[test]
    fn other_names_open_nothing() {
        let devices = ["Local", "localhost", "mlx5_0"];
        #[cfg(feature = "rdma-core")]
        for name in devices {
            assert_eq!(Name::parse(name), Ok(Name::Device { name }));
        }
        let devices = if cfg!(feature = "rdma-core") { &[][..] } else { &devices };
        for name in ["", "local@10.0.0.7", "udp@10.0.0.7"].iter().chain(devices).copied() {
            assert_eq!(Name::parse(name), Err(NameError::Unknown { name: name.to_owned() }));
        }
        for (name, net) in [("local/", ""), ("local/a/b", "a/b"), ("local/@10.0.0.7", "")] {
            assert_eq!(Name::parse(name), Err(NameError::Net { net: net.to_owned() }));
        }
        for (name, address) in
            [("local/a@", ""), ("local/a@b", "b"), ("local/a@0.0.0.0", "0.0.0.0"), ("local/a@::", "::")]
        {
            assert_eq!(Name::parse(name), Err(NameError::Address { address: address.to_owned() }));
        }
    }
}
