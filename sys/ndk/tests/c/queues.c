/* Shared receive queues with their threshold, completion queues that change their depth, moderation. */
#include "testing.h"

struct srq {
    NDK_SRQ *srq;
    struct end below;
};

static void on_srq(void *context, NTSTATUS status)
{
    struct srq *srq = context;
    end_came(&srq->below, status, NULL);
}

/* Two queue pairs of one shared queue: each receive completes with the context of the one that took it. */
static void shared(NDK_ADAPTER *adapter)
{
    static struct side a, b;
    struct srq srq = {NULL, END};
    NDK_SGE sge, into;
    NDK_QP *own;
    NDK_SRQ *none;
    int n, contexts[3];
    side_open(&a, adapter);
    side_open(&b, adapter);
    CHECK_STATUS(b.pd->Dispatch->NdkCreateSrq(b.pd, 0, 1, 0, NULL, NULL, NULL, on_create, NULL, &none),
                 STATUS_INVALID_PARAMETER);
    CREATE(srq.srq, b.pd->Dispatch->NdkCreateSrq(b.pd, 8, 1, 2, on_srq, &srq, NULL, on_create, &end, &made));
    own = b.qp;
    CREATE(b.qp, b.pd->Dispatch->NdkCreateQpWithSrq(b.pd, b.cq, b.cq, srq.srq, &b, 8, 1, 0, on_create, &end, &made));
    CHECK_STATUS(b.qp->Dispatch->NdkReceive(b.qp, NULL, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    for (n = 0; n < 3; n++) {
        into = sge_of(&b, n, 1);
        CHECK_STATUS(srq.srq->Dispatch->NdkSrqReceive(srq.srq, contexts + n, &into, 1), STATUS_SUCCESS);
    }
    CHECK_STATUS(srq.srq->Dispatch->NdkSrqReceive(srq.srq, NULL, NULL, 1), STATUS_INVALID_PARAMETER_3);
    connect_sides(adapter, &a, &b);
    sge = sge_of(&a, 0, 1);
    CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &a, &sge, 1, 0), STATUS_SUCCESS);
    take_one(&a, &a);
    take_one(&b, contexts);
    CHECK(end_count(&srq.below) == 0);
    CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &a, &sge, 1, 0), STATUS_SUCCESS);
    take_one(&a, &a);
    take_one(&b, contexts + 1);
    end_wait(&srq.below, 1);
    CHECK_STATUS(srq.below.status, STATUS_SUCCESS);

    /* Armed again, it calls at once: one receive is below two. Nothing else is changed. */
    REQUEST(STATUS_SUCCESS, srq.srq->Dispatch->NdkModifySrq(srq.srq, 0, 2, on_request, &end));
    end_wait(&srq.below, 2);
    REQUEST(STATUS_INVALID_PARAMETER, srq.srq->Dispatch->NdkModifySrq(srq.srq, MAXULONG, 0, on_request, &end));
    CLOSE(own, NdkCloseQp);
    side_close(&a);
    CLOSE(b.connector, NdkCloseConnector);
    b.connector = NULL;
    CLOSE(b.qp, NdkCloseQp);
    CLOSE(srq.srq, NdkCloseSrq);
    CHECK_STATUS(srq.srq->Dispatch->NdkModifySrq(srq.srq, 1, 0, on_request, NULL), STATUS_INVALID_HANDLE);
    end_wait(&b.listener_closed, 1);
    CLOSE(b.mr, NdkCloseMr);
    CLOSE(b.cq, NdkCloseCq);
    CLOSE(b.pd, NdkClosePd);
}

static void depth_and_moderation(NDK_ADAPTER *adapter)
{
    static struct side side;
    const NDK_CQ_DISPATCH *table;
    NDK_RESULT results[4];
    NDK_ADAPTER_INFO info;
    ULONG size = sizeof info;
    int n;
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &size), STATUS_SUCCESS);
    CHECK(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
    CHECK(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
    side_open(&side, adapter);
    table = side.cq->Dispatch;
    for (n = 0; n < 4; n++)
        CHECK_STATUS(side.qp->Dispatch->NdkReceive(side.qp, &n, NULL, 0), STATUS_SUCCESS);
    side.qp->Dispatch->NdkFlush(side.qp);
    REQUEST(STATUS_BUFFER_OVERFLOW, table->NdkResizeCq(side.cq, 3, on_request, &end));
    REQUEST(STATUS_INVALID_PARAMETER, table->NdkResizeCq(side.cq, info.MaxCqDepth + 1, on_request, &end));
    REQUEST(STATUS_SUCCESS, table->NdkResizeCq(side.cq, 4, on_request, &end));
    CHECK(table->NdkGetCqResults(side.cq, results, 4) == 4);
    for (n = 0; n < 4; n++)
        CHECK(results[n].Status == STATUS_CANCELLED && results[n].QPContext == &side);

    /* CQ-33, and CQ-36: whatever it is given, the call never pends. */
    CHECK_STATUS(table->NdkControlCqInterruptModeration(side.cq, MAXULONG, MAXULONG), STATUS_INVALID_PARAMETER_MIX);
    CHECK_STATUS(table->NdkControlCqInterruptModeration(side.cq, MAXULONG, 2), STATUS_SUCCESS);
    table->NdkArmCq(side.cq, NDK_CQ_NOTIFY_ANY);
    CHECK_STATUS(side.qp->Dispatch->NdkReceive(side.qp, &n, NULL, 0), STATUS_SUCCESS);
    side.qp->Dispatch->NdkFlush(side.qp);
    CHECK(end_count(&side.notified) == 0);
    CHECK_STATUS(side.qp->Dispatch->NdkReceive(side.qp, &n, NULL, 0), STATUS_SUCCESS);
    side.qp->Dispatch->NdkFlush(side.qp);
    end_wait(&side.notified, 1);
    side_close(&side);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-queues");
    shared(adapter);
    depth_and_moderation(adapter);
    NdkCloseAdapter(adapter);
    puts("queues: done");
    return 0;
}
