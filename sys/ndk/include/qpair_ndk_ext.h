/*
 * What verbs has and NDK lacks, as extension interfaces of NDK: immediate data and remote atomics.
 *
 *     GUID id = QPAIR_NDK_EXTENSION;
 *     NDK_VERSION version = {1, 0};
 *     NDK_EXTENSION_INTERFACE interface;
 *     status = qp->Dispatch->NdkQueryExtension(&qp->Header, &id, version, &interface);
 *     const QPAIR_QP_EXTENSION *more = interface.Dispatch;
 *
 * The same id asks a queue pair for a QPAIR_QP_EXTENSION and a completion queue for a QPAIR_CQ_EXTENSION; any
 * other object answers STATUS_NOT_SUPPORTED. A provider that is not qpair answers so as well.
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

typedef struct _QPAIR_QP_EXTENSION {
    QPAIR_FN_SEND_WITH_IMMEDIATE SendWithImmediate;
    QPAIR_FN_WRITE_WITH_IMMEDIATE WriteWithImmediate;
    QPAIR_FN_COMPARE_AND_SWAP CompareAndSwap;
    QPAIR_FN_FETCH_AND_ADD FetchAndAdd;
} QPAIR_QP_EXTENSION;

/* Immediate is valid. */
#define QPAIR_RESULT_HAS_IMMEDIATE    0x00000001u
/* A receive that a write with immediate completed: its data went elsewhere. */
#define QPAIR_RESULT_RECEIVE_OF_WRITE 0x00000002u
/* A remote atomic. */
#define QPAIR_RESULT_ATOMIC           0x00000004u

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

#ifdef __cplusplus
}
#endif

#endif
