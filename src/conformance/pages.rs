//! Windows, logical addresses and fast registrations, as checks use them.

use super::bench::{Ended, yields};
use super::statement::Outcome;
use super::world::{End, zeroed};
use crate::ndk::{
    Adapter, FastRegister, FastRegisterMr, Lam, Mw, OpFlags, RemoteAddress, Sge, Status, Token,
};

/// Both rights that a peer can have.
pub(super) const BOTH: OpFlags = OpFlags(OpFlags::ALLOW_REMOTE_READ.0 | OpFlags::ALLOW_REMOTE_WRITE.0);

pub(super) const PAGE: usize = Lam::PAGE_SIZE;

/// The number of the first byte of what checks register by pages.
pub(super) const BASE: u64 = 0x7000_0000_0000;

pub(super) fn window(end: &End) -> Outcome<Mw> {
    end.pd.create_mw().done("NdkCreateMw")
}

/// A window of the end, bound to bytes 64 to 128 of its memory.
pub(super) fn bound(end: &End, flags: OpFlags) -> Outcome<(Mw, Token)> {
    let window = window(end)?;
    let token = end.qp.bind(50, &end.mr, &window, 64..128, flags)?;
    yields(&end.cq, &[(50, Status::SUCCESS)], "a bind")?;
    Ok((window, token))
}

/// A byte of the end's memory under that token.
pub(super) fn under(end: &End, offset: usize, token: Token) -> Outcome<RemoteAddress> {
    Ok(RemoteAddress { token, ..end.remote(offset)? })
}

/// Zeroed pages and their logical addresses.
pub(super) fn lam(adapter: &Adapter, pages: usize) -> Outcome<Lam> {
    adapter.build_lam(zeroed(pages * PAGE)?).done("NdkBuildLam")
}

/// A fast-register region, initialised for 16 pages.
pub(super) fn fast_region(end: &End, remote_access: bool) -> Outcome<FastRegisterMr> {
    let region = end.pd.create_fast_register_mr().done("NdkCreateMr for fast register")?;
    region.initialize(16, remote_access).done("NdkInitializeFastRegisterMr")?;
    Ok(region)
}

/// All of these pages, from [`BASE`] on.
pub(super) fn whole(pages: &[u64]) -> FastRegister<'_> {
    let length = (pages.len() * PAGE) as u64;
    FastRegister { pages, first_byte_offset: 0, length, base_virtual_address: BASE }
}

/// A byte of what was registered.
pub(super) fn at(offset: usize, token: Token) -> RemoteAddress {
    RemoteAddress { address: BASE + offset as u64, token }
}

/// A part of what was registered, as an entry of this side.
pub(super) fn part(token: Token, from: usize, to: usize) -> Sge {
    Sge { address: BASE + from as u64, length: (to - from) as u32, token }
}

/// Registers these pages in the region; the remote token.
pub(super) fn registered(
    end: &End,
    region: &FastRegisterMr,
    pages: &[u64],
    flags: OpFlags,
) -> Outcome<Token> {
    let token = end.qp.fast_register(70, region, whole(pages), flags)?;
    yields(&end.cq, &[(70, Status::SUCCESS)], "a fast register")?;
    Ok(token)
}

/// Bytes of a mapping.
pub(super) fn bytes_of(lam: &Lam, from: usize, length: usize) -> Outcome<Vec<u8>> {
    let mut bytes = vec![0; length];
    lam.read(from, &mut bytes)?;
    Ok(bytes)
}
