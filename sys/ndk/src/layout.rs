//! Every size, offset and number of the headers against Rust's, as a C compiler tells them.
//!
//! `tests/c/layout.c` prints them; what Rust has and C does not print, or the reverse, fails as well. The
//! order of the tables is that of the facts about NDK, written out here once more and not derived.

use crate::abi::*;
use crate::adapter::AdapterDispatch;
use crate::connector::ConnectorDispatch;
use crate::cq::CqDispatch;
use crate::extension::{
    ATOMIC, ATOMIC_WRITE, CqExtension, HAS_IMMEDIATE, QpExtension, RECEIVE_OF_WRITE, REMOTE_FLUSH, ResultMore,
};
use crate::faults::AdapterExtension;
use crate::listener::ListenerDispatch;
use crate::mr::MrDispatch;
use crate::mw::MwDispatch;
use crate::pd::PdDispatch;
use crate::qp::QpDispatch;
use crate::shared_endpoint::SharedEndpointDispatch;
use crate::srq::SrqDispatch;
use qpair::ndk::{AdapterFlags, MrFlags, NotifyType, OpFlags, OperationType, Sge, Status, ext};
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

type Lines = BTreeMap<String, u64>;

/// What the C compiler says; `None`: there is none.
fn said_by_c() -> Option<Lines> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if let Err(error) = Command::new(&compiler).arg("--version").output() {
        println!("skipped: there is no C compiler `{compiler}` ({error}); set CC or install one");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe().expect("the path of this test").with_extension("layout");
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"]).arg(root.join("include"));
    let output =
        command.arg(root.join("tests/c/layout.c")).arg("-o").arg(&program).output().expect("started before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&program).output().expect("it was compiled just now");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("it prints ASCII");
    Some(text.lines().map(line).collect())
}

fn line(text: &str) -> (String, u64) {
    let (name, number) = text.rsplit_once(' ').expect("a name and a number");
    (name.to_owned(), number.parse().expect("a number"))
}

/// Entries of a table, in order.
fn table(lines: &mut Lines, name: &str, entries: &[(&str, usize)]) {
    for (place, (entry, offset)) in entries.iter().enumerate() {
        assert_eq!(*offset, place * size_of::<usize>(), "{name}.{entry} in Rust");
        lines.insert(format!("field {name}.{entry}"), *offset as u64);
    }
}

macro_rules! tables {
    ($lines:ident: $($table:ty as $name:literal { $($field:ident $entry:literal),* $(,)? })*) => {$(
        table($lines, $name, &[$(($entry, offset_of!($table, $field))),*]);
    )*};
}

fn tables() -> Lines {
    let mut lines = Lines::new();
    ours(&mut lines);
    let into = &mut lines;
    tables! { into:
        AdapterDispatch as "NDK_ADAPTER_DISPATCH" {
            query_extension "NdkQueryExtension", query_adapter_info "NdkQueryAdapterInfo", create_cq "NdkCreateCq",
            create_pd "NdkCreatePd", create_shared_endpoint "NdkCreateSharedEndpoint",
            create_connector "NdkCreateConnector", create_listener "NdkCreateListener", build_lam "NdkBuildLAM",
            release_lam "NdkReleaseLAM",
        }
        CqDispatch as "NDK_CQ_DISPATCH" {
            close "NdkCloseCq", query_extension "NdkQueryExtension", resize "NdkResizeCq", arm "NdkArmCq",
            get_results "NdkGetCqResults", control_interrupt_moderation "NdkControlCqInterruptModeration",
            get_results_ex "NdkGetCqResultsEx",
        }
        PdDispatch as "NDK_PD_DISPATCH" {
            close "NdkClosePd", query_extension "NdkQueryExtension", create_mr "NdkCreateMr", create_mw "NdkCreateMw",
            create_srq "NdkCreateSrq", create_qp "NdkCreateQp", create_qp_with_srq "NdkCreateQpWithSrq",
            get_privileged_memory_region_token "NdkGetPrivilegedMemoryRegionToken",
        }
        MrDispatch as "NDK_MR_DISPATCH" {
            close "NdkCloseMr", query_extension "NdkQueryExtension", register "NdkRegisterMr",
            deregister "NdkDeregisterMr", initialize_fast_register "NdkInitializeFastRegisterMr",
            get_remote_token "NdkGetRemoteTokenFromMr", get_local_token "NdkGetLocalTokenFromMr",
        }
        MwDispatch as "NDK_MW_DISPATCH" {
            close "NdkCloseMw", query_extension "NdkQueryExtension", get_remote_token "NdkGetRemoteTokenFromMw",
        }
        SrqDispatch as "NDK_SRQ_DISPATCH" {
            close "NdkCloseSrq", query_extension "NdkQueryExtension", modify "NdkModifySrq", receive "NdkSrqReceive",
        }
        QpDispatch as "NDK_QP_DISPATCH" {
            close "NdkCloseQp", query_extension "NdkQueryExtension", flush "NdkFlush", send "NdkSend",
            receive "NdkReceive", bind "NdkBind", fast_register "NdkFastRegister", invalidate "NdkInvalidate",
            read "NdkRead", write "NdkWrite", send_and_invalidate "NdkSendAndInvalidate",
        }
        ConnectorDispatch as "NDK_CONNECTOR_DISPATCH" {
            close "NdkCloseConnector", query_extension "NdkQueryExtension", connect "NdkConnect",
            connect_with_shared_endpoint "NdkConnectWithSharedEndpoint", complete_connect "NdkCompleteConnect",
            accept "NdkAccept", reject "NdkReject", get_connection_data "NdkGetConnectionData",
            get_local_address "NdkGetLocalAddress", get_peer_address "NdkGetPeerAddress", disconnect "NdkDisconnect",
            complete_connect_ex "NdkCompleteConnectEx", accept_ex "NdkAcceptEx",
        }
        ListenerDispatch as "NDK_LISTENER_DISPATCH" {
            close "NdkCloseListener", query_extension "NdkQueryExtension", listen "NdkListen",
            get_local_address "NdkGetLocalAddress", control_connect_events "NdkControlConnectEvents",
        }
        SharedEndpointDispatch as "NDK_SHARED_ENDPOINT_DISPATCH" {
            close "NdkCloseSharedEndpoint", query_extension "NdkQueryExtension",
            get_local_address "NdkGetLocalAddress",
        }
    }
    lines
}

/// The tables of `qpair_ndk_ext.h`.
fn ours(lines: &mut Lines) {
    tables! { lines:
        QpExtension as "QPAIR_QP_EXTENSION" {
            send_with_immediate "SendWithImmediate", write_with_immediate "WriteWithImmediate",
            compare_and_swap "CompareAndSwap", fetch_and_add "FetchAndAdd", atomic_write "AtomicWrite",
            flush_remote "FlushRemote", flush_remote_region "FlushRemoteRegion",
        }
        CqExtension as "QPAIR_CQ_EXTENSION" { get_results "GetCqResults" }
        AdapterExtension as "QPAIR_ADAPTER_EXTENSION" {
            hold_calls "HoldCalls", release_one "ReleaseOne", release_all "ReleaseAll",
            delay_completions "DelayCompletions", cut_passes "CutPasses", fail_creation "FailCreation",
            inject "InjectStatus", disconnect_reason "DisconnectReason", remove_device "RemoveDevice",
            fired_count "FiredCount",
        }
    }
}

fn sizes() -> impl Iterator<Item = (&'static str, usize)> {
    [
        ("size NDK_VERSION", size_of::<Version>()),
        ("size NDK_OBJECT_HEADER", offset_of!(Face<QpDispatch>, dispatch)),
        ("size NDK_QP", size_of::<Face<QpDispatch>>()),
        ("size NDK_SGE", size_of::<Sge>()),
        ("size NDK_RESULT", size_of::<NdkResult>()),
        ("size NDK_RESULT_EX", size_of::<NdkResultEx>()),
        ("size NDK_LOGICAL_ADDRESS", size_of::<u64>()),
        ("size MDL", size_of::<Mdl>()),
        ("size GUID", size_of::<Guid>()),
        ("size GROUP_AFFINITY", size_of::<GroupAffinity>()),
        ("size NDK_EXTENSION_INTERFACE", size_of::<ExtensionInterface>()),
        ("size QPAIR_RESULT", size_of::<ResultMore>()),
        ("size NDK_ADAPTER_INFO", size_of::<AdapterInfo>()),
    ]
    .into_iter()
}

fn fields() -> impl Iterator<Item = (&'static str, usize)> {
    [
        ("field NDK_OBJECT_HEADER.Version", offset_of!(Face<QpDispatch>, version)),
        ("field NDK_OBJECT_HEADER.ObjectType", offset_of!(Face<QpDispatch>, object_type)),
        ("field NDK_OBJECT_HEADER.NdkReserved", offset_of!(Face<QpDispatch>, reserved)),
        ("field NDK_QP.Header", 0),
        ("field NDK_QP.Dispatch", offset_of!(Face<QpDispatch>, dispatch)),
        ("field NDK_SGE.VirtualAddress", offset_of!(Sge, address)),
        ("field NDK_SGE.LogicalAddress", offset_of!(Sge, address)),
        ("field NDK_SGE.Length", offset_of!(Sge, length)),
        ("field NDK_SGE.MemoryRegionToken", offset_of!(Sge, token)),
        ("field NDK_RESULT.Status", offset_of!(NdkResult, status)),
        ("field NDK_RESULT.BytesTransferred", offset_of!(NdkResult, bytes_transferred)),
        ("field NDK_RESULT.QPContext", offset_of!(NdkResult, qp_context)),
        ("field NDK_RESULT.RequestContext", offset_of!(NdkResult, request_context)),
        ("field NDK_RESULT_EX.RequestContext", offset_of!(NdkResultEx, result.request_context)),
        ("field NDK_RESULT_EX.Type", offset_of!(NdkResultEx, operation_type)),
        ("field NDK_RESULT_EX.ProviderErrorCode", offset_of!(NdkResultEx, provider_error_code)),
        (
            "field NDK_RESULT_EX.TypeSpecificCompletionOutput",
            offset_of!(NdkResultEx, type_specific_completion_output),
        ),
        (
            "field NDK_LOGICAL_ADDRESS_MAPPING.AdapterContext",
            offset_of!(LogicalAddressMapping, adapter_context),
        ),
        (
            "field NDK_LOGICAL_ADDRESS_MAPPING.AdapterPageCount",
            offset_of!(LogicalAddressMapping, adapter_page_count),
        ),
        ("field QPAIR_RESULT.Flags", offset_of!(ResultMore, flags)),
        ("field QPAIR_RESULT.Immediate", offset_of!(ResultMore, immediate)),
        ("field NDK_LOGICAL_ADDRESS_MAPPING.AdapterPageArray", size_of::<LogicalAddressMapping>()),
        ("field MDL.Next", offset_of!(Mdl, next)),
        ("field MDL.StartVa", offset_of!(Mdl, start_va)),
        ("field MDL.ByteCount", offset_of!(Mdl, byte_count)),
        ("field NDK_ADAPTER_INFO.MaxRegistrationSize", offset_of!(AdapterInfo, max_registration_size)),
        ("field NDK_ADAPTER_INFO.FRMRPageCount", offset_of!(AdapterInfo, frmr_page_count)),
        ("field NDK_ADAPTER_INFO.MaxInlineDataSize", offset_of!(AdapterInfo, max_inline_data_size)),
        ("field NDK_ADAPTER_INFO.MaxCqDepth", offset_of!(AdapterInfo, max_cq_depth)),
        ("field NDK_ADAPTER_INFO.MaxCalleeData", offset_of!(AdapterInfo, max_callee_data)),
        ("field NDK_ADAPTER_INFO.AdapterFlags", offset_of!(AdapterInfo, adapter_flags)),
        ("field NDK_ADAPTER_INFO.RdmaTechnology", offset_of!(AdapterInfo, rdma_technology)),
    ]
    .into_iter()
}

#[rustfmt::skip] // a table is read by its columns
fn numbers() -> impl Iterator<Item = (&'static str, u32)> {
    [
        ("NDK_OP_FLAG_SILENT_SUCCESS", OpFlags::SILENT_SUCCESS.0),
        ("NDK_OP_FLAG_READ_FENCE", OpFlags::READ_FENCE.0),
        ("NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT", OpFlags::SEND_AND_SOLICIT_EVENT.0),
        ("NDK_OP_FLAG_ALLOW_REMOTE_READ", OpFlags::ALLOW_REMOTE_READ.0),
        ("NDK_OP_FLAG_ALLOW_LOCAL_WRITE", OpFlags::ALLOW_LOCAL_WRITE.0),
        ("NDK_OP_FLAG_ALLOW_REMOTE_WRITE", OpFlags::ALLOW_REMOTE_WRITE.0),
        ("NDK_OP_FLAG_INLINE", OpFlags::INLINE.0),
        ("NDK_OP_FLAG_RDMA_READ_SINK", OpFlags::RDMA_READ_SINK.0),
        ("NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE", OpFlags::RDMA_READ_LOCAL_INVALIDATE.0),
        ("NDK_OP_FLAG_DEFER", OpFlags::DEFER.0),
        ("NDK_MR_FLAG_ALLOW_LOCAL_READ", MrFlags::ALLOW_LOCAL_READ.0),
        ("NDK_MR_FLAG_ALLOW_LOCAL_WRITE", MrFlags::ALLOW_LOCAL_WRITE.0),
        ("NDK_MR_FLAG_ALLOW_REMOTE_READ", MrFlags::ALLOW_REMOTE_READ.0),
        ("NDK_MR_FLAG_ALLOW_REMOTE_WRITE", MrFlags::ALLOW_REMOTE_WRITE.0),
        ("NDK_MR_FLAG_RDMA_READ_SINK", MrFlags::RDMA_READ_SINK.0),
        ("NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED", AdapterFlags::IN_ORDER_DMA_SUPPORTED.0),
        ("NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED", AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED.0),
        ("NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED", AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED.0),
        ("NDK_ADAPTER_FLAG_MULTI_ENGINE_SUPPORTED", AdapterFlags::MULTI_ENGINE_SUPPORTED.0),
        ("NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED", AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED.0),
        ("NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED", AdapterFlags::CQ_RESIZE_SUPPORTED.0),
        ("NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED", AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED.0),
        ("NDK_CQ_NOTIFY_ERRORS", NotifyType::Errors as u32),
        ("NDK_CQ_NOTIFY_ANY", NotifyType::Any as u32),
        ("NDK_CQ_NOTIFY_SOLICITED", NotifyType::Solicited as u32),
        ("NdkObjectTypeAdapter", ObjectType::Adapter as u32),
        ("NdkObjectTypeQp", ObjectType::Qp as u32),
        ("NdkObjectTypeCq", ObjectType::Cq as u32),
        ("NdkObjectTypeMr", ObjectType::Mr as u32),
        ("NdkObjectTypeMw", ObjectType::Mw as u32),
        ("NdkObjectTypePd", ObjectType::Pd as u32),
        ("NdkObjectTypeSharedEndpoint", ObjectType::SharedEndpoint as u32),
        ("NdkObjectTypeConnector", ObjectType::Connector as u32),
        ("NdkObjectTypeListener", ObjectType::Listener as u32),
        ("NdkObjectTypeSrq", ObjectType::Srq as u32),
        ("NdkOperationTypeReceive", OperationType::Receive as u32),
        ("NdkOperationTypeReceiveAndInvalidate", OperationType::ReceiveAndInvalidate as u32),
        ("NdkOperationTypeSend", OperationType::Send as u32),
        ("NdkOperationTypeFastRegister", OperationType::FastRegister as u32),
        ("NdkOperationTypeBind", OperationType::Bind as u32),
        ("NdkOperationTypeInvalidate", OperationType::Invalidate as u32),
        ("NdkOperationTypeRead", OperationType::Read as u32),
        ("QPAIR_MR_FLAG_ALLOW_REMOTE_ATOMIC", ext::ALLOW_REMOTE_ATOMIC.0),
        ("QPAIR_MR_FLAG_ALLOW_REMOTE_INVALIDATE", ext::ALLOW_REMOTE_INVALIDATE.0),
        ("QPAIR_MR_FLAG_ALLOW_FLUSH_GLOBAL", ext::ALLOW_FLUSH_GLOBAL.0),
        ("QPAIR_RESULT_HAS_IMMEDIATE", HAS_IMMEDIATE),
        ("QPAIR_RESULT_RECEIVE_OF_WRITE", RECEIVE_OF_WRITE),
        ("QPAIR_RESULT_ATOMIC", ATOMIC),
        ("QPAIR_RESULT_ATOMIC_WRITE", ATOMIC_WRITE),
        ("QPAIR_RESULT_REMOTE_FLUSH", REMOTE_FLUSH),
        ("QPAIR_FLUSH_GLOBAL", ext::FlushPlacement::GLOBAL.0.into()),
        ("QPAIR_FLUSH_PERSISTENT", ext::FlushPlacement::PERSISTENT.0.into()),
        ("NdkOperationTypeWrite", OperationType::Write as u32),
    ]
    .into_iter()
}

#[test]
fn c_and_rust_see_the_same_layout_and_numbers() {
    let Some(mut c) = said_by_c() else { return };
    let mut rust = tables();
    rust.extend(sizes().chain(fields()).map(|(name, value)| (name.to_owned(), value as u64)));
    rust.extend(numbers().map(|(name, value)| (format!("number {name}"), value.into())));
    let (statuses, others): (Lines, Lines) =
        std::mem::take(&mut c).into_iter().partition(|(name, _)| name.contains("STATUS_"));
    assert_eq!(others, rust);
    // FLAG-1 and the numbers of statuses: every name that Rust knows by its number is that of the header.
    for (name, number) in &statuses {
        let name = name.strip_prefix("number ").expect("statuses are numbers");
        assert_eq!(Status(*number as u32).name(), Some(name));
    }
    assert_eq!(statuses.len(), STATUSES, "add new ones to the header and to layout.c");
}

/// Statuses that NDK uses, by the facts about it.
const STATUSES: usize = 52;
