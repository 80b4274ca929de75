/*
 * What NDK lacks, as extension interfaces of NDK: immediate data, remote atomics, ATOMIC WRITE and RDMA FLUSH,
 * which verbs has, and faults on purpose and a clock to be moved, for programs that test their error paths.
 *
 *     GUID id = QPAIR_NDK_EXTENSION;
 *     NDK_VERSION version = {1, 1};
 *     NDK_EXTENSION_INTERFACE interface;
 *     status = qp->Dispatch->NdkQueryExtension(&qp->Header, &id, version, &interface);
 *     const QPAIR_QP_EXTENSION *more = interface.Dispatch;
 *
 * The same id asks a queue pair for a QPAIR_QP_EXTENSION, a completion queue for a QPAIR_CQ_EXTENSION, and an
 * adapter that was opened for it for a QPAIR_ADAPTER_EXTENSION; any other object answers STATUS_NOT_SUPPORTED.
 * A provider that is not qpair answers so as well.
 */
#ifndef QPAIR_NDK_EXT_H
#define QPAIR_NDK_EXT_H

#include "ndkpi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QPAIR_NDK_EXTENSION \
    {0x4c181af9, 0xc35b, 0x47e0, {0x95, 0xfd, 0x19, 0x27, 0xe8, 0xdc, 0x7d, 0xd8}}

/* Rights of a registration beside NDK's. Atomics of the peer; contains local write. */
#define QPAIR_MR_FLAG_ALLOW_REMOTE_ATOMIC     0x00010001u
/* A message of the peer may invalidate the token of an ordinary region. */
#define QPAIR_MR_FLAG_ALLOW_REMOTE_INVALIDATE 0x00020000u

/* The peer may flush the region to where all who map it see it. */
#define QPAIR_MR_FLAG_ALLOW_FLUSH_GLOBAL      0x00040000u

/* A send that hands 32 bits to the peer's completion. */
typedef NTSTATUS (*QPAIR_FN_SEND_WITH_IMMEDIATE)(NDK_QP *pNdkQp, PVOID RequestContext, CONST NDK_SGE *pSgl,
                                                 ULONG nSge, ULONG Flags, UINT32 Immediate);

/* A write that also completes a receive of the peer, whose own memory is not touched, and hands it 32 bits. */
typedef NTSTATUS (*QPAIR_FN_WRITE_WITH_IMMEDIATE)(NDK_QP *pNdkQp, PVOID RequestContext, CONST NDK_SGE *pSgl,
                                                  ULONG nSge, UINT64 RemoteAddress, UINT32 RemoteToken,
                                                  ULONG Flags, UINT32 Immediate);

/*
 * Stores Swap at the remote address if Compare stands there; what stood there goes to the eight bytes of
 * pOld. Numbers are in the order of the machine; the remote address is a multiple of 8. Completes as a read.
 */
typedef NTSTATUS (*QPAIR_FN_COMPARE_AND_SWAP)(NDK_QP *pNdkQp, PVOID RequestContext, CONST NDK_SGE *pOld,
                                              UINT64 RemoteAddress, UINT32 RemoteToken, UINT64 Compare,
                                              UINT64 Swap, ULONG Flags);

/* Adds to the number at the remote address, wrapping; what stood there goes to the eight bytes of pOld. */
typedef NTSTATUS (*QPAIR_FN_FETCH_AND_ADD)(NDK_QP *pNdkQp, PVOID RequestContext, CONST NDK_SGE *pOld,
                                           UINT64 RemoteAddress, UINT32 RemoteToken, UINT64 Add, ULONG Flags);

/*
 * Stores the eight bytes at pValue, which are read during the call, at the remote address, a multiple of 8, in
 * one piece: no reader sees a mixture. Completes as a write.
 */
typedef NTSTATUS (*QPAIR_FN_ATOMIC_WRITE)(NDK_QP *pNdkQp, PVOID RequestContext, CONST VOID *pValue,
                                          UINT64 RemoteAddress, UINT32 RemoteToken, ULONG Flags);

/*
 * Where flushed bytes are placed: where all who map them see them, or where they survive a loss of power. A region
 * grants the latter if its memory is of a file, which programs in C cannot register; that of a peer in Rust may.
 */
#define QPAIR_FLUSH_GLOBAL     1u
#define QPAIR_FLUSH_PERSISTENT 2u

/*
 * Completes, as a write, when the bytes that earlier requests of the queue pair stored in the range are placed
 * so. Requests behind it wait; the region grants the right that goes with the placement.
 */
typedef NTSTATUS (*QPAIR_FN_FLUSH_REMOTE)(NDK_QP *pNdkQp, PVOID RequestContext, UINT64 RemoteAddress,
                                          UINT32 RemoteToken, ULONG Length, ULONG Placement, ULONG Flags);

/* The same for the whole region of that token. */
typedef NTSTATUS (*QPAIR_FN_FLUSH_REMOTE_REGION)(NDK_QP *pNdkQp, PVOID RequestContext, UINT32 RemoteToken,
                                                 ULONG Placement, ULONG Flags);

typedef struct _QPAIR_QP_EXTENSION {
    QPAIR_FN_SEND_WITH_IMMEDIATE SendWithImmediate;
    QPAIR_FN_WRITE_WITH_IMMEDIATE WriteWithImmediate;
    QPAIR_FN_COMPARE_AND_SWAP CompareAndSwap;
    QPAIR_FN_FETCH_AND_ADD FetchAndAdd;
    /* From version 1.1 on. */
    QPAIR_FN_ATOMIC_WRITE AtomicWrite;
    QPAIR_FN_FLUSH_REMOTE FlushRemote;
    QPAIR_FN_FLUSH_REMOTE_REGION FlushRemoteRegion;
} QPAIR_QP_EXTENSION;

/* Immediate is valid. */
#define QPAIR_RESULT_HAS_IMMEDIATE    0x00000001u
/* A receive that a write with immediate completed: its data went elsewhere. */
#define QPAIR_RESULT_RECEIVE_OF_WRITE 0x00000002u
/* A remote atomic. */
#define QPAIR_RESULT_ATOMIC           0x00000004u
/* An atomic write. */
#define QPAIR_RESULT_ATOMIC_WRITE     0x00000008u
/* A flush of the peer's memory. */
#define QPAIR_RESULT_REMOTE_FLUSH     0x00000010u

typedef struct _QPAIR_RESULT {
    NDK_RESULT_EX Result;
    ULONG Flags;
    UINT32 Immediate;
} QPAIR_RESULT;

/* As NdkGetCqResultsEx, with what it has no place for. */
typedef ULONG (*QPAIR_FN_GET_CQ_RESULTS)(NDK_CQ *pNdkCq, QPAIR_RESULT Results[], ULONG nResults);

typedef struct _QPAIR_CQ_EXTENSION {
    QPAIR_FN_GET_CQ_RESULTS GetCqResults;
} QPAIR_CQ_EXTENSION;

/* ---- faults on purpose ---- */

/*
 * Opens an adapter as NdkOpenAdapter does, on which faults can be ordered; what is left to chance comes from
 * the seed. The id above asks it for a QPAIR_ADAPTER_EXTENSION, which any other adapter refuses.
 */
NTSTATUS NdkOpenAdapterWithFaults(const char *device, NDK_VERSION version, UINT64 seed, NDK_ADAPTER **adapter);

/*
 * Moves the clock of a NET whose adapters were opened with the option clock=manual; it stands still otherwise.
 * What is due by then is done soon, on a thread of the library. STATUS_NOT_SUPPORTED: opened without it.
 */
NTSTATUS NdkAdvanceClock(NDK_ADAPTER *adapter, UINT64 nanoseconds);

/* When calls that may pend come to their end: at once, after a time, in another order, when they are released. */
#define QPAIR_HOLD_NO             0u
#define QPAIR_HOLD_FOR            1u
#define QPAIR_HOLD_SHUFFLED       2u
#define QPAIR_HOLD_UNTIL_RELEASED 3u

/* Requests of which queue an injected status is meant for. */
#define QPAIR_QUEUE_ANY       0u
#define QPAIR_QUEUE_INITIATOR 1u
#define QPAIR_QUEUE_RECEIVE   2u

typedef struct _QPAIR_ADAPTER_EXTENSION {
    /* Every call that may pend does, closes included, and ends as Hold says; a time in nanoseconds. */
    NTSTATUS (*HoldCalls)(NDK_ADAPTER *pNdkAdapter, ULONG Hold, UINT64 Nanoseconds);
    /* Ends the call that is due first, else the oldest; FALSE: none is held back. */
    BOOLEAN (*ReleaseOne)(NDK_ADAPTER *pNdkAdapter);
    /* Ends all calls that are held back, and says how many. */
    ULONG (*ReleaseAll)(NDK_ADAPTER *pNdkAdapter);
    /* Completions show so many nanoseconds later; 0: at once. */
    VOID (*DelayCompletions)(NDK_ADAPTER *pNdkAdapter, UINT64 Nanoseconds);
    /* Chance cuts how much is executed at a time, and where. */
    VOID (*CutPasses)(NDK_ADAPTER *pNdkAdapter, BOOLEAN On);
    /*
     * The Nth creation from now on fails for want of resources; Type undefined: of any kind. Late: by its
     * callback, or inline if it has failed before the call returns.
     */
    NTSTATUS (*FailCreation)(NDK_ADAPTER *pNdkAdapter, NDK_OBJECT_TYPE Type, UINT64 Nth, BOOLEAN Late);
    /* The Nth request that is meant ends with Status; no queue pair, queue or type (0): of any. */
    NTSTATUS (*InjectStatus)(NDK_ADAPTER *pNdkAdapter, NTSTATUS Status, UINT64 Nth, NDK_QP *pNdkQp, ULONG Queue,
                             ULONG Type);
    /* What disconnect events of the _EX form tell from now on. */
    VOID (*DisconnectReason)(NDK_ADAPTER *pNdkAdapter, ULONG Reason);
    /* Takes the device away, for good: what pends ends with STATUS_DEVICE_REMOVED. */
    VOID (*RemoveDevice)(NDK_ADAPTER *pNdkAdapter);
    /* How many times a fault has fired, so that a test knows that it met the one it was written for. */
    UINT64 (*FiredCount)(NDK_ADAPTER *pNdkAdapter);
} QPAIR_ADAPTER_EXTENSION;

#ifdef __cplusplus
}
#endif

#endif
