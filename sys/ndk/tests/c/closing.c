/* Closes in any order, inside callbacks and on other threads: each is called back once, and nothing hangs. */
#include "testing.h"

/* Antecedents first: each close pends until its last successor is closed. */
static void out_of_order(NDK_ADAPTER *adapter)
{
    static struct side side;
    struct end pd = END, cq = END, mr = END;
    NTSTATUS status;
    side_open(&side, adapter);
    CHECK_STATUS(side.pd->Dispatch->NdkClosePd(&side.pd->Header, on_close, &pd), STATUS_PENDING);
    CHECK_STATUS(side.cq->Dispatch->NdkCloseCq(&side.cq->Header, on_close, &cq), STATUS_PENDING);
    CHECK(end_count(&pd) == 0 && end_count(&cq) == 0);
    status = side.mr->Dispatch->NdkCloseMr(&side.mr->Header, on_close, &mr);
    CHECK_STATUS(end_of(&mr, status), STATUS_SUCCESS);
    CHECK(end_count(&pd) == 0);
    CLOSE(side.qp, NdkCloseQp);
    end_wait(&pd, 1);
    end_wait(&cq, 1);
}

/* The connector of a refused connect, closed inside its completion. */
struct attempt {
    NDK_CONNECTOR *connector;
    struct end closed;
};

static void close_connector(struct attempt *attempt)
{
    NTSTATUS status;
    status = attempt->connector->Dispatch->NdkCloseConnector(&attempt->connector->Header, on_close, &attempt->closed);
    if (status != STATUS_PENDING)
        end_came(&attempt->closed, status, NULL);
}

static void refused(void *context, NTSTATUS status)
{
    struct attempt *attempt = context;
    CHECK_STATUS(status, STATUS_CONNECTION_REFUSED);
    CHECK(strstr(NdkLastError(), "REFUSED") != NULL);
    close_connector(attempt);
}

static void inside_its_completion(NDK_ADAPTER *adapter)
{
    static struct side side;
    struct attempt attempt = {NULL, END};
    struct sockaddr_in from = loopback(0), nobody = loopback(7);
    NTSTATUS status;
    side_open(&side, adapter);
    CREATE(attempt.connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    status = attempt.connector->Dispatch->NdkConnect(attempt.connector, side.qp, (PSOCKADDR)&from, sizeof from,
                                                     (PSOCKADDR)&nobody, sizeof nobody, 0, 0, NULL, 0, refused,
                                                     &attempt);
    if (status != STATUS_PENDING)
        refused(&attempt, status);
    end_wait(&attempt.closed, 1);
    side_close(&side);
}

/* A connector closed inside the connect event refuses; the adapter cannot be closed there. */
static NDK_ADAPTER *own_adapter;

static void refuse(void *context, NDK_CONNECTOR *connector)
{
    struct attempt *attempt = context;
    NdkCloseAdapter(own_adapter);
    CHECK(strstr(NdkLastError(), "callback") != NULL);
    attempt->connector = connector;
    close_connector(attempt);
}

static void inside_the_connect_event(NDK_ADAPTER *adapter)
{
    static struct side side;
    struct attempt attempt = {NULL, END};
    struct sockaddr_in any = loopback(0), there;
    ULONG length = sizeof there;
    NDK_LISTENER *listener;
    NDK_CONNECTOR *connector;
    own_adapter = adapter;
    side_open(&side, adapter);
    CREATE(listener, adapter->Dispatch->NdkCreateListener(adapter, refuse, &attempt, on_create, &end, &made));
    REQUEST(STATUS_SUCCESS, listener->Dispatch->NdkListen(listener, (PSOCKADDR)&any, sizeof any, on_request, &end));
    CHECK_STATUS(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&there, &length), STATUS_SUCCESS);
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    REQUEST(STATUS_CONNECTION_REFUSED,
            connector->Dispatch->NdkConnect(connector, side.qp, (PSOCKADDR)&any, sizeof any, (PSOCKADDR)&there,
                                            sizeof there, 0, 0, NULL, 0, on_request, &end));
    end_wait(&attempt.closed, 1);
    CLOSE(connector, NdkCloseConnector);
    CLOSE(listener, NdkCloseListener);
    side_close(&side);
}

/* A queue closed inside its own notification: pends until that has returned. */
struct notified {
    NDK_CQ *cq;
    struct end closed;
    int calls;
};

static void close_own(void *context, NTSTATUS status)
{
    struct notified *notified = context;
    CHECK_STATUS(status, STATUS_SUCCESS);
    CHECK(++notified->calls == 1);
    CHECK_STATUS(notified->cq->Dispatch->NdkCloseCq(&notified->cq->Header, on_close, &notified->closed),
                 STATUS_PENDING);
    CHECK(end_count(&notified->closed) == 0);
}

static void inside_its_own_notification(NDK_ADAPTER *adapter)
{
    struct notified notified = {NULL, END, 0};
    NDK_PD *pd;
    NDK_QP *qp;
    CREATE(notified.cq,
           adapter->Dispatch->NdkCreateCq(adapter, 8, close_own, &notified, NULL, on_create, &end, &made));
    CREATE(pd, adapter->Dispatch->NdkCreatePd(adapter, on_create, &end, &made));
    CREATE(qp, pd->Dispatch->NdkCreateQp(pd, notified.cq, notified.cq, NULL, 4, 4, 1, 1, 0, on_create, &end, &made));
    CHECK_STATUS(qp->Dispatch->NdkReceive(qp, NULL, NULL, 0), STATUS_SUCCESS);
    notified.cq->Dispatch->NdkArmCq(notified.cq, NDK_CQ_NOTIFY_ANY);
    qp->Dispatch->NdkFlush(qp);
    CLOSE(qp, NdkCloseQp);
    end_wait(&notified.closed, 1);
    CLOSE(pd, NdkClosePd);
}

/* Threads that use objects which another closes: each use succeeds or is told that the object is closed. */
static void *use(void *context)
{
    struct side *side = context;
    NDK_RESULT_EX results[4];
    for (;;) {
        NTSTATUS status = side->qp->Dispatch->NdkReceive(side->qp, NULL, NULL, 0);
        side->cq->Dispatch->NdkGetCqResultsEx(side->cq, results, 4);
        side->qp->Dispatch->NdkFlush(side->qp);
        if (status == STATUS_INVALID_HANDLE)
            return NULL;
        CHECK(status == STATUS_SUCCESS || status == STATUS_NO_MORE_ENTRIES);
    }
}

static void while_others_use_it(NDK_ADAPTER *adapter)
{
    int round;
    for (round = 0; round < 50; round++) {
        static struct side side;
        pthread_t users[2];
        int n;
        side_open(&side, adapter);
        for (n = 0; n < 2; n++)
            CHECK(pthread_create(&users[n], NULL, use, &side) == 0);
        side_close(&side);
        for (n = 0; n < 2; n++)
            CHECK(pthread_join(users[n], NULL) == 0);
    }
}

/* The adapter's close waits for what another thread has yet to close. */
static void *close_late(void *context)
{
    side_close(context);
    return NULL;
}

static void adapter_last(NDK_ADAPTER *adapter)
{
    static struct side side;
    pthread_t late;
    side_open(&side, adapter);
    CHECK(pthread_create(&late, NULL, close_late, &side) == 0);
    NdkCloseAdapter(adapter);
    /* Its side_close has come to the end: else this would not have returned. */
    CHECK(pthread_join(late, NULL) == 0);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-closing");
    out_of_order(adapter);
    inside_its_completion(adapter);
    inside_the_connect_event(adapter);
    inside_its_own_notification(adapter);
    while_others_use_it(adapter);
    adapter_last(adapter);
    puts("closing: done");
    return 0;
}
