//! Which procedure a file gets: by its code, or by its name.

use super::mmio::open_procedure;
use super::system::SystemFile;
use super::{Code, Error, FourCc, Message, Procedure, State};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the procedure of one open file.
pub(super) type Maker = Arc<dyn Fn() -> Box<dyn Procedure> + Send + Sync>;

static INSTALLED: Mutex<Vec<(FourCc, Maker)>> = Mutex::new(Vec::new());

/// Installs a procedure for files of that code (`mmioInstallIOProc`); later ones shadow earlier ones.
///
/// `make` is called once for each file that is opened. A name like `x.EXT+element` finds it by the extension
/// in upper case.
///
/// # Errors
/// `INVALID_PARAMETER`: the code is none, or one of the built-in ones.
pub fn install<P: Procedure + 'static>(
    fourcc: FourCc,
    make: impl Fn() -> P + Send + Sync + 'static,
) -> Result<(), Error> {
    check(fourcc)?;
    let maker: Maker = Arc::new(move || Box::new(make()));
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner).push((fourcc, maker));
    Ok(())
}

/// Removes the procedure that was installed last for that code.
///
/// # Errors
/// `INVALID_PARAMETER`: none is installed, it is built in, or a file is open that uses it.
pub fn uninstall(fourcc: FourCc) -> Result<(), Error> {
    check(fourcc)?;
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let last = installed.iter().rposition(|(code, _)| *code == fourcc);
    match last.filter(|last| Arc::strong_count(&installed[*last].1) == 1) {
        Some(last) => {
            let removed = installed.remove(last);
            drop(installed);
            drop(removed); // foreign code: not below the lock
            Ok(())
        }
        None => Err(refused()),
    }
}

fn check(fourcc: FourCc) -> Result<(), Error> {
    if [FourCc::NONE, FourCc::DOS, FourCc::MEM].contains(&fourcc) { Err(refused()) } else { Ok(()) }
}

fn refused() -> Error {
    Error::new("mmioInstallIOProc", Code::INVALID_PARAMETER, None)
}

/// Renames a file by the procedure of that code, or the one that its name asks for (`mmioRename`).
///
/// # Errors
/// The code of the procedure: `FILE_NOT_FOUND` where there is no such file.
pub fn rename(old: &str, new: &str, fourcc: FourCc) -> Result<(), Error> {
    let failed = |code, system| Error::new("mmioRename", code, system);
    let chosen = open_procedure(None, fourcc, old).map_err(|code| failed(code, None))?;
    let (mut procedure, _in_use) = chosen.procedure;
    let mut state = State::default();
    match procedure.message(&mut state, Message::Rename { old, new }) {
        0 => Ok(()),
        code => Err(failed(Code(u32::try_from(code).unwrap_or(Code::FILE_NOT_FOUND.0)), state.system)),
    }
}

/// What serves a file.
pub(super) type Served = (Box<dyn Procedure>, Option<Maker>);

/// The procedure of that code.
pub(super) fn by_code(fourcc: FourCc) -> Option<Served> {
    if fourcc == FourCc::DOS {
        return Some((Box::new(SystemFile::default()), None));
    }
    let maker = {
        let installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, maker) = installed.iter().rev().find(|(code, _)| *code == fourcc)?;
        Arc::clone(maker)
    };
    Some((maker(), Some(maker)))
}

/// The code that a name asks for: the extension before the rightmost `+` that has one.
pub(super) fn code_of_name(name: &str) -> FourCc {
    let mut rest = name;
    while let Some((before, _)) = rest.rsplit_once('+') {
        let file = before.rsplit(['/', '\\']).next().unwrap_or(before);
        if let Some((_, extension)) = file.rsplit_once('.').filter(|(_, extension)| !extension.is_empty()) {
            return FourCc::of_upper(extension);
        }
        rest = before;
    }
    FourCc::DOS
}
