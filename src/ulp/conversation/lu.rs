//! Logical units: where programs of one name meet, and what they know of others.

use super::allocation::Share;
use super::attach::{Attach, Security, SyncLevel};
use super::code::Refusal;
use super::node::{NodeCore, Options, lock};
use super::session::Session;
use crate::fabric::clock::real_deadline;
use crate::ndk::{Connector, Error, Listener};
use crate::observe;
use crate::sync::{AtomicU64, Ordering};
use event_listener::Listener as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

/// A logical unit: where programs of one name meet.
#[derive(Clone)]
pub struct Lu {
    pub(super) core: Arc<LuCore>,
}

/// The unit as its sessions and programs hold it.
pub(super) struct LuCore {
    pub(super) node: Arc<NodeCore>,
    pub(super) options: Options,
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) address: SocketAddr,
    listener: Mutex<Option<Listener>>,
    directory: Mutex<Directory>,
    sessions: Mutex<BTreeMap<u64, Arc<Session>>>,
    log: Mutex<VecDeque<Vec<u8>>>,
    frames_sent: AtomicU64,
}

#[derive(Default)]
struct Directory {
    partners: BTreeMap<String, Partner>,
    modes: BTreeSet<String>,
    programs: BTreeMap<String, Program>,
    users: BTreeMap<String, String>,
    side: BTreeMap<String, SideInformation>,
}

/// Another unit, as this one knows it.
#[derive(Clone, Debug)]
pub(super) struct Partner {
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

struct Program {
    definition: TpDefinition,
    waiting: VecDeque<Arc<Session>>,
}

/// What a unit knows of a program that may be invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpDefinition {
    /// Its name, up to 64 bytes.
    pub name: String,
    /// It can confirm. Default true.
    pub confirms: bool,
    /// It takes initialisation parameters. Default false.
    pub pip: bool,
    /// It is for known users only. Default false.
    pub secure: bool,
    /// It can be invoked now. Default true.
    pub available: bool,
}

impl TpDefinition {
    /// A program of that name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), confirms: true, pip: false, secure: false, available: true }
    }
}

/// What a symbolic destination name of CPI-C stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideInformation {
    /// The partner LU, by alias or fully qualified name.
    pub partner_lu: String,
    /// The mode, up to 8 bytes.
    pub mode: String,
    /// The program, up to 64 bytes.
    pub tp_name: String,
    /// Who asks.
    pub security: Security,
}

/// Why no attach was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAttach {
    UnknownProgram,
    TimedOut,
    NodeDown,
}

/// Error logs that a unit keeps; older ones go.
const LOGS: usize = 16;

impl Lu {
    /// Where others reach it.
    pub fn address(&self) -> SocketAddr {
        self.core.address
    }

    /// Defines another unit, which may be on this node as well.
    pub fn define_partner(&self, alias: &str, name: &str, address: SocketAddr) {
        let partner = Partner { alias: alias.to_owned(), name: name.to_owned(), address };
        lock(&self.core.directory).partners.insert(alias.to_owned(), partner);
    }

    /// Defines a program that may be invoked.
    pub fn define_tp(&self, definition: TpDefinition) {
        let mut directory = lock(&self.core.directory);
        let name = definition.name.clone();
        let waiting = directory.programs.remove(&name).map(|program| program.waiting).unwrap_or_default();
        directory.programs.insert(name, Program { definition, waiting });
    }

    /// Defines a mode; blanks and `#INTER` are known from the beginning.
    pub fn define_mode(&self, name: &str) {
        lock(&self.core.directory).modes.insert(name.to_owned());
    }

    /// Defines a user who may invoke programs that are for known users.
    pub fn define_user(&self, user_id: &str, password: &str) {
        lock(&self.core.directory).users.insert(user_id.to_owned(), password.to_owned());
    }

    /// Defines what a symbolic destination name stands for, up to 8 bytes.
    pub fn define_side_information(&self, sym_dest_name: &str, information: SideInformation) {
        lock(&self.core.directory).side.insert(sym_dest_name.to_owned(), information);
    }

    /// Frames that its sessions have sent, of any kind.
    pub fn frames_sent(&self) -> u64 {
        self.core.frames_sent.load(Ordering::Relaxed) // a figure
    }

    /// The newest error log variables that partners have sent, oldest first; 16 are kept.
    ///
    /// Each begins with its length, two bytes, most significant first.
    pub fn error_log(&self) -> Vec<Vec<u8>> {
        lock(&self.core.log).iter().cloned().collect()
    }
}

impl fmt::Debug for Lu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lu({} at {})", self.core.name, self.core.address)
    }
}

impl LuCore {
    pub(super) fn listening(
        node: &Arc<NodeCore>,
        alias: &str,
        name: &str,
        address: SocketAddr,
    ) -> Result<Arc<Self>, Error> {
        let known: Arc<Mutex<Weak<Self>>> = Arc::default();
        let found = Arc::clone(&known);
        let on_connect = move |connector: Connector| {
            // A connector that is dropped refuses.
            if let Some(lu) = lock(&found).upgrade() {
                Session::accept(&lu, connector);
            }
        };
        let listener = node.adapter.create_listener(on_connect).wait()?;
        listener.listen(address).wait()?;
        let mut directory = Directory::default();
        directory.modes.extend([String::new(), "#INTER".to_owned()]);
        let lu = Arc::new(Self {
            node: Arc::clone(node),
            options: node.options,
            alias: alias.to_owned(),
            name: name.to_owned(),
            address: listener.local_address()?,
            listener: Mutex::new(Some(listener)),
            directory: Mutex::new(directory),
            sessions: Mutex::default(),
            log: Mutex::default(),
            frames_sent: AtomicU64::default(),
        });
        *lock(&known) = Arc::downgrade(&lu);
        Ok(lu)
    }

    /// The partner of that alias or name.
    pub(super) fn partner(&self, named: &str) -> Option<Partner> {
        let directory = lock(&self.directory);
        directory.partners.values().find(|partner| partner.alias == named || partner.name == named).cloned()
    }

    /// What this unit calls the unit of that name.
    pub(super) fn alias_of(&self, name: &str) -> String {
        self.partner(name).map(|partner| partner.alias).unwrap_or_default()
    }

    pub(super) fn knows_mode(&self, mode: &str) -> bool {
        lock(&self.directory).modes.contains(mode)
    }

    pub(super) fn side_information(&self, name: &str) -> Option<SideInformation> {
        lock(&self.directory).side.get(name).cloned()
    }

    /// Keeps a session alive until it is over.
    pub(super) fn keep(&self, session: &Arc<Session>) {
        lock(&self.sessions).insert(session.number, Arc::clone(session));
    }

    /// One more session would be too many.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.sessions).len() >= self.options.sessions
    }

    pub(super) fn let_go(&self, session: &Session) {
        let kept = lock(&self.sessions).remove(&session.number);
        drop(kept); // not below the lock: it may be the last
    }

    pub(super) fn count_frame(&self) {
        self.frames_sent.fetch_add(1, Ordering::Relaxed); // a figure
    }

    /// The node below is gone: so is every session, and whoever waits is told.
    pub(super) fn node_down(&self) {
        let sessions: Vec<Arc<Session>> = lock(&self.sessions).values().cloned().collect();
        sessions.iter().for_each(Session::node_down);
        self.node.attached.notify(usize::MAX);
    }

    /// Log data of a partner.
    pub(super) fn record_log(&self, log: &[u8]) {
        let mut kept = lock(&self.log);
        if kept.len() == LOGS {
            kept.pop_front();
        }
        kept.push_back(log.to_vec());
        observe::emit(observe::Event::ErrorLogReceived { length: log.len() });
    }

    /// An attach has come in: it waits for its program, or is refused.
    pub(super) fn attached(&self, session: &Arc<Session>) {
        let Some(attach) = session.with(|half| half.attach().cloned()) else { return };
        let judged = {
            let mut directory = lock(&self.directory);
            let judged = directory.judge(&attach, self.options.attaches);
            judged.map(|program| program.waiting.push_back(Arc::clone(session)))
        };
        match judged {
            Ok(()) => self.node.attached.notify(usize::MAX),
            Err(refusal) => {
                session.act(|half| half.refuse(refusal));
                0
            }
        };
    }

    fn take_attach(&self, names: &[&str]) -> Result<Option<Arc<Session>>, NoAttach> {
        if !self.node.is_up() {
            return Err(NoAttach::NodeDown);
        }
        let mut directory = lock(&self.directory);
        let mut known = false;
        for name in names {
            if let Some(program) = directory.programs.get_mut(*name) {
                known = true;
                if let Some(session) = program.waiting.pop_front() {
                    return Ok(Some(session));
                }
            }
        }
        if known { Ok(None) } else { Err(NoAttach::UnknownProgram) }
    }
}

/// The next attach for a program of one of these names, at any of these units of `node`.
///
/// Waits as long as the node's options say, in real time.
pub(super) fn next_attach(node: &NodeCore, units: &[Arc<LuCore>], names: &[&str]) -> Result<Share, NoAttach> {
    let deadline = node.options.receive_allocate_limit.and_then(real_deadline);
    loop {
        if let Some(share) = take_attach(units, names)? {
            return Ok(share);
        }
        let listener = node.attached.listen();
        if let Some(share) = take_attach(units, names)? {
            return Ok(share);
        }
        match deadline {
            None => listener.wait(),
            Some(deadline) => listener.wait_deadline(deadline).ok_or(NoAttach::TimedOut)?,
        }
    }
}

/// An attach that waits at one of the units.
fn take_attach(units: &[Arc<LuCore>], names: &[&str]) -> Result<Option<Share>, NoAttach> {
    let mut known = false;
    for lu in units {
        match lu.take_attach(names) {
            Ok(Some(session)) => return Ok(Some(Share { lu: Arc::clone(lu), session })),
            Ok(None) => known = true,
            Err(NoAttach::UnknownProgram) => {}
            Err(other) => return Err(other),
        }
    }
    if known { Ok(None) } else { Err(NoAttach::UnknownProgram) }
}

impl Directory {
    /// The program that is asked for.
    ///
    /// # Errors
    /// Why it cannot be invoked so.
    fn judge(&mut self, attach: &Attach, most: usize) -> Result<&mut Program, Refusal> {
        let known = match &attach.security {
            Security::None => None,
            Security::Same(user) => Some(self.users.contains_key(user)),
            Security::Program { user_id, password } => Some(self.users.get(user_id) == Some(password)),
        };
        let program = self.programs.get_mut(&attach.tp_name).ok_or(Refusal::ProgramNameNotRecognized)?;
        let definition = &program.definition;
        if known == Some(false) || definition.secure && known.is_none() {
            return Err(Refusal::SecurityNotValid);
        }
        if attach.mapped {
            return Err(Refusal::ConversationTypeMismatch);
        }
        if attach.sync_level != SyncLevel::None && !definition.confirms {
            return Err(Refusal::SyncLevelNotSupported);
        }
        if !attach.pip.is_empty() && !definition.pip {
            return Err(Refusal::PipNotAllowed);
        }
        if !definition.available {
            return Err(Refusal::ProgramNotAvailableNoRetry);
        }
        if program.waiting.len() >= most {
            return Err(Refusal::ProgramNotAvailableRetry);
        }
        Ok(program)
    }
}

impl Drop for LuCore {
    fn drop(&mut self) {
        // First of all: no connection comes in while the rest goes.
        drop(lock(&self.listener).take());
    }
}
