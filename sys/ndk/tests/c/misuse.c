/* NULL, closed handles and objects of the wrong kind are told, and told which parameter; nothing crashes. */
#include "testing.h"

/* The last failure names `Text`. */
#define CHECK_TOLD(Text) CHECK(strstr(NdkLastError(), Text) != NULL)

static void ignored(void *context, NTSTATUS status)
{
    (void)context;
    (void)status;
}

static void adapters(NDK_ADAPTER *adapter)
{
    NDK_ADAPTER *other = NULL;
    NDK_ADAPTER_INFO info;
    ULONG size = 1;
    static const NDK_VERSION too_new = {2, 2}, old = {1, 0};
    CHECK_STATUS(NdkOpenAdapter(NULL, version_2_1, &other), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(NdkOpenAdapter("local/x", version_2_1, NULL), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(NdkOpenAdapter("mlx5_0", version_2_1, &other), STATUS_NOT_SUPPORTED);
    CHECK_TOLD("mlx5_0");
    CHECK_STATUS(NdkOpenAdapter("local/", version_2_1, &other), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(NdkOpenAdapter("local/x", too_new, &other), NDIS_STATUS_BAD_VERSION);
    CHECK(other == NULL);
    CHECK_STATUS(NdkOpenAdapter("local/c-misuse", old, &other), STATUS_SUCCESS);
    CHECK(other->Header.Version.Major == 1 && other->Header.Version.Minor == 2);
    NdkCloseAdapter(other);
    NdkCloseAdapter(other);
    CHECK_TOLD("not an object");
    NdkCloseAdapter(NULL);
    CHECK_TOLD("NULL");

    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(NULL, &info, &size), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, NULL), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &size), STATUS_BUFFER_TOO_SMALL); /* ADP-1 */
    CHECK(size == sizeof info);
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, NULL, &size), STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &size), STATUS_SUCCESS);
    CHECK(info.Version.Major == 2 && info.Version.Minor == 1 && info.FRMRPageCount >= 16);
}

static void creations(NDK_ADAPTER *adapter, struct side *side)
{
    NDK_CQ *cq = NULL;
    NDK_QP *qp = NULL;
    NDK_PD *pd = NULL;
    struct end end = END;
    const NDK_ADAPTER_DISPATCH *table = adapter->Dispatch;
    CHECK_STATUS(table->NdkCreateCq(NULL, 1, on_request, NULL, NULL, on_create, &end, &cq), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkCreateCq(adapter, 1, NULL, NULL, NULL, on_create, &end, &cq), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkCreateCq(adapter, 1, ignored, NULL, NULL, NULL, &end, &cq), STATUS_INVALID_PARAMETER_6);
    CHECK_STATUS(table->NdkCreateCq(adapter, 1, ignored, NULL, NULL, on_create, &end, NULL), STATUS_INVALID_PARAMETER_8);
    CHECK_STATUS(table->NdkCreateCq(adapter, 0, ignored, NULL, NULL, on_create, &end, &cq), STATUS_INVALID_PARAMETER);
    CHECK_TOLD("CqDepth");
    CHECK_STATUS(table->NdkCreatePd((NDK_ADAPTER *)side->cq, on_create, &end, &pd), STATUS_INVALID_PARAMETER_1);
    CHECK_TOLD("another kind");
    CHECK_STATUS(side->pd->Dispatch->NdkCreateQp(side->pd, NULL, side->cq, NULL, 1, 1, 1, 1, 0, on_create, &end, &qp),
                 STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(side->pd->Dispatch->NdkCreateQp(side->pd, side->cq, (NDK_CQ *)side->pd, NULL, 1, 1, 1, 1, 0,
                                                 on_create, &end, &qp),
                 STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(side->pd->Dispatch->NdkCreateQp(side->pd, side->cq, side->cq, NULL, 1, 1, 1, 1, 0, on_create, &end,
                                                 NULL),
                 STATUS_INVALID_PARAMETER_12);
    CHECK_STATUS(side->pd->Dispatch->NdkCreateQp(side->pd, side->cq, side->cq, NULL, 1, 1, 1, 1000, 0, on_create, &end,
                                                 &qp),
                 STATUS_INVALID_PARAMETER);
    CHECK(cq == NULL && qp == NULL && pd == NULL && end.count == 0);
}

static void posts(struct side *side)
{
    NDK_SGE sge = sge_of(side, 0, 8), many[32];
    NDK_RESULT_EX result;
    const NDK_QP_DISPATCH *table = side->qp->Dispatch;
    ULONG n;
    CHECK_STATUS(table->NdkSend(NULL, NULL, &sge, 1, 0), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkSend((NDK_QP *)side->cq, NULL, &sge, 1, 0), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkSend((NDK_QP *)side->memory, NULL, &sge, 1, 0), STATUS_INVALID_HANDLE);
    CHECK_STATUS(table->NdkSend((NDK_QP *)(side->memory + 1), NULL, &sge, 1, 0), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkSend(side->qp, NULL, NULL, 1, 0), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkSend(side->qp, NULL, &sge, 1, 0), STATUS_CONNECTION_INVALID);
    CHECK_STATUS(table->NdkSend(side->qp, NULL, NULL, 0, 0), STATUS_CONNECTION_INVALID);
    CHECK_STATUS(table->NdkSend(side->qp, NULL, &sge, 1, NDK_OP_FLAG_ALLOW_REMOTE_READ), STATUS_INVALID_PARAMETER);
    CHECK_TOLD("Flags");
    sge.VirtualAddress = NULL;
    CHECK_STATUS(table->NdkSend(side->qp, NULL, &sge, 1, NDK_OP_FLAG_INLINE), STATUS_INVALID_PARAMETER_3);
    for (n = 0; n < 32; n++)
        many[n] = sge_of(side, 0, 8);
    CHECK_STATUS(table->NdkReceive(side->qp, NULL, many, 32), STATUS_DATA_OVERRUN);
    CHECK_STATUS(table->NdkReceive(side->qp, NULL, NULL, 1), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkRead(NULL, NULL, &sge, 1, 0, 0, 0), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkWrite(NULL, NULL, &sge, 1, 0, 0, 0), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(table->NdkBind(side->qp, NULL, side->mr, NULL, NULL, 0, 0), STATUS_INVALID_PARAMETER_4);
    CHECK_STATUS(table->NdkInvalidate(side->qp, NULL, &side->cq->Header, 0), STATUS_INVALID_PARAMETER_3);
    table->NdkFlush(NULL);
    CHECK_TOLD("NdkFlush");
    side->cq->Dispatch->NdkArmCq(side->cq, 3);
    CHECK_TOLD("Type");
    CHECK(side->cq->Dispatch->NdkGetCqResultsEx(NULL, &result, 1) == 0);
    CHECK(side->cq->Dispatch->NdkGetCqResultsEx(side->cq, NULL, 1) == 0);
    CHECK_TOLD("Results");
    CHECK(side->cq->Dispatch->NdkGetCqResultsEx(side->cq, NULL, 0) == 0);
}

static void registrations(struct side *side)
{
    MDL first, second;
    struct end end = END;
    NDK_MR *mr;
    const NDK_MR_DISPATCH *table = side->mr->Dispatch;
    CREATE(mr, side->pd->Dispatch->NdkCreateMr(side->pd, FALSE, on_create, &end, &made));
    CHECK(table->NdkGetLocalTokenFromMr(mr) == 0);
    CHECK_TOLD("register");
    MmInitializeMdl(&first, side->memory, 1024);
    MmInitializeMdl(&second, side->memory + 1024, 1024);
    first.Next = &second;
    CHECK_STATUS(table->NdkRegisterMr(mr, NULL, 1, 0, on_request, &end), STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(table->NdkRegisterMr(mr, &first, 2049, 0, on_request, &end), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(table->NdkRegisterMr(mr, &first, 2048, 0, NULL, &end), STATUS_INVALID_PARAMETER_5);
    second.StartVa = side->memory + 1025;
    CHECK_STATUS(table->NdkRegisterMr(mr, &first, 2048, 0, on_request, &end), STATUS_INVALID_PARAMETER);
    CHECK_TOLD("contiguous");
    /* What lies beyond Length is not looked at. */
    REQUEST(STATUS_SUCCESS, table->NdkRegisterMr(mr, &first, 1000, 0, on_request, &end));
    CHECK_STATUS(table->NdkRegisterMr(mr, &first, 1000, 0, on_request, &end), STATUS_INVALID_DEVICE_REQUEST);
    REQUEST(STATUS_SUCCESS, table->NdkDeregisterMr(mr, on_request, &end));
    CHECK_STATUS(table->NdkDeregisterMr(mr, on_request, &end), STATUS_INVALID_DEVICE_REQUEST);
    second.StartVa = side->memory + 1024;
    REQUEST(STATUS_SUCCESS, table->NdkRegisterMr(mr, &first, 2048, 0, on_request, &end));
    CLOSE(mr, NdkCloseMr);
    CHECK(table->NdkGetLocalTokenFromMr(mr) == 0);
    CHECK_TOLD("closed");
}

static void addresses(NDK_ADAPTER *adapter, struct side *side)
{
    struct sockaddr_in good = loopback(0), bad = good;
    struct end end = END;
    NDK_CONNECTOR *connector;
    ULONG length = 0;
    const NDK_CONNECTOR_DISPATCH *table;
    PSOCKADDR from = (PSOCKADDR)&good, to = (PSOCKADDR)&bad;
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    table = connector->Dispatch;
    CHECK_STATUS(table->NdkConnect(connector, NULL, from, 16, to, 16, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, NULL, 16, to, 16, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 4, to, 16, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_4);
    bad.sin_family = AF_UNIX;
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 16, to, 16, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_5);
    bad = loopback(9);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 16, to, 15, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_6);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 16, to, 16, 0, 0, NULL, 5, on_request, &end),
                 STATUS_INVALID_PARAMETER_9);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 16, to, 16, 0, 0, NULL, 0, NULL, &end),
                 STATUS_INVALID_PARAMETER_11);
    CHECK_STATUS(table->NdkConnect(connector, side->qp, from, 16, to, 16, 0, 0, side->memory, 4096, on_request, &end),
                 STATUS_INVALID_BUFFER_SIZE);
    CHECK(end.count == 0);
    REQUEST(STATUS_CONNECTION_REFUSED,
            table->NdkConnect(connector, side->qp, from, 16, to, 16, 0, 0, NULL, 0, on_request, &end));
    CHECK_STATUS(table->NdkAccept(connector, NULL, 0, 0, NULL, 0, NULL, NULL, on_request, &end),
                 STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(table->NdkGetConnectionData(connector, NULL, NULL, NULL, NULL), STATUS_INVALID_PARAMETER_5);
    CHECK_STATUS(table->NdkGetPeerAddress(connector, from, NULL), STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkConnectWithSharedEndpoint(connector, side->qp, NULL, to, 16, 0, 0, NULL, 0, on_request, &end),
                 STATUS_INVALID_PARAMETER_3);
    CHECK_STATUS(table->NdkDisconnect(connector, NULL, &end), STATUS_INVALID_PARAMETER_2);
    CLOSE(connector, NdkCloseConnector);
    CHECK_STATUS(table->NdkReject(connector, NULL, 0), STATUS_INVALID_HANDLE);
    CHECK_STATUS(table->NdkGetPeerAddress(connector, from, &length), STATUS_INVALID_HANDLE);
}

static void extensions(struct side *side)
{
    GUID id = {1, 2, 3, {4}};
    NDK_EXTENSION_INTERFACE interface;
    CHECK_STATUS(side->qp->Dispatch->NdkQueryExtension(&side->qp->Header, &id, version_2_1, &interface),
                 STATUS_NOT_SUPPORTED);
    CHECK_STATUS(side->qp->Dispatch->NdkQueryExtension(&side->qp->Header, NULL, version_2_1, &interface),
                 STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(side->qp->Dispatch->NdkQueryExtension(&side->cq->Header, &id, version_2_1, &interface),
                 STATUS_INVALID_PARAMETER_1);
}

static void stale(struct side *side)
{
    struct end end = END;
    NDK_SGE sge = sge_of(side, 0, 8);
    NDK_RESULT_EX result;
    const NDK_QP_DISPATCH *qp = side->qp->Dispatch;
    const NDK_CQ_DISPATCH *cq = side->cq->Dispatch;
    CHECK_STATUS(qp->NdkCloseQp(NULL, on_close, &end), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(qp->NdkCloseQp(&side->cq->Header, on_close, &end), STATUS_INVALID_PARAMETER_1);
    CHECK_STATUS(qp->NdkCloseQp(&side->qp->Header, NULL, &end), STATUS_INVALID_PARAMETER_2);
    side_close(side);
    /* Closed objects stay what they were, until the adapter closes. */
    CHECK(side->qp->Header.ObjectType == NdkObjectTypeQp && side->cq->Header.ObjectType == NdkObjectTypeCq);
    CHECK_STATUS(qp->NdkSend(side->qp, NULL, &sge, 1, 0), STATUS_INVALID_HANDLE);
    CHECK_TOLD("closed");
    CHECK_STATUS(qp->NdkReceive(side->qp, NULL, &sge, 1), STATUS_INVALID_HANDLE);
    CHECK_STATUS(qp->NdkCloseQp(&side->qp->Header, on_close, &end), STATUS_INVALID_HANDLE);
    qp->NdkFlush(side->qp);
    cq->NdkArmCq(side->cq, NDK_CQ_NOTIFY_ANY);
    CHECK(cq->NdkGetCqResultsEx(side->cq, &result, 1) == 0);
    CHECK_TOLD("NdkGetCqResultsEx");
    CHECK_STATUS(side->pd->Dispatch->NdkCreateMr(side->pd, FALSE, on_create, &end, &side->mr), STATUS_INVALID_HANDLE);
    CHECK(end.count == 0);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-misuse");
    static struct side side;
    side_open(&side, adapter);
    adapters(adapter);
    creations(adapter, &side);
    posts(&side);
    registrations(&side);
    addresses(adapter, &side);
    extensions(&side);
    stale(&side);
    NdkCloseAdapter(adapter);
    puts("misuse: done");
    return 0;
}
