/* Immediate data, remote atomics, ATOMIC WRITE and RDMA FLUSH, by the extension interface of qpair. */
#include "testing.h"

#include <qpair_ndk_ext.h>

static const GUID id = QPAIR_NDK_EXTENSION;
static const NDK_VERSION version_1_0 = {1, 0}, version_1_1 = {1, 1}, version_1_2 = {1, 2};

/* The one result of that queue, which must be a success. */
static QPAIR_RESULT take_more(struct side *side)
{
    NDK_EXTENSION_INTERFACE interface;
    const QPAIR_CQ_EXTENSION *more;
    QPAIR_RESULT result;
    CHECK_STATUS(side->cq->Dispatch->NdkQueryExtension(&side->cq->Header, (GUID *)&id, version_1_0, &interface),
                 STATUS_SUCCESS);
    more = interface.Dispatch;
    while (more->GetCqResults(side->cq, &result, 1) == 0)
        continue;
    CHECK_STATUS(result.Result.Status, STATUS_SUCCESS);
    return result;
}

static void immediate(const QPAIR_QP_EXTENSION *more, struct side *a, struct side *b)
{
    NDK_SGE from = sge_of(a, 0, 16), into = sge_of(b, 0, 16);
    UINT32 token = b->mr->Dispatch->NdkGetRemoteTokenFromMr(b->mr);
    QPAIR_RESULT result;
    memset(a->memory, 7, 16);
    CHECK_STATUS(b->qp->Dispatch->NdkReceive(b->qp, NULL, &into, 1), STATUS_SUCCESS);
    CHECK_STATUS(more->SendWithImmediate(a->qp, NULL, &from, 1, 0, 0x1234), STATUS_SUCCESS);
    CHECK(take_more(a).Flags == 0);
    result = take_more(b);
    CHECK(result.Flags == QPAIR_RESULT_HAS_IMMEDIATE && result.Immediate == 0x1234);
    CHECK(result.Result.BytesTransferred == 16 && b->memory[15] == 7);

    CHECK_STATUS(b->qp->Dispatch->NdkReceive(b->qp, NULL, NULL, 0), STATUS_SUCCESS);
    CHECK_STATUS(more->WriteWithImmediate(a->qp, NULL, &from, 1, (UINT64)(uintptr_t)(b->memory + 64), token, 0, 0x5678),
                 STATUS_SUCCESS);
    take_more(a);
    result = take_more(b);
    CHECK(result.Flags == (QPAIR_RESULT_HAS_IMMEDIATE | QPAIR_RESULT_RECEIVE_OF_WRITE) && result.Immediate == 0x5678);
    CHECK(b->memory[64] == 7);
}

static void atomics(const QPAIR_QP_EXTENSION *more, struct side *a, struct side *b)
{
    static UINT64 word __attribute__((aligned(8))) = 40;
    NDK_SGE old = sge_of(a, 128, 8);
    UINT64 was;
    NDK_MR *mr;
    MDL mdl;
    UINT32 token;
    CREATE(mr, b->pd->Dispatch->NdkCreateMr(b->pd, FALSE, on_create, &end, &made));
    MmInitializeMdl(&mdl, &word, sizeof word);
    REQUEST(STATUS_SUCCESS, mr->Dispatch->NdkRegisterMr(mr, &mdl, sizeof word, QPAIR_MR_FLAG_ALLOW_REMOTE_ATOMIC,
                                                        on_request, &end));
    token = mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
    CHECK_STATUS(more->FetchAndAdd(a->qp, NULL, &old, (UINT64)(uintptr_t)&word, token, 2, 0), STATUS_SUCCESS);
    CHECK(take_more(a).Flags == QPAIR_RESULT_ATOMIC);
    memcpy(&was, a->memory + 128, 8);
    CHECK(was == 40 && __atomic_load_n(&word, __ATOMIC_ACQUIRE) == 42);
    CHECK_STATUS(more->CompareAndSwap(a->qp, NULL, &old, (UINT64)(uintptr_t)&word, token, 42, 1, 0), STATUS_SUCCESS);
    CHECK(take_more(a).Result.Type == NdkOperationTypeRead);
    memcpy(&was, a->memory + 128, 8);
    CHECK(was == 42 && __atomic_load_n(&word, __ATOMIC_ACQUIRE) == 1);
    CHECK_STATUS(more->CompareAndSwap(a->qp, NULL, NULL, 0, token, 42, 1, 0), STATUS_INVALID_PARAMETER_3);
    CLOSE(mr, NdkCloseMr);
}

/* A word that is written in one piece, and flushed to where all see it. */
static void placed(const QPAIR_QP_EXTENSION *more, struct side *a, struct side *b)
{
    static UINT64 words[2] __attribute__((aligned(8)));
    UINT64 value = 0x1122334455667788, at = (UINT64)(uintptr_t)words;
    NDK_MR *mr;
    MDL mdl;
    UINT32 token;
    CREATE(mr, b->pd->Dispatch->NdkCreateMr(b->pd, FALSE, on_create, &end, &made));
    MmInitializeMdl(&mdl, words, sizeof words);
    REQUEST(STATUS_SUCCESS,
            mr->Dispatch->NdkRegisterMr(mr, &mdl, sizeof words,
                                        NDK_MR_FLAG_ALLOW_REMOTE_WRITE | QPAIR_MR_FLAG_ALLOW_FLUSH_GLOBAL, on_request,
                                        &end));
    token = mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
    CHECK_STATUS(more->AtomicWrite(a->qp, NULL, &value, at + 8, token, 0), STATUS_SUCCESS);
    value = 0; /* it was read during the call */
    CHECK(take_more(a).Flags == QPAIR_RESULT_ATOMIC_WRITE);
    CHECK_STATUS(more->FlushRemote(a->qp, NULL, at + 8, token, 8, QPAIR_FLUSH_GLOBAL, 0), STATUS_SUCCESS);
    CHECK(take_more(a).Flags == QPAIR_RESULT_REMOTE_FLUSH);
    CHECK_STATUS(more->FlushRemoteRegion(a->qp, NULL, token, QPAIR_FLUSH_GLOBAL, 0), STATUS_SUCCESS);
    CHECK(take_more(a).Result.Type == NdkOperationTypeWrite);
    CHECK(__atomic_load_n(words + 1, __ATOMIC_ACQUIRE) == 0x1122334455667788 && words[0] == 0);
    CHECK_STATUS(more->AtomicWrite(a->qp, NULL, NULL, at, token, 0), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(more->FlushRemote(a->qp, NULL, at, token, 8, 4, 0), STATUS_INVALID_PARAMETER_6);
    CHECK_STATUS(more->FlushRemoteRegion(a->qp, NULL, token, 0x101, 0), STATUS_INVALID_PARAMETER_4);
    CLOSE(mr, NdkCloseMr);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-extension");
    static struct side a, b;
    NDK_EXTENSION_INTERFACE interface = {NULL};
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    CHECK_STATUS(a.qp->Dispatch->NdkQueryExtension(&a.qp->Header, (GUID *)&id, version_1_2, &interface),
                 STATUS_NOT_SUPPORTED);
    CHECK_STATUS(a.pd->Dispatch->NdkQueryExtension(&a.pd->Header, (GUID *)&id, version_1_0, &interface),
                 STATUS_NOT_SUPPORTED);
    CHECK(interface.Dispatch == NULL);
    CHECK_STATUS(a.qp->Dispatch->NdkQueryExtension(&a.qp->Header, (GUID *)&id, version_1_1, &interface),
                 STATUS_SUCCESS);
    immediate(interface.Dispatch, &a, &b);
    atomics(interface.Dispatch, &a, &b);
    placed(interface.Dispatch, &a, &b);
    side_close(&a);
    side_close(&b);
    NdkCloseAdapter(adapter);
    puts("extension: done");
    return 0;
}
