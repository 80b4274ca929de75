/* Error paths on demand: calls that pend, creations that fail, requests that end with a status, no device. */
#include "testing.h"

#include <qpair_ndk_ext.h>

static NDK_ADAPTER *open_with_faults(const char *name, const QPAIR_ADAPTER_EXTENSION **faults)
{
    GUID id = QPAIR_NDK_EXTENSION;
    NDK_VERSION version_1_0 = {1, 0};
    NDK_EXTENSION_INTERFACE interface;
    NDK_ADAPTER *adapter;
    CHECK_STATUS(NdkOpenAdapterWithFaults(name, version_2_1, 7, &adapter), STATUS_SUCCESS);
    CHECK_STATUS(adapter->Dispatch->NdkQueryExtension(&adapter->Header, &id, version_1_0, &interface), STATUS_SUCCESS);
    *faults = interface.Dispatch;
    return adapter;
}

/* CREATE-2, CREATE-3: a creation that pends brings its object with the callback, and nowhere else. */
static void creations_pend(NDK_ADAPTER *adapter, const QPAIR_ADAPTER_EXTENSION *faults)
{
    struct end end = END, closed = END, failed = END;
    NDK_PD *never = (NDK_PD *)&end, *pd;
    UINT64 fired = faults->FiredCount(adapter);
    CHECK_STATUS(faults->HoldCalls(adapter, 9, 0), STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(faults->HoldCalls(adapter, QPAIR_HOLD_UNTIL_RELEASED, 0), STATUS_SUCCESS);
    CHECK_STATUS(adapter->Dispatch->NdkCreatePd(adapter, on_create, &end, &never), STATUS_PENDING);
    CHECK(end_count(&end) == 0);
    CHECK(faults->ReleaseOne(adapter));
    end_wait(&end, 1);
    CHECK_STATUS(end.status, STATUS_SUCCESS);
    CHECK(never == (NDK_PD *)&end && end.object != NULL);
    pd = end.object;
    CHECK(pd->Header.ObjectType == NdkObjectTypePd && pd->Header.Version.Major == 2);

    /* CLOSE-1: and so does its close. */
    CHECK_STATUS(pd->Dispatch->NdkClosePd(&pd->Header, on_close, &closed), STATUS_PENDING);
    CHECK(end_count(&closed) == 0);
    CHECK(faults->ReleaseAll(adapter) == 1 && !faults->ReleaseOne(adapter));
    end_wait(&closed, 1);
    CHECK_STATUS(faults->HoldCalls(adapter, QPAIR_HOLD_NO, 0), STATUS_SUCCESS);
    CHECK(faults->FiredCount(adapter) == fired + 2);

    /* The next protection domain fails, by its callback, unless that would come before the call has returned. */
    CHECK_STATUS(faults->FailCreation(adapter, NdkObjectTypeAdapter, 1, TRUE), STATUS_INVALID_PARAMETER_2);
    CHECK_STATUS(faults->FailCreation(adapter, NdkObjectTypePd, 1, TRUE), STATUS_SUCCESS);
    CHECK_STATUS(end_of(&failed, adapter->Dispatch->NdkCreatePd(adapter, on_create, &failed, &never)),
                 STATUS_INSUFFICIENT_RESOURCES);
    CHECK(failed.object == NULL);
    CHECK_STATUS(faults->FailCreation(adapter, NdkObjectTypeUndefined, 1, FALSE), STATUS_SUCCESS);
    CHECK_STATUS(adapter->Dispatch->NdkCreatePd(adapter, on_create, NULL, &never), STATUS_INSUFFICIENT_RESOURCES);
    CHECK(never == (NDK_PD *)&end);
}

/* Every call pends, on a whole connection's way; a thread releases them. */
static void *release(void *context)
{
    void **both = context;
    NDK_ADAPTER *adapter = both[0];
    const QPAIR_ADAPTER_EXTENSION *faults = both[1];
    struct end *stop = both[2];
    while (end_count(stop) == 0)
        faults->ReleaseAll(adapter);
    return NULL;
}

static void everything_pends(NDK_ADAPTER *adapter, const QPAIR_ADAPTER_EXTENSION *faults)
{
    static struct side a, b;
    struct end stop = END;
    void *all[3] = {adapter, (void *)faults, &stop};
    pthread_t releaser;
    NDK_SGE from, into;
    CHECK_STATUS(faults->HoldCalls(adapter, QPAIR_HOLD_UNTIL_RELEASED, 0), STATUS_SUCCESS);
    CHECK(pthread_create(&releaser, NULL, release, all) == 0);
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    from = sge_of(&a, 0, 8);
    into = sge_of(&b, 0, 8);
    CHECK_STATUS(b.qp->Dispatch->NdkReceive(b.qp, &b, &into, 1), STATUS_SUCCESS);
    CHECK_STATUS(a.qp->Dispatch->NdkSend(a.qp, &a, &from, 1, 0), STATUS_SUCCESS);
    take_one(&a, &a);
    take_one(&b, &b);
    side_close(&a);
    side_close(&b);
    end_came(&stop, STATUS_SUCCESS, NULL);
    CHECK(pthread_join(releaser, NULL) == 0);
    faults->ReleaseAll(adapter);
    CHECK_STATUS(faults->HoldCalls(adapter, QPAIR_HOLD_NO, 0), STATUS_SUCCESS);
}

static void a_request_fails(NDK_ADAPTER *adapter, const QPAIR_ADAPTER_EXTENSION *faults)
{
    static struct side a, b;
    NDK_RESULT_EX result;
    NDK_SGE sge;
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    sge = sge_of(&a, 0, 8);
    CHECK_STATUS(faults->InjectStatus(adapter, STATUS_IO_TIMEOUT, 2, a.qp, 7, 0), STATUS_INVALID_PARAMETER_5);
    CHECK_STATUS(faults->InjectStatus(adapter, STATUS_SUCCESS, 2, NULL, 0, 0), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(faults->InjectStatus(adapter, STATUS_IO_TIMEOUT, 2, a.qp, QPAIR_QUEUE_INITIATOR,
                                      NdkOperationTypeWrite),
                 STATUS_SUCCESS);
    for (int n = 0; n < 2; n++)
        CHECK_STATUS(a.qp->Dispatch->NdkWrite(a.qp, &n, &sge, 1, (UINT64)(uintptr_t)b.memory,
                                              b.mr->Dispatch->NdkGetRemoteTokenFromMr(b.mr), 0),
                     STATUS_SUCCESS);
    take(&a, &result, 1);
    CHECK_STATUS(result.Status, STATUS_SUCCESS);
    take(&a, &result, 1);
    CHECK_STATUS(result.Status, STATUS_IO_TIMEOUT);
    side_close(&a);
    side_close(&b);
}

static void the_device_goes(NDK_ADAPTER *adapter, const QPAIR_ADAPTER_EXTENSION *faults)
{
    static struct side a, b;
    NDK_PD *pd;
    NDK_RESULT_EX result;
    side_open(&a, adapter);
    side_open(&b, adapter);
    connect_sides(adapter, &a, &b);
    CHECK_STATUS(b.qp->Dispatch->NdkReceive(b.qp, &b, NULL, 0), STATUS_SUCCESS);
    faults->RemoveDevice(adapter);
    take(&b, &result, 1);
    CHECK_STATUS(result.Status, STATUS_CANCELLED);
    CHECK_STATUS(adapter->Dispatch->NdkCreatePd(adapter, on_create, NULL, &pd), STATUS_DEVICE_REMOVED);
    side_close(&a);
    side_close(&b);
}

int main(void)
{
    const QPAIR_ADAPTER_EXTENSION *faults;
    NDK_ADAPTER *adapter = open_with_faults("local/c-faults", &faults), *plain = open_adapter("local/c-plain");
    NDK_EXTENSION_INTERFACE interface;
    GUID id = QPAIR_NDK_EXTENSION;
    NDK_VERSION version_1_0 = {1, 0};
    CHECK_STATUS(plain->Dispatch->NdkQueryExtension(&plain->Header, &id, version_1_0, &interface),
                 STATUS_NOT_SUPPORTED);
    faults->RemoveDevice(plain);
    CHECK(strstr(NdkLastError(), "NdkOpenAdapterWithFaults") != NULL);
    NdkCloseAdapter(plain);
    creations_pend(adapter, faults);
    everything_pends(adapter, faults);
    a_request_fails(adapter, faults);
    the_device_goes(adapter, faults);
    NdkCloseAdapter(adapter);
    puts("faults: done");
    return 0;
}
