//! Log I/O blocks as they lie on the disk: header, records, and a signature in every sector.
//!
//! The last two bytes of each sector are its signature: type and place in the block, and the update sequence
//! number that all sectors of one write share. A sector with another number belongs to another write, so the
//! block is torn. Header and records fill the other 510 bytes of each sector; nothing is displaced, so there
//! is no array of displaced bytes as the original has it. The CRC covers all sectors, signatures in place.

use super::lsn::{Lsn, SECTOR};

/// Bytes of a sector that header and records may fill.
pub(super) const FILL: usize = SECTOR as usize - 2;
/// Bytes of the header, which begins the first sector.
pub(super) const HEADER: usize = 72;

const MAGIC: u32 = u32::from_le_bytes(*b"QPLG");
const VERSION: u16 = 1;
const CRC_AT: usize = 60;

const TYPE_DATA: u8 = 0x04;
const BEGIN: u8 = 0x40;
const END: u8 = 0x20;

/// A block named by its place and its content, so that nothing else can pass for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) lsn: Lsn,
    pub(super) crc: u32,
}

impl Link {
    /// What the first block of a log links to.
    pub(super) const NONE: Self = Self { lsn: Lsn::INVALID, crc: 0 };
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log: u128,
    pub(super) incarnation: u64,
    pub(super) lsn: Lsn,
    pub(super) records: u32,
    pub(super) usn: u8,
    /// The block before it.
    pub(super) before: Link,
}

/// A block that was read and found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) crc: u32,
    /// Bytes on the disk.
    pub(super) length: u64,
    /// The records, one after the other.
    pub(super) records: Vec<u8>,
}

/// Why bytes are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoBlock {
    /// No block begins there.
    #[error("no block begins there")]
    Absent,
    /// Some sector belongs to another write.
    #[error("the block is torn: sector {0} is of another write")]
    Torn(u64),
    /// All sectors are of one write, but bytes have changed.
    #[error("the block is damaged: its checksum differs")]
    Damaged,
}

/// Sectors that a block with so many bytes of records takes.
pub(super) fn sectors(records: usize) -> u64 {
    (HEADER + records).div_ceil(FILL) as u64
}

/// Bytes of records that a block of so many bytes can hold.
pub(super) fn capacity(length: u64) -> usize {
    ((length / SECTOR) as usize * FILL).saturating_sub(HEADER)
}

/// The image of a block, and its CRC.
pub(super) fn seal(header: &Header, records: &[u8]) -> (Vec<u8>, u32) {
    let sectors = sectors(records.len());
    let mut head = Vec::with_capacity(FILL);
    head.extend_from_slice(&MAGIC.to_le_bytes());
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&[header.usn, 0]);
    head.extend_from_slice(&header.log.to_le_bytes());
    head.extend_from_slice(&header.incarnation.to_le_bytes());
    head.extend_from_slice(&header.lsn.as_u64().to_le_bytes());
    head.extend_from_slice(&(sectors as u32).to_le_bytes());
    head.extend_from_slice(&header.records.to_le_bytes());
    head.extend_from_slice(&header.before.lsn.as_u64().to_le_bytes());
    head.extend_from_slice(&header.before.crc.to_le_bytes());
    head.extend_from_slice(&[0; 4]); // the CRC
    head.extend_from_slice(&(records.len() as u32).to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    debug_assert_eq!(head.len(), HEADER);
    let first = records.len().min(FILL - HEADER);
    head.extend_from_slice(&records[..first]);

    let mut image = Vec::with_capacity((sectors * SECTOR) as usize);
    for (n, fill) in std::iter::once(head.as_slice()).chain(records[first..].chunks(FILL)).enumerate() {
        image.extend_from_slice(fill);
        image.resize(n * SECTOR as usize + FILL, 0);
        image.extend_from_slice(&signature(n as u64, sectors, header.usn));
    }
    let crc = checksum(&image);
    image[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    (image, crc)
}

fn signature(sector: u64, sectors: u64, usn: u8) -> [u8; 2] {
    let begin = if sector == 0 { BEGIN } else { 0 };
    let end = if sector + 1 == sectors { END } else { 0 };
    [TYPE_DATA | begin | end, usn]
}

fn checksum(image: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&image[..CRC_AT]), &[0; 4]);
    crc32c::crc32c_append(crc, &image[CRC_AT + 4..])
}

/// Bytes of the block that begins with this sector, if one does.
pub(super) fn length_of(sector: &[u8]) -> Result<u64, NoBlock> {
    let whole = sector.len() >= SECTOR as usize;
    if !whole || number::<4>(sector, 0) != u64::from(MAGIC) || number::<2>(sector, 4) != u64::from(VERSION) {
        return Err(NoBlock::Absent);
    }
    match number::<4>(sector, 40) {
        0 => Err(NoBlock::Absent),
        sectors => Ok(sectors * SECTOR),
    }
}

/// A little-endian number of `N` bytes; the caller has seen that they are there.
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(number)
}

/// The block that `image` is, if it is a whole one. The caller judges whether it is the one that it wants.
pub(super) fn open(image: &[u8]) -> Result<Block, NoBlock> {
    let length = length_of(image)?;
    if length != image.len() as u64 {
        return Err(NoBlock::Absent);
    }
    let usn = image[6];
    let sectors = length / SECTOR;
    for (n, sector) in (0..).zip(image.chunks_exact(SECTOR as usize)) {
        if sector[FILL..] != signature(n, sectors, usn)
            && !super::planted!(SignaturesUnchecked, "sectors of another write are not noticed as such")
        {
            return Err(NoBlock::Torn(n));
        }
    }
    let crc = number::<4>(image, CRC_AT) as u32;
    if crc != checksum(image) && !super::planted!(ChecksumUnchecked, "damaged bytes are taken as they are") {
        return Err(NoBlock::Damaged);
    }
    let used = number::<4>(image, 64) as usize;
    if HEADER + used > sectors as usize * FILL || self::sectors(used) != sectors {
        return Err(NoBlock::Damaged);
    }
    let mut records = Vec::with_capacity(sectors as usize * FILL);
    image.chunks_exact(SECTOR as usize).for_each(|sector| records.extend_from_slice(&sector[..FILL]));
    records.drain(..HEADER);
    records.truncate(used);
    let mut log = [0; 16];
    log.copy_from_slice(&image[8..24]);
    let header = Header {
        log: u128::from_le_bytes(log),
        incarnation: number::<8>(image, 24),
        lsn: Lsn::from_u64(number::<8>(image, 32)),
        records: number::<4>(image, 44) as u32,
        usn,
        before: Link { lsn: Lsn::from_u64(number::<8>(image, 48)), crc: number::<4>(image, 56) as u32 },
    };
    Ok(Block { header, crc, length, records })
}

/// The CRC that stands in an image made by [`seal`].
pub(super) fn crc_of(image: &[u8]) -> u32 {
    number::<4>(image, CRC_AT) as u32
}
