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
    /// Any other word, or `DEVICE@ADDRESS`: a device of the kernel.
    #[cfg(feature = "rdma-core")]
    Device {
        /// Its name.
        name: &'n str,
        /// The one address of the adapter; without it, all that the device has.
        address: Option<IpAddr>,
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
            if is_device(name.split('@').next().unwrap_or_default()) {
                let (name, address) = parse_place(name)?;
                return Ok(Self::Device { name, address });
            }
            return Err(NameError::Unknown { name: name.to_owned() });
        };
        let (net, address) = parse_place(place)?;
        if net.is_empty() || net.contains('/') {
            return Err(NameError::Net { net: net.to_owned() });
        }
        Ok(Self::Local { net, address })
    }
}

/// The word could name a device of the kernel: letters, digits, `_`, `-` and `.`, and not `local`.
#[cfg(feature = "rdma-core")]
fn is_device(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name != "local" && name.chars().all(fits)
}

/// What stands before an `@`, and the address behind it.
fn parse_place(place: &str) -> Result<(&str, Option<IpAddr>), NameError> {
    match place.split_once('@') {
        Some((place, address)) => Ok((place, Some(parse_address(address)?))),
        None => Ok((place, None)),
    }
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
            assert_eq!(Name::parse(name), Ok(Name::Device { name, address: None }));
        }
        let devices = if cfg!(feature = "rdma-core") { &[][..] } else { &devices };
        for name in ["", "@10.0.0.7", "local@10.0.0.7", "u dp@10.0.0.7"].iter().chain(devices).copied() {
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

    #[cfg(feature = "rdma-core")]
    #[test]
    fn a_device_of_the_kernel_by_one_of_its_addresses() {
        for text in ["10.99.0.1", "fd99::1", "::1"] {
            let address = Some(text.parse().unwrap());
            assert_eq!(Name::parse(&format!("rxe0@{text}")), Ok(Name::Device { name: "rxe0", address }));
        }
        for text in ["", "10.99.0.1@", "10.99.0.1/24", "eth0", "0.0.0.0", "224.0.0.1", "ff02::1"] {
            let name = format!("rxe0@{text}");
            assert_eq!(Name::parse(&name), Err(NameError::Address { address: text.to_owned() }), "{name}");
        }
    }
}
