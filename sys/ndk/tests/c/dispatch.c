/* A filter replaces dispatch tables, counts, and calls the provider's; the provider works on (CREATE-5). */
#include "testing.h"

static const NDK_QP_DISPATCH *provider_qp;
static const NDK_CQ_DISPATCH *provider_cq;
static int sends, polls, closes;

static NTSTATUS counted_send(NDK_QP *qp, PVOID context, CONST NDK_SGE *sgl, ULONG count, ULONG flags)
{
    sends++;
    return provider_qp->NdkSend(qp, context, sgl, count, flags);
}

static NTSTATUS counted_close(NDK_OBJECT_HEADER *object, NDK_FN_CLOSE_COMPLETION completion, PVOID context)
{
    closes++;
    return provider_qp->NdkCloseQp(object, completion, context);
}

static ULONG counted_poll(NDK_CQ *cq, NDK_RESULT_EX *results, ULONG count)
{
    polls++;
    return provider_cq->NdkGetCqResultsEx(cq, results, count);
}

/* Nobody calls these: a provider that went through its public table would. */
static VOID never_flush(NDK_QP *qp)
{
    (void)qp;
    CHECK(!"the provider called through the public table");
}

static VOID never_arm(NDK_CQ *cq, ULONG type)
{
    (void)cq;
    (void)type;
    CHECK(!"the provider called through the public table");
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-dispatch");
    static struct side a, b;
    NDK_QP_DISPATCH qp_filter;
    NDK_CQ_DISPATCH cq_filter;
    NDK_SGE sge, into;
    int n;
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);

    provider_qp = a.qp->Dispatch;
    qp_filter = *provider_qp;
    qp_filter.NdkSend = counted_send;
    qp_filter.NdkCloseQp = counted_close;
    qp_filter.NdkFlush = never_flush;
    a.qp->Dispatch = &qp_filter;
    provider_cq = a.cq->Dispatch;
    cq_filter = *provider_cq;
    cq_filter.NdkGetCqResultsEx = counted_poll;
    cq_filter.NdkArmCq = never_arm;
    a.cq->Dispatch = &cq_filter;

    sge = sge_of(&a, 0, 8);
    for (n = 0; n < 3; n++) {
        into = sge_of(&b, 0, 8);
        CHECK_STATUS(b.qp->Dispatch->NdkReceive(b.qp, &n, &into, 1), STATUS_SUCCESS);
        CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &n, &sge, 1, 0), STATUS_SUCCESS);
        take_one(&b, &n);
        take_one(&a, &n);
    }
    CHECK(sends == 3 && polls >= 3);

    /* The reserved block is the consumer's after creation, and no table at all is no reason to fail. */
    CHECK(a.qp->Header.NdkReserved.rf[0] == NULL && a.qp->Header.NdkReserved.rf[3] == NULL);
    b.qp->Dispatch = NULL;
    CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &n, &sge, 1, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    b.qp->Dispatch = provider_qp;

    side_close(&a);
    CHECK(closes == 1);
    side_close(&b);
    NdkCloseAdapter(adapter);
    puts("dispatch: done");
    return 0;
}
