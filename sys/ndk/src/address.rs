//! Socket addresses of the host, as C passes them.

use crate::abi::NtStatus;
use crate::border::{Argument, Buffer, Bytes, Call, Out, Refused, Wrong, told};
use crate::object::{Handle, Kind};
use qpair::ndk::{Error, Status};
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Both addresses begin with their family, and the port follows in network order.
const FAMILY: usize = offset_of!(libc::sockaddr, sa_family);
const V4: usize = size_of::<libc::sockaddr_in>();
const V6: usize = size_of::<libc::sockaddr_in6>();

/// The address at `bytes`, which are `length` long.
pub(crate) fn read(
    bytes: &Bytes,
    length: u32,
    address: Argument,
    size: Argument,
) -> Result<SocketAddr, Refused> {
    const SHORT: Wrong =
        Wrong::Other("too short for its family; give the size of sockaddr_in or sockaddr_in6");
    if length == 0 {
        bytes.read(1, address)?; // NULL is told before the length
        return Err(size.is(SHORT));
    }
    let bytes = bytes.read(length, address)?;
    let family = field(bytes, FAMILY).ok_or_else(|| size.is(SHORT))?;
    match i32::from(libc::sa_family_t::from_ne_bytes(family)) {
        libc::AF_INET => v4(bytes),
        libc::AF_INET6 => v6(bytes),
        _ => {
            return Err(address.is(Wrong::Other("of an unknown family; use AF_INET or AF_INET6 of the host")));
        }
    }
    .ok_or_else(|| size.is(SHORT))
}

fn v4(bytes: &[u8]) -> Option<SocketAddr> {
    let bytes = bytes.get(..V4)?;
    let ip: [u8; 4] = field(bytes, offset_of!(libc::sockaddr_in, sin_addr))?;
    let port = field(bytes, offset_of!(libc::sockaddr_in, sin_port))?;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), u16::from_be_bytes(port)))
}

fn v6(bytes: &[u8]) -> Option<SocketAddr> {
    let bytes = bytes.get(..V6)?;
    let ip: [u8; 16] = field(bytes, offset_of!(libc::sockaddr_in6, sin6_addr))?;
    let port = field(bytes, offset_of!(libc::sockaddr_in6, sin6_port))?;
    let flow = field(bytes, offset_of!(libc::sockaddr_in6, sin6_flowinfo))?;
    let scope = field(bytes, offset_of!(libc::sockaddr_in6, sin6_scope_id))?;
    let (port, flow) = (u16::from_be_bytes(port), u32::from_be_bytes(flow));
    Some(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, u32::from_ne_bytes(scope)).into())
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// What a call answers that asks an object for one of its addresses: the buffer and its length are the
/// parameters behind the object.
pub(crate) fn answer<K: Kind>(
    call: Call,
    object: (&Handle<K>, &'static str),
    find: impl FnOnce(&K) -> Result<SocketAddr, Error>,
    (buffer, length): (&mut Buffer, &mut Out<u32>),
) -> NtStatus {
    told((|| {
        let (object, name) = object;
        let object = object.enter(call.argument(1, name))?;
        let places = (call.argument(2, "pAddress"), call.argument(3, "pAddressLength"));
        length.required(places.1)?;
        write(find(&object)?, buffer, length, places)
    })())
}

/// Gives `address` to the caller; too little room is told with the size that it takes (CONN-42).
fn write(
    address: SocketAddr,
    buffer: &mut Buffer,
    length: &mut Out<u32>,
    places: (Argument, Argument),
) -> Result<NtStatus, Refused> {
    let mut length = length.required(places.1)?;
    let (mut bytes, size) = ([0; V6], if address.is_ipv4() { V4 } else { V6 });
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    match address {
        SocketAddr::V4(v4) => {
            put(FAMILY, &(libc::AF_INET as libc::sa_family_t).to_ne_bytes());
            put(offset_of!(libc::sockaddr_in, sin_port), &v4.port().to_be_bytes());
            put(offset_of!(libc::sockaddr_in, sin_addr), &v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            put(FAMILY, &(libc::AF_INET6 as libc::sa_family_t).to_ne_bytes());
            put(offset_of!(libc::sockaddr_in6, sin6_port), &v6.port().to_be_bytes());
            put(offset_of!(libc::sockaddr_in6, sin6_flowinfo), &v6.flowinfo().to_be_bytes());
            put(offset_of!(libc::sockaddr_in6, sin6_addr), &v6.ip().octets());
            put(offset_of!(libc::sockaddr_in6, sin6_scope_id), &v6.scope_id().to_ne_bytes());
        }
    }
    let room = length.get();
    length.put(size as u32);
    if (room as usize) < size {
        return Ok(Status::BUFFER_TOO_SMALL.into());
    }
    if buffer.is_null() {
        return Err(places.0.is(Wrong::Null));
    }
    buffer.fill(room, &bytes[..size]);
    Ok(NtStatus::SUCCESS)
}
