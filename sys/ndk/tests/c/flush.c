/* NdkFlush: what is pending is cancelled, once and in order; what is posted later lives. */
#include "testing.h"

#define PENDING 8

static void receive(struct side *side, int *context)
{
    NDK_SGE sge = sge_of(side, 0, 64);
    CHECK_STATUS(side->qp->Dispatch->NdkReceive(side->qp, context, &sge, 1), STATUS_SUCCESS);
}

static void expect_cancelled(struct side *side, int *contexts, int count)
{
    NDK_RESULT_EX results[PENDING], none;
    int n;
    take(side, results, count);
    for (n = 0; n < count; n++) {
        CHECK_STATUS(results[n].Status, STATUS_CANCELLED);
        CHECK(results[n].RequestContext == contexts + n && results[n].QPContext == side);
        CHECK(results[n].Type == NdkOperationTypeReceive && results[n].BytesTransferred == 0);
    }
    CHECK(side->cq->Dispatch->NdkGetCqResultsEx(side->cq, &none, 1) == 0);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-flush");
    static struct side a, b;
    int contexts[PENDING], later, n;
    NDK_SGE sge;
    side_open(&a, adapter);
    side_open(&b, adapter);

    /* Before any connection. */
    for (n = 0; n < PENDING; n++)
        receive(&b, contexts + n);
    b.qp->Dispatch->NdkFlush(b.qp);
    expect_cancelled(&b, contexts, PENDING);
    b.qp->Dispatch->NdkFlush(b.qp);
    expect_cancelled(&b, contexts, 0);

    /* Connected: the connection stays, and a receive posted after the flush takes the next message. */
    connect_sides(adapter, &a, &b);
    for (n = 0; n < PENDING; n++)
        receive(&b, contexts + n);
    b.cq->Dispatch->NdkArmCq(b.cq, NDK_CQ_NOTIFY_ANY);
    b.qp->Dispatch->NdkFlush(b.qp);
    end_wait(&b.notified, 1);
    expect_cancelled(&b, contexts, PENDING);
    receive(&b, &later);
    sge = sge_of(&a, 64, 32);
    CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &later, &sge, 1, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    CHECK(take_one(&b, &later).BytesTransferred == 32);

    side_close(&a);
    side_close(&b);
    NdkCloseAdapter(adapter);
    puts("flush: done");
    return 0;
}
