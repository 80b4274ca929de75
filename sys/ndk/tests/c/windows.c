/* Windows, fast registrations, logical addresses, and requests that are held back. */
#include "testing.h"

#define PAGE 4096

static UINT64 address_of(void *pointer)
{
    return (UINT64)(uintptr_t)pointer;
}

/* A window gives the peer what it was bound for, until it is invalidated. */
static void windows(struct side *a, struct side *b)
{
    NDK_MW *mw;
    NDK_SGE sge = sge_of(a, 0, 16);
    NDK_RESULT_EX result;
    UINT32 token;
    CREATE(mw, b->pd->Dispatch->NdkCreateMw(b->pd, on_create, &end, &made));
    CHECK_STATUS(b->qp->Dispatch->NdkBind(b->qp, mw, b->mr, mw, b->memory + 100, 4096, NDK_OP_FLAG_ALLOW_REMOTE_WRITE),
                 STATUS_ACCESS_VIOLATION);
    CHECK_STATUS(b->qp->Dispatch->NdkBind(b->qp, mw, b->mr, mw, a->memory, 16, NDK_OP_FLAG_ALLOW_REMOTE_WRITE),
                 STATUS_ACCESS_VIOLATION);
    CHECK_STATUS(b->qp->Dispatch->NdkBind(b->qp, mw, b->mr, mw, b->memory + 100, 16, NDK_OP_FLAG_ALLOW_REMOTE_WRITE),
                 STATUS_SUCCESS);
    token = mw->Dispatch->NdkGetRemoteTokenFromMw(mw);
    CHECK(token != 0 && token != b->mr->Dispatch->NdkGetRemoteTokenFromMr(b->mr));
    CHECK(take_one(b, mw).Type == NdkOperationTypeBind);
    CHECK_STATUS(b->mr->Dispatch->NdkDeregisterMr(b->mr, on_request, NULL), STATUS_DEVICE_BUSY);
    memset(a->memory, 3, 16);
    CHECK_STATUS(a->qp->Dispatch->NdkWrite(a->qp, a, &sge, 1, address_of(b->memory + 100), token, 0), STATUS_SUCCESS);
    take_one(a, a);
    CHECK(b->memory[100] == 3 && b->memory[115] == 3 && b->memory[116] == 0);
    CHECK_STATUS(b->qp->Dispatch->NdkInvalidate(b->qp, mw, &mw->Header, 0), STATUS_SUCCESS);
    CHECK(take_one(b, mw).Type == NdkOperationTypeInvalidate);

    /* A send that invalidates: the receive tells which token is gone. */
    CHECK_STATUS(b->qp->Dispatch->NdkBind(b->qp, mw, b->mr, mw, b->memory, 16, NDK_OP_FLAG_ALLOW_REMOTE_READ),
                 STATUS_SUCCESS);
    take_one(b, mw);
    token = mw->Dispatch->NdkGetRemoteTokenFromMw(mw);
    CHECK_STATUS(b->qp->Dispatch->NdkReceive(b->qp, mw, NULL, 0), STATUS_SUCCESS);
    CHECK_STATUS(a->qp->Dispatch->NdkSendAndInvalidate(a->qp, a, NULL, 0, 0, token), STATUS_SUCCESS);
    CHECK(take_one(a, a).Type == NdkOperationTypeSend);
    result = take_one(b, mw);
    CHECK(result.Type == NdkOperationTypeReceiveAndInvalidate);
    CHECK((UINT32)result.TypeSpecificCompletionOutput == token);
    CLOSE(mw, NdkCloseMw);
}

/* A mapping of `memory`, which the caller frees when it is released. */
static NDK_LOGICAL_ADDRESS_MAPPING *map(NDK_ADAPTER *adapter, void *memory, ULONG length, ULONG *first_byte_offset)
{
    NDK_LOGICAL_ADDRESS_MAPPING *lam;
    ULONG size = 0, needed;
    MDL mdl;
    MmInitializeMdl(&mdl, memory, length);
    CHECK_STATUS(adapter->Dispatch->NdkBuildLAM(adapter, &mdl, length, on_request, NULL, NULL, &size, first_byte_offset),
                 STATUS_BUFFER_TOO_SMALL); /* MR-25 */
    needed = size;
    lam = calloc(1, size);
    CHECK_STATUS(adapter->Dispatch->NdkBuildLAM(adapter, &mdl, length, NULL, NULL, lam, &size, first_byte_offset),
                 STATUS_INVALID_PARAMETER_4);
    CHECK(lam->AdapterPageCount == 0);
    REQUEST(STATUS_SUCCESS, adapter->Dispatch->NdkBuildLAM(adapter, &mdl, length, on_request, &end, lam, &size,
                                                           first_byte_offset));
    CHECK(size == needed && NDK_LAM_SIZE(lam->AdapterPageCount) == size);
    return lam;
}

/* Logical addresses work under the privileged token, and registered page by page in another order. */
static void logical_addresses(NDK_ADAPTER *adapter, struct side *a, struct side *b)
{
    unsigned char *memory = aligned_alloc(PAGE, 3 * PAGE);
    NDK_LOGICAL_ADDRESS_MAPPING *lam;
    NDK_LOGICAL_ADDRESS swapped[2];
    ULONG first_byte_offset;
    MDL ordinary;
    NDK_MR *mr;
    NDK_SGE sge, into = sge_of(a, 0, 16);
    UINT32 privileged, token;
    memset(memory, 0, 3 * PAGE);
    lam = map(adapter, memory + 16, 3 * PAGE - 16, &first_byte_offset);
    CHECK(first_byte_offset == 16 && lam->AdapterPageCount == 3);
    CHECK(lam->AdapterPageArray[0].QuadPart % PAGE == 0);

    strcpy((char *)memory + 16, "logical");
    b->pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(b->pd, &privileged);
    sge.LogicalAddress.QuadPart = lam->AdapterPageArray[0].QuadPart + first_byte_offset;
    sge.Length = 8;
    sge.MemoryRegionToken = privileged;
    CHECK_STATUS(a->qp->Dispatch->NdkReceive(a->qp, a, &into, 1), STATUS_SUCCESS);
    CHECK_STATUS(b->qp->Dispatch->NdkSend(b->qp, b, &sge, 1, 0), STATUS_SUCCESS);
    take_one(b, b);
    take_one(a, a);
    CHECK(strcmp((char *)a->memory, "logical") == 0);

    CREATE(mr, b->pd->Dispatch->NdkCreateMr(b->pd, TRUE, on_create, &end, &made));
    CHECK(mr->Dispatch->NdkGetLocalTokenFromMr(mr) == 0);
    /* MR-5: a region is for fast registration or an ordinary one, never both. */
    MmInitializeMdl(&ordinary, memory, PAGE);
    CHECK_STATUS(mr->Dispatch->NdkRegisterMr(mr, &ordinary, PAGE, NDK_MR_FLAG_ALLOW_LOCAL_WRITE, on_request, NULL),
                 STATUS_INVALID_DEVICE_REQUEST);
    CHECK_STATUS(b->mr->Dispatch->NdkInitializeFastRegisterMr(b->mr, 16, TRUE, on_request, NULL),
                 STATUS_INVALID_DEVICE_REQUEST);
    CHECK_STATUS(mr->Dispatch->NdkDeregisterMr(mr, on_request, NULL), STATUS_INVALID_DEVICE_REQUEST);
    CHECK_STATUS(mr->Dispatch->NdkInitializeFastRegisterMr(mr, 1u << 30, TRUE, on_request, NULL),
                 STATUS_IMPLEMENTATION_LIMIT);
    REQUEST(STATUS_SUCCESS, mr->Dispatch->NdkInitializeFastRegisterMr(mr, 16, TRUE, on_request, &end));
    swapped[0] = lam->AdapterPageArray[2];
    swapped[1] = lam->AdapterPageArray[1];
    CHECK_STATUS(b->qp->Dispatch->NdkFastRegister(b->qp, b, mr, 2, NULL, 0, 2 * PAGE, (PVOID)(uintptr_t)(8 * PAGE),
                                                  NDK_OP_FLAG_ALLOW_REMOTE_READ),
                 STATUS_INVALID_PARAMETER_5);
    CHECK_STATUS(b->qp->Dispatch->NdkFastRegister(b->qp, b, mr, 2, swapped, 0, 2 * PAGE, (PVOID)(uintptr_t)(8 * PAGE),
                                                  NDK_OP_FLAG_ALLOW_REMOTE_READ),
                 STATUS_SUCCESS);
    token = mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
    CHECK(take_one(b, b).Type == NdkOperationTypeFastRegister);
    memory[PAGE + 5] = 11; /* in the second page as it was registered */
    into = sge_of(a, 0, 1);
    CHECK_STATUS(a->qp->Dispatch->NdkRead(a->qp, a, &into, 1, 9 * PAGE + 5, token, 0), STATUS_SUCCESS);
    take_one(a, a);
    CHECK(a->memory[0] == 11);
    CHECK_STATUS(b->qp->Dispatch->NdkInvalidate(b->qp, b, &mr->Header, 0), STATUS_SUCCESS);
    take_one(b, b);
    CHECK_STATUS(b->qp->Dispatch->NdkInvalidate(b->qp, b, &b->mr->Header, 0), STATUS_INVALID_DEVICE_REQUEST);
    CLOSE(mr, NdkCloseMr);

    adapter->Dispatch->NdkReleaseLAM(adapter, lam);
    adapter->Dispatch->NdkReleaseLAM(adapter, lam);
    CHECK(strstr(NdkLastError(), "pNdkLAM") != NULL);
    free(lam);
    free(memory);
}

/* Whatever an initiator call is refused for, what was held back before it goes (QP-25). */
static void held_back(struct side *a, struct side *b)
{
    NDK_SGE sge = sge_of(a, 0, 8), into = sge_of(b, 0, 8);
    CHECK_STATUS(b->qp->Dispatch->NdkReceive(b->qp, b, &into, 1), STATUS_SUCCESS);
    CHECK_STATUS(a->qp->Dispatch->NdkSend(a->qp, a, &sge, 1, NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    CHECK_STATUS(a->qp->Dispatch->NdkSend(a->qp, a, NULL, 1, 0), STATUS_INVALID_PARAMETER_3);
    take_one(a, a);
    take_one(b, b);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-windows");
    static struct side a, b;
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    held_back(&a, &b);
    windows(&a, &b);
    logical_addresses(adapter, &a, &b);
    side_close(&a);
    side_close(&b);
    NdkCloseAdapter(adapter);
    puts("windows: done");
    return 0;
}
