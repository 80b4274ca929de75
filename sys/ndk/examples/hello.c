/*
 * Two queue pairs of one process connect, and one sends the other a message.
 *
 *   cc hello.c $(pkg-config --cflags --libs qpair-ndk) -o hello && ./hello
 *
 * For brevity every call that may pend is expected to be done at once, as it is on an adapter that no fault
 * was asked of, but for the two that wait for the other side. A program that waits for its callbacks has a
 * condition variable in their context instead.
 */
#include <arpa/inet.h>
#include <ndkpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(NTSTATUS status, const char *what)
{
    if (status != STATUS_SUCCESS && status != STATUS_PENDING) {
        fprintf(stderr, "%s: 0x%08X: %s\n", what, (unsigned)status, NdkLastError());
        exit(1);
    }
}

#define MUST(Call) must((Call), #Call)

static void on_created(void *context, NTSTATUS status, NDK_OBJECT_HEADER *object)
{
    *(NDK_OBJECT_HEADER **)context = object;
    must(status, "creation");
}

static void on_done(void *context, NTSTATUS status)
{
    must(status, context);
}

static void on_closed(void *context)
{
    (void)context;
}

static void on_cq(void *context, NTSTATUS status)
{
    (void)context;
    must(status, "completion queue");
}

struct side {
    NDK_PD *pd;
    NDK_CQ *cq;
    NDK_QP *qp;
    NDK_MR *mr;
    NDK_CONNECTOR *connector;
    char memory[64];
};

static void open_side(struct side *side, NDK_ADAPTER *adapter)
{
    MDL mdl;
    MUST(adapter->Dispatch->NdkCreatePd(adapter, on_created, &side->pd, &side->pd));
    MUST(adapter->Dispatch->NdkCreateCq(adapter, 16, on_cq, NULL, NULL, on_created, &side->cq, &side->cq));
    MUST(side->pd->Dispatch->NdkCreateQp(side->pd, side->cq, side->cq, side, 4, 4, 1, 1, 0, on_created, &side->qp,
                                         &side->qp));
    MUST(side->pd->Dispatch->NdkCreateMr(side->pd, FALSE, on_created, &side->mr, &side->mr));
    MmInitializeMdl(&mdl, side->memory, sizeof side->memory);
    MUST(side->mr->Dispatch->NdkRegisterMr(side->mr, &mdl, sizeof side->memory, NDK_MR_FLAG_ALLOW_LOCAL_WRITE,
                                           on_done, "NdkRegisterMr"));
}

static void close_side(struct side *side)
{
    side->connector->Dispatch->NdkCloseConnector(&side->connector->Header, on_closed, NULL);
    side->qp->Dispatch->NdkCloseQp(&side->qp->Header, on_closed, NULL);
    side->mr->Dispatch->NdkCloseMr(&side->mr->Header, on_closed, NULL);
    side->cq->Dispatch->NdkCloseCq(&side->cq->Header, on_closed, NULL);
    side->pd->Dispatch->NdkClosePd(&side->pd->Header, on_closed, NULL);
}

/* The passive side accepts in its connect event; that is done when the active side has completed. */
static void on_connect(void *context, NDK_CONNECTOR *connector)
{
    struct side *server = context;
    server->connector = connector;
    MUST(connector->Dispatch->NdkAccept(connector, server->qp, 0, 0, NULL, 0, NULL, NULL, on_done, "NdkAccept"));
}

static NDK_SGE whole(struct side *side)
{
    NDK_SGE sge;
    sge.VirtualAddress = side->memory;
    sge.Length = sizeof side->memory;
    sge.MemoryRegionToken = side->mr->Dispatch->NdkGetLocalTokenFromMr(side->mr);
    return sge;
}

static void wait_for_one(struct side *side)
{
    NDK_RESULT_EX result;
    while (side->cq->Dispatch->NdkGetCqResultsEx(side->cq, &result, 1) == 0)
        continue;
    must(result.Status, "request");
}

int main(void)
{
    static const NDK_VERSION version = {2, 1};
    static struct side client, server;
    NDK_ADAPTER *adapter;
    NDK_LISTENER *listener;
    struct sockaddr_in address = {0}, there;
    ULONG length = sizeof there;
    NDK_SGE from, into;

    MUST(NdkOpenAdapter("local/hello", version, &adapter));
    open_side(&client, adapter);
    open_side(&server, adapter);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MUST(adapter->Dispatch->NdkCreateListener(adapter, on_connect, &server, on_created, &listener, &listener));
    MUST(listener->Dispatch->NdkListen(listener, (PSOCKADDR)&address, sizeof address, on_done, "NdkListen"));
    MUST(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&there, &length));

    MUST(adapter->Dispatch->NdkCreateConnector(adapter, on_created, &client.connector, &client.connector));
    MUST(client.connector->Dispatch->NdkConnect(client.connector, client.qp, (PSOCKADDR)&address, sizeof address,
                                                (PSOCKADDR)&there, sizeof there, 0, 0, NULL, 0, on_done,
                                                "NdkConnect"));
    MUST(client.connector->Dispatch->NdkCompleteConnect(client.connector, NULL, NULL, on_done, "NdkCompleteConnect"));

    into = whole(&server);
    MUST(server.qp->Dispatch->NdkReceive(server.qp, NULL, &into, 1));
    strcpy(client.memory, "hello, queue pair");
    from = whole(&client);
    MUST(client.qp->Dispatch->NdkSend(client.qp, NULL, &from, 1, 0));
    wait_for_one(&client);
    wait_for_one(&server);
    printf("received: %s\n", server.memory);

    listener->Dispatch->NdkCloseListener(&listener->Header, on_closed, NULL);
    close_side(&client);
    close_side(&server);
    NdkCloseAdapter(adapter);
    return 0;
}
