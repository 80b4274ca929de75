//! I/O procedures by their codes, files by their names.

use super::{Failed, MmioInfo, on, told, wrong};
use crate::border::{Installed, IoProc, Out, Text, tell};
use crate::table::lock;
use qpair::ulp::file::{self, Code, FourCc, Mmio};
use std::sync::Mutex;

/// What C has installed, the newest last; the library knows the same procedures by makers of its own.
static INSTALLED: Mutex<Vec<Installed>> = Mutex::new(Vec::new());

const INSTALLPROC: u32 = 0x1_0000;
const REMOVEPROC: u32 = 0x2_0000;
const FINDPROC: u32 = 0x4_0000;
const TOUPPER: u32 = 0x10;

/// Installs, removes or finds a procedure; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioInstallIOProc(fourcc: u32, procedure: Option<IoProc>, flags: u32) -> Option<IoProc> {
    let code = FourCc(fourcc);
    let done = match flags & (INSTALLPROC | REMOVEPROC | FINDPROC) {
        INSTALLPROC => install(code, procedure),
        REMOVEPROC => remove(code),
        FINDPROC => Ok(find(code)),
        _ => Err(wrong("mmioInstallIOProc", "give one of MMIO_INSTALLPROC, _REMOVEPROC, _FINDPROC")),
    };
    done.unwrap_or_else(|failed| {
        failed.told();
        None
    })
}

fn install(code: FourCc, procedure: Option<IoProc>) -> Result<Option<IoProc>, Failed> {
    let given = procedure.ok_or(wrong("mmioInstallIOProc", "pIOProc is NULL"))?;
    let mut installed = lock(&INSTALLED);
    file::install(code, move || given)?;
    installed.push((code, given));
    Ok(procedure)
}

fn remove(code: FourCc) -> Result<Option<IoProc>, Failed> {
    let mut installed = lock(&INSTALLED);
    let last = installed.iter().rposition(|(of, _)| *of == code);
    let last = last.ok_or(wrong("mmioInstallIOProc", "no procedure is installed for that code"))?;
    file::uninstall(code)?;
    Ok(Some(installed.remove(last).1))
}

fn find(code: FourCc) -> Option<IoProc> {
    lock(&INSTALLED).iter().rev().find(|(of, _)| *of == code).map(|(_, procedure)| *procedure)
}

/// A code of the procedure's, or success.
fn answered(call: &'static str, answer: i64, otherwise: Code) -> Result<(), Failed> {
    match answer {
        0 => Ok(()),
        code => {
            let code = u32::try_from(code).map_or(otherwise, Code);
            Err(Failed::Here(call, code, "the I/O procedure answered so"))
        }
    }
}

/// Deletes a file by the procedure that is given, that the code names, or that the name asks for.
pub(super) fn delete(name: &str, info: &MmioInfo) -> Result<(), Failed> {
    match info.proc {
        Some(procedure) => answered("mmioOpen", procedure.delete(name, info.words), Code::CANNOT_OPEN),
        None => Ok(Mmio::delete(name, FourCc(info.fourcc))?),
    }
}

/// Renames a file; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioRename(old: Text, new: Text, info: Out<MmioInfo>, _flags: u32) -> u32 {
    const CALL: &str = "mmioRename";
    let renamed = || {
        let why = "a name is NULL or not UTF-8";
        let old = old.read().ok_or(wrong(CALL, why))?;
        let new = new.read().ok_or(wrong(CALL, why))?;
        let info = info.get().unwrap_or_default();
        match info.proc {
            Some(procedure) => answered(CALL, procedure.rename(old, new), Code::FILE_NOT_FOUND),
            None => Ok(file::rename(old, new, FourCc(info.fourcc))?),
        }
    };
    told(renamed())
}

/// Sends a procedure a message of its own; the header has the documentation.
///
/// The answer is the procedure's, so a call that fails here is told by its code, as there.
#[unsafe(no_mangle)]
pub extern "C" fn mmioSendMessage(handle: usize, message: u32, first: isize, second: isize) -> isize {
    let parameters = (first as i64, second as i64);
    let answer = on("mmioSendMessage", handle, |file| Ok(file.send_message(message, parameters)?));
    match answer {
        Ok(answer) => answer as isize,
        Err(failed) => failed.told() as isize,
    }
}

/// The code of up to four characters; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioStringToFOURCC(text: Text, flags: u32) -> u32 {
    let Some(bytes) = text.at_most(4) else {
        tell("mmioStringToFOURCC: sz is NULL; the code is 0");
        return 0;
    };
    let mut code = [b' '; 4];
    code.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    if flags & TOUPPER != 0 {
        code.make_ascii_uppercase();
    }
    u32::from_le_bytes(code)
}
