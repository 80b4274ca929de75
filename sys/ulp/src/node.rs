//! The node of this process, on which APPC and CPI-C stand: its units, partners and programs
//! (`qpair_appc.h`, `qpair_cpic.h`).

use crate::border::{Text, tell};
use crate::cpic::CpicProgram;
use crate::table::lock;
use qpair::ndk::Adapter;
use qpair::ulp::conversation::appc::Appc;
use qpair::ulp::conversation::{Lu, Node, Options, SideInformation, TpDefinition};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The node, and what C has defined on it.
pub(crate) struct Running {
    node: Node,
    pub(crate) appc: Appc,
    address: SocketAddr,
    units: Mutex<Vec<Unit>>,
    pub(crate) programs: Mutex<Vec<Arc<CpicProgram>>>,
}

#[derive(Clone)]
struct Unit {
    alias: String,
    name: String,
    lu: Lu,
}

static NODE: Mutex<Option<Arc<Running>>> = Mutex::new(None);

/// The node, if there is one.
pub(crate) fn running() -> Option<Arc<Running>> {
    lock(&NODE).clone()
}

impl Running {
    /// The unit of that alias; without one the unit that was defined first.
    pub(crate) fn unit(&self, alias: &str) -> Option<Lu> {
        let units = lock(&self.units);
        units.iter().find(|unit| alias.is_empty() || unit.alias == alias).map(|unit| unit.lu.clone())
    }
}

/// Why a definition failed, by the numbers of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Outcome {
    Ok = 0,
    BadParameter = 1,
    NoNode = 2,
    Already = 3,
    Failed = 4,
}

/// A failure in words, and its number.
type Failed = (Outcome, String);

fn told(call: &str, result: Result<(), Failed>) -> i32 {
    result.map_or_else(
        |(outcome, why)| {
            tell(format_args!("{call}: {why}"));
            outcome as i32
        },
        |()| Outcome::Ok as i32,
    )
}

fn bad(what: &str) -> Failed {
    (Outcome::BadParameter, format!("{what}; see the header for what it may be"))
}

fn failed(why: impl fmt::Display) -> Failed {
    (Outcome::Failed, why.to_string())
}

fn required<'t>(text: &'t Text, what: &str) -> Result<&'t str, Failed> {
    text.read()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| bad(&format!("{what} is NULL, empty or not UTF-8")))
}

fn node() -> Result<Arc<Running>, Failed> {
    running().ok_or_else(|| (Outcome::NoNode, "there is no node; call qpair_appc_start first".to_owned()))
}

fn unit(alias: &Text) -> Result<Lu, Failed> {
    let alias = alias.read().unwrap_or_default();
    node()?.unit(alias).ok_or_else(|| bad(&format!("no unit has the alias `{alias}`")))
}

/// Starts the node of this process; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_start(device: Text, receive_allocate_ms: u32) -> i32 {
    told("qpair_appc_start", start(&device, receive_allocate_ms))
}

fn start(device: &Text, receive_allocate_ms: u32) -> Result<(), Failed> {
    let device = required(device, "device")?;
    let mut node = lock(&NODE);
    if node.is_some() {
        return Err((Outcome::Already, "there is a node; call qpair_appc_stop first".to_owned()));
    }
    let adapter = Adapter::open(device).map_err(failed)?;
    let address = *adapter.addresses().first().ok_or_else(|| failed("the device has no address"))?;
    let limit = (receive_allocate_ms > 0).then(|| Duration::from_millis(receive_allocate_ms.into()));
    let options = Options { receive_allocate_limit: limit, ..Options::default() };
    let made = Node::with_options(adapter, options).map_err(failed)?;
    let appc = Appc::new(&made);
    let (units, programs) = (Mutex::default(), Mutex::default());
    *node = Some(Arc::new(Running { node: made, appc, address, units, programs }));
    Ok(())
}

/// Ends the node, and all conversations with it; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn qpair_appc_stop() -> i32 {
    let stopped = lock(&NODE).take();
    let stopped = stopped.ok_or_else(|| (Outcome::NoNode, "there is no node".to_owned()));
    told("qpair_appc_stop", stopped.map(|running| running.node.shut_down()))
}

/// Defines a logical unit; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_define_lu(alias: Text, name: Text, port: u16) -> i32 {
    let define = || {
        let (alias, name) = (required(&alias, "lu_alias")?, required(&name, "fqlu_name")?);
        if alias.len() > 8 || name.len() > 17 {
            return Err(bad("an alias has up to 8 bytes, a name up to 17"));
        }
        let running = node()?;
        let mut units = lock(&running.units);
        if units.iter().any(|unit| unit.alias == alias || unit.name == name) {
            return Err((Outcome::Already, "there is a unit of that alias or name".to_owned()));
        }
        let address = SocketAddr::new(running.address.ip(), port);
        let lu = running.node.define_lu(alias, name, address).map_err(failed)?;
        units.push(Unit { alias: alias.to_owned(), name: name.to_owned(), lu });
        Ok(())
    };
    told("qpair_appc_define_lu", define())
}

/// Defines a partner of a unit; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_define_partner(lu: Text, alias: Text, name: Text, address: Text) -> i32 {
    let define = || {
        let (alias, name) = (required(&alias, "plu_alias")?, required(&name, "fqplu_name")?);
        let of = unit(&lu)?;
        let there = if address.is_null() {
            let running = node()?;
            let units = lock(&running.units);
            let found = units.iter().find(|unit| unit.name == name).map(|unit| unit.lu.address());
            found.ok_or_else(|| bad(&format!("this node has no unit `{name}`, and address is NULL")))?
        } else {
            required(&address, "address")?.parse().map_err(failed)?
        };
        of.define_partner(alias, name, there);
        Ok(())
    };
    told("qpair_appc_define_partner", define())
}

/// Defines a program that may be invoked; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_define_tp(lu: Text, tp_name: Text) -> i32 {
    let define = || {
        unit(&lu)?.define_tp(TpDefinition::new(required(&tp_name, "tp_name")?));
        Ok(())
    };
    told("qpair_appc_define_tp", define())
}

/// Defines a mode; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_define_mode(lu: Text, mode_name: Text) -> i32 {
    let define = || {
        unit(&lu)?.define_mode(required(&mode_name, "mode_name")?);
        Ok(())
    };
    told("qpair_appc_define_mode", define())
}

/// Defines side information for CPI-C; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_define_side(
    lu: Text,
    sym_dest_name: Text,
    partner_lu: Text,
    mode_name: Text,
    tp_name: Text,
) -> i32 {
    let define = || {
        let information = SideInformation {
            partner_lu: required(&partner_lu, "partner_lu")?.to_owned(),
            mode: mode_name.read().unwrap_or_default().to_owned(),
            tp_name: required(&tp_name, "tp_name")?.to_owned(),
            ..SideInformation::default()
        };
        unit(&lu)?.define_side_information(required(&sym_dest_name, "sym_dest_name")?, information);
        Ok(())
    };
    told("qpair_appc_define_side", define())
}

/// Frames that a unit has sent; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_appc_frames_sent(lu: Text) -> u64 {
    match unit(&lu) {
        Ok(lu) => lu.frames_sent(),
        Err((_, why)) => {
            tell(format_args!("qpair_appc_frames_sent: {why}"));
            0
        }
    }
}
