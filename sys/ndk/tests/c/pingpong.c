/* Two queue pairs connect, throw a message to and fro, read and write each other's memory, and part. */
#include "testing.h"

#define ROUNDS 1000

static void receive(struct side *side, void *context)
{
    NDK_SGE sge = sge_of(side, 0, 64);
    CHECK_STATUS(side->qp->Dispatch->NdkReceive(side->qp, context, &sge, 1), STATUS_SUCCESS);
}

static void throw(struct side *from, struct side *to, ULONG length, ULONG flags)
{
    NDK_SGE sge = sge_of(from, 64, length);
    int context;
    NDK_RESULT_EX result;
    receive(to, &context);
    CHECK_STATUS(from->qp->Dispatch->NdkSend(from->qp, &from->qp, &sge, 1, flags), STATUS_SUCCESS);
    result = take_one(from, &from->qp);
    CHECK(result.Type == NdkOperationTypeSend && result.ProviderErrorCode == 0);
    result = take_one(to, &context);
    CHECK(result.Type == NdkOperationTypeReceive && result.BytesTransferred == length);
    CHECK(memcmp(to->memory, from->memory + 64, length) == 0);
}

static void pingpong(struct side *a, struct side *b)
{
    int round;
    for (round = 0; round < ROUNDS; round++) {
        memset(a->memory + 64, round, 64);
        memset(b->memory + 64, ~round, 64);
        throw(a, b, 1 + round % 64, 0);
        throw(b, a, 1 + round % 64, round % 2 ? NDK_OP_FLAG_INLINE : 0);
    }
}

/* Inline data comes from plain memory, in as many pieces as one likes. */
static void inline_pieces(struct side *a, struct side *b)
{
    char text[] = "in pieces";
    NDK_SGE pieces[sizeof text];
    ULONG n;
    for (n = 0; n < sizeof text; n++) {
        pieces[n].VirtualAddress = text + n;
        pieces[n].Length = 1;
        pieces[n].MemoryRegionToken = 0xdead;
    }
    receive(b, b);
    CHECK_STATUS(a->qp->Dispatch->NdkSend(a->qp, a, pieces, sizeof text, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
    take_one(a, a);
    CHECK(take_one(b, b).BytesTransferred == sizeof text);
    CHECK(strcmp((char *)b->memory, text) == 0);
}

/* Addresses of a region are its pointers. */
static void one_sided(struct side *a, struct side *b)
{
    NDK_SGE sge = sge_of(a, 0, 512);
    UINT32 token = b->mr->Dispatch->NdkGetRemoteTokenFromMr(b->mr);
    memset(b->memory + 1024, 0x5a, 512);
    CHECK_STATUS(a->qp->Dispatch->NdkRead(a->qp, NULL, &sge, 1, (UINT64)(uintptr_t)(b->memory + 1024), token, 0),
                 STATUS_SUCCESS);
    CHECK(take_one(a, NULL).Type == NdkOperationTypeRead);
    CHECK(memcmp(a->memory, b->memory + 1024, 512) == 0);
    CHECK_STATUS(a->qp->Dispatch->NdkWrite(a->qp, NULL, &sge, 1, (UINT64)(uintptr_t)(b->memory + 2048), token,
                                           NDK_OP_FLAG_READ_FENCE),
                 STATUS_SUCCESS);
    CHECK(take_one(a, NULL).Type == NdkOperationTypeWrite);
    CHECK(memcmp(a->memory, b->memory + 2048, 512) == 0);
}

static void addresses(struct side *a, struct side *b)
{
    struct sockaddr_in here, there;
    ULONG length = 3;
    CHECK_STATUS(a->connector->Dispatch->NdkGetPeerAddress(a->connector, (PSOCKADDR)&there, &length),
                 STATUS_BUFFER_TOO_SMALL); /* CONN-42 */
    CHECK(length == sizeof there);
    CHECK_STATUS(a->connector->Dispatch->NdkGetPeerAddress(a->connector, (PSOCKADDR)&there, &length), STATUS_SUCCESS);
    CHECK_STATUS(b->connector->Dispatch->NdkGetLocalAddress(b->connector, (PSOCKADDR)&here, &length), STATUS_SUCCESS);
    CHECK(length == sizeof here && here.sin_family == AF_INET);
    CHECK(here.sin_port == there.sin_port && here.sin_addr.s_addr == there.sin_addr.s_addr);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-pingpong");
    static struct side a, b;
    struct end a_gone = END;
    NTSTATUS parting;
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    pingpong(&a, &b);
    inline_pieces(&a, &b);
    one_sided(&a, &b);
    addresses(&a, &b);

    /* Both must part: the first pends until the second does. */
    parting = a.connector->Dispatch->NdkDisconnect(a.connector, on_request, &a_gone);
    CHECK_STATUS(parting, STATUS_PENDING);
    end_wait(&b.disconnected, 1);
    REQUEST(STATUS_SUCCESS, b.connector->Dispatch->NdkDisconnect(b.connector, on_request, &end));
    CHECK_STATUS(end_of(&a_gone, parting), STATUS_SUCCESS);
    CHECK(end_count(&a.disconnected) == 0 && end_count(&b.disconnected) == 1);

    side_close(&a);
    side_close(&b);
    NdkCloseAdapter(adapter);
    puts("pingpong: done");
    return 0;
}
