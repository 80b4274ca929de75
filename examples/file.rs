//! Multimedia file I/O: what is written is held back until a flush, which writes all of it or keeps it.

use qpair::ulp::file::{Buffer, Chunk, Create, Find, Flush, FourCc, Mmio, OpenFlags, OpenInfo, Origin};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("qpair-example-{}.wav", std::process::id()));
    let name = path.to_str().ok_or("the folder for temporary files has an odd name")?;

    // A RIFF file: its sizes are corrected when the chunks are ascended from.
    let info = OpenInfo { buffer: Buffer::Own(4096), ..OpenInfo::default() };
    let mut file = Mmio::open(name, info, OpenFlags::CREATE | OpenFlags::READWRITE)?;
    let mut riff = Chunk { kind: FourCc::of("WAVE"), ..Chunk::default() };
    let mut data = Chunk { id: FourCc::of("data"), ..Chunk::default() };
    file.create_chunk(&mut riff, Create::Riff)?;
    file.create_chunk(&mut data, Create::Plain)?;
    file.write(b"seven!!")?;
    file.ascend(&mut data)?;
    file.ascend(&mut riff)?;
    let held_back = std::fs::metadata(&path)?.len();
    file.flush(Flush::Keep)?;
    let flushed = std::fs::metadata(&path)?.len();
    assert_eq!((held_back, flushed), (0, 28));
    println!("before the flush the file had {held_back} bytes, after it {flushed}");

    file.seek(0, Origin::Start)?;
    let riff = file.descend(&riff, None, Find::Riff)?;
    let data = file.descend(&data, Some(&riff), Find::Chunk)?;
    let mut text = vec![0; data.size as usize];
    file.read(&mut text)?;
    println!("the data chunk holds {} bytes: {}", data.size, String::from_utf8_lossy(&text));
    file.close(false)?;
    Mmio::delete(name, FourCc::NONE)?;
    Ok(())
}
