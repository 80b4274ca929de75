//! `qpair devices`: the adapters that can be opened here, and what each can do.

use super::Verdict;
use super::output::{Bytes, Count, Output};
use super::world::ADAPTER;
use clap::Args;
use qpair::ndk::ext::{AdapterExt, Feature};
use qpair::ndk::{Adapter, AdapterFlags, AdapterInfo, Error, RdmaTechnology};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// There is nothing to choose.
#[derive(Args, Debug)]
pub struct Options {}

/// Runs the subcommand.
pub fn run(_: &Options, output: Output) -> anyhow::Result<Verdict> {
    output.print(&Listing::new())?;
    Ok(Verdict::AsPromised)
}

/// Everything that is told; its fields are those of the document.
#[derive(Serialize)]
struct Listing {
    command: &'static str,
    devices: Vec<Told>,
    /// Why no device of the kernel is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_kernel_devices: Option<String>,
}

#[derive(Serialize)]
struct Told {
    name: String,
    /// `emulated`, or `kernel`.
    kind: &'static str,
    /// What it can do, if it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    can: Option<Can>,
    /// Why it does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<String>,
}

/// What an adapter says of itself, with the names of NDK_ADAPTER_INFO.
#[derive(Serialize)]
struct Can {
    addresses: Vec<String>,
    technology: &'static str,
    version: String,
    max_registration_size: usize,
    max_window_size: usize,
    frmr_page_count: u32,
    max_initiator_request_sge: u32,
    max_receive_request_sge: u32,
    max_read_request_sge: u32,
    max_transfer_length: u32,
    max_inline_data_size: u32,
    max_inbound_read_limit: u32,
    max_outbound_read_limit: u32,
    max_receive_queue_depth: u32,
    max_initiator_queue_depth: u32,
    max_srq_depth: u32,
    max_cq_depth: u32,
    flags: Vec<&'static str>,
    /// What it has beyond NDK, by the names of `ndk::ext::Feature`.
    features: Vec<&'static str>,
    /// What of that it lacks, and why.
    lacks: BTreeMap<&'static str, String>,
}

impl Listing {
    fn new() -> Self {
        let mut devices = vec![Told::new(ADAPTER, "emulated")];
        let mut no_kernel_devices = None;
        match Adapter::kernel_devices() {
            Ok(names) if names.is_empty() => {
                no_kernel_devices = Some("the kernel has none: `qpair doctor` says more".to_owned());
            }
            Ok(names) => devices.extend(names.iter().map(|name| Told::new(name, "kernel"))),
            Err(error) => no_kernel_devices = Some(error.to_string()),
        }
        Self { command: "devices", devices, no_kernel_devices }
    }
}

impl Told {
    fn new(name: &str, kind: &'static str) -> Self {
        let name = name.to_owned();
        match Adapter::open(&name) {
            Ok(adapter) => Self { name, kind, can: Some(Can::new(&adapter)), why_not: None },
            Err(error) => Self { name, kind, can: None, why_not: Some(error.to_string()) },
        }
    }
}

impl Can {
    fn new(adapter: &Adapter) -> Self {
        let info = adapter.info();
        let has = || Feature::ALL.iter().map(|feature| (feature.name(), adapter.has(*feature)));
        Self {
            addresses: adapter.addresses().iter().map(|address| address.ip().to_string()).collect(),
            technology: technology(info),
            version: info.version.to_string(),
            max_registration_size: info.max_registration_size,
            max_window_size: info.max_window_size,
            frmr_page_count: info.frmr_page_count,
            max_initiator_request_sge: info.max_initiator_request_sge,
            max_receive_request_sge: info.max_receive_request_sge,
            max_read_request_sge: info.max_read_request_sge,
            max_transfer_length: info.max_transfer_length,
            max_inline_data_size: info.max_inline_data_size,
            max_inbound_read_limit: info.max_inbound_read_limit,
            max_outbound_read_limit: info.max_outbound_read_limit,
            max_receive_queue_depth: info.max_receive_queue_depth,
            max_initiator_queue_depth: info.max_initiator_queue_depth,
            max_srq_depth: info.max_srq_depth,
            max_cq_depth: info.max_cq_depth,
            flags: FLAGS
                .iter()
                .filter(|(flag, _)| info.adapter_flags.contains(*flag))
                .map(|(_, name)| *name)
                .collect(),
            features: has().filter_map(|(name, has)| has.ok().map(|()| name)).collect(),
            lacks: has().filter_map(|(name, has)| has.err().map(|error| (name, reason(&error)))).collect(),
        }
    }
}

/// Why a device lacks something: what the error hints at.
fn reason(error: &Error) -> String {
    error.hint().map_or_else(|| error.to_string(), str::to_owned)
}

fn technology(info: &AdapterInfo) -> &'static str {
    match info.rdma_technology {
        RdmaTechnology::Undefined => "within a process",
        RdmaTechnology::IWarp => "iWARP",
        RdmaTechnology::InfiniBand => "InfiniBand",
        RdmaTechnology::RoCE => "RoCE",
        RdmaTechnology::RoCEv2 => "RoCEv2",
        _ => "unnamed",
    }
}

const FLAGS: [(AdapterFlags, &str); 7] = [
    (AdapterFlags::IN_ORDER_DMA_SUPPORTED, "IN_ORDER_DMA"),
    (AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED, "RDMA_READ_SINK_NOT_REQUIRED"),
    (AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED, "CQ_INTERRUPT_MODERATION"),
    (AdapterFlags::MULTI_ENGINE_SUPPORTED, "MULTI_ENGINE"),
    (AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED, "RDMA_READ_LOCAL_INVALIDATE"),
    (AdapterFlags::CQ_RESIZE_SUPPORTED, "CQ_RESIZE"),
    (AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED, "LOOPBACK_CONNECTIONS"),
];

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.devices.iter().try_for_each(|device| device.fmt(f))?;
        match &self.no_kernel_devices {
            Some(why) => writeln!(f, "no device of the kernel: {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, can, why_not } = self;
        let Some(can) = can else {
            let why_not = why_not.as_deref().unwrap_or("for no reason given");
            return writeln!(f, "{name}  {kind}; does not open: {why_not}\n");
        };
        writeln!(f, "{name}  {kind}, {}, NDK {}", can.technology, can.version)?;
        can.fmt(f)
    }
}

impl fmt::Display for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: u32| Count(number.into());
        let bytes = |number: usize| Bytes(number as u64);
        writeln!(f, "  addresses    {}", self.addresses.join(", "))?;
        writeln!(
            f,
            "  queues       {} receives, {} initiator requests, {} shared receives, {} completions",
            count(self.max_receive_queue_depth),
            count(self.max_initiator_queue_depth),
            count(self.max_srq_depth),
            count(self.max_cq_depth),
        )?;
        writeln!(
            f,
            "  requests     {} entries, {} of a receive, {} of a read; {}, {} inline; reads {} in, {} out",
            self.max_initiator_request_sge,
            self.max_receive_request_sge,
            self.max_read_request_sge,
            bytes(self.max_transfer_length as usize),
            bytes(self.max_inline_data_size as usize),
            self.max_inbound_read_limit,
            self.max_outbound_read_limit,
        )?;
        writeln!(
            f,
            "  memory       {} a registration, {} a window",
            bytes(self.max_registration_size),
            bytes(self.max_window_size)
        )?;
        writeln!(f, "  flags        {}", self.flags.join(", "))?;
        writeln!(f, "  beyond NDK   {}", self.features.join(", "))?;
        self.lacks.values().try_for_each(|why| writeln!(f, "  lacks        {why}"))?;
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulated_device_is_always_there() {
        let listing = Listing::new();
        assert_eq!((listing.devices[0].name.as_str(), listing.devices[0].kind), ("local", "emulated"));
        let text = listing.to_string();
        assert!(text.starts_with("local  emulated, within a process, NDK 2.1\n"), "{text}");
        assert!(text.contains("LOOPBACK_CONNECTIONS"), "{text}");
        let can = listing.devices[0].can.as_ref().unwrap();
        assert_eq!((can.features.len(), can.lacks.len()), (Feature::ALL.len(), 0));
        assert_eq!(listing.devices.len() == 1, listing.no_kernel_devices.is_some());
    }

    #[test]
    fn a_device_that_does_not_open_is_told_with_the_reason() {
        let told = Told::new("local/", "emulated");
        assert!(told.can.is_none());
        assert!(told.to_string().starts_with("local/  emulated; does not open: "), "{told}");
    }
}
