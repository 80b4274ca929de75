//! Socket addresses as the library takes and gives them.

use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address in the layout of the sockets API.
pub(super) struct Raw(libc::sockaddr_storage);

impl Raw {
    pub(super) fn new(address: SocketAddr) -> Self {
        // SAFETY: numbers only; zeroes are the unspecified family.
        let mut raw = Self(unsafe { MaybeUninit::zeroed().assume_init() });
        match address {
            SocketAddr::V4(v4) => {
                let place = raw.as_mut_ptr().cast::<libc::sockaddr_in>();
                // SAFETY: the storage is large and aligned enough for every address.
                let place = unsafe { &mut *place };
                place.sin_family = libc::AF_INET as libc::sa_family_t;
                place.sin_port = v4.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                let place = raw.as_mut_ptr().cast::<libc::sockaddr_in6>();
                // SAFETY: as above.
                let place = unsafe { &mut *place };
                place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                place.sin6_port = v6.port().to_be();
                place.sin6_addr.s6_addr = v6.ip().octets();
                place.sin6_flowinfo = v6.flowinfo();
                place.sin6_scope_id = v6.scope_id();
            }
        }
        raw
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.0).cast()
    }
}

/// Reads an address; `None` if there is none, or it is of another family.
///
/// # Safety
/// `raw` is readable, and as large as its family asks for.
pub(super) unsafe fn read(raw: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: the caller's promise; an address of each family begins with its family.
    match i32::from(unsafe { (*raw).sa_family }) {
        libc::AF_INET => {
            // SAFETY: of that family.
            let place = unsafe { &*raw.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(place.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(place.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of that family.
            let place = unsafe { &*raw.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(place.sin6_addr.s6_addr);
            let port = u16::from_be(place.sin6_port);
            Some(SocketAddrV6::new(ip, port, place.sin6_flowinfo, place.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[test]
fn addresses_go_both_ways() {
    for text in ["10.99.0.1:4791", "[fe80::1%2]:7", "[::]:0"] {
        let address: SocketAddr = text.parse().unwrap();
        let mut raw = Raw::new(address);
        // SAFETY: a storage is as large as every family asks for.
        assert_eq!(unsafe { read(raw.as_mut_ptr()) }, Some(address));
    }
    // SAFETY: zeroes are the unspecified family.
    let mut none = Raw(unsafe { MaybeUninit::zeroed().assume_init() });
    // SAFETY: as above.
    assert_eq!(unsafe { read(none.as_mut_ptr()) }, None);
}
