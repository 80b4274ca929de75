/* Devices with options: limits, flags, time limits, and a clock that the program moves. */
#include "testing.h"

#include <qpair_ndk_ext.h>

static void refused(const char *device, NTSTATUS expected, const char *named)
{
    NDK_ADAPTER *adapter = NULL;
    CHECK_STATUS(NdkOpenAdapter(device, version_2_1, &adapter), expected);
    CHECK(adapter == NULL && strstr(NdkLastError(), named) != NULL);
}

/* What is asked for is what is reported, and calls are judged by it. */
static void limits(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-limits;max_cq_depth=64;max_srq_depth=0x0;flags=0x10001");
    NDK_ADAPTER_INFO info;
    ULONG size = sizeof info;
    NDK_CQ *cq, *none = NULL;
    NDK_PD *pd;
    NDK_SRQ *no_srq = NULL;
    CHECK_STATUS(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &size), STATUS_SUCCESS);
    CHECK(info.MaxCqDepth == 64 && info.MaxSrqDepth == 0);
    CHECK(info.AdapterFlags == (NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED |
                                NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED));
    CREATE(cq, adapter->Dispatch->NdkCreateCq(adapter, 64, on_request, NULL, NULL, on_create, &end, &made));
    CHECK_STATUS(adapter->Dispatch->NdkCreateCq(adapter, 65, on_request, NULL, NULL, on_create, NULL, &none),
                 STATUS_INVALID_PARAMETER);
    CHECK_STATUS(cq->Dispatch->NdkResizeCq(cq, 32, on_request, NULL), STATUS_NOT_SUPPORTED);
    CHECK_STATUS(cq->Dispatch->NdkControlCqInterruptModeration(cq, 1, 1), STATUS_NOT_SUPPORTED);
    CREATE(pd, adapter->Dispatch->NdkCreatePd(adapter, on_create, &end, &made));
    CHECK_STATUS(pd->Dispatch->NdkCreateSrq(pd, 1, 1, 0, NULL, NULL, NULL, on_create, NULL, &no_srq),
                 STATUS_NOT_SUPPORTED);
    CHECK_STATUS(NdkAdvanceClock(adapter, 1), STATUS_NOT_SUPPORTED);
    CLOSE(pd, NdkClosePd);
    CLOSE(cq, NdkCloseCq);
    NdkCloseAdapter(adapter);
}

static void malformed(void)
{
    refused("local;", STATUS_INVALID_PARAMETER, "OPTION=VALUE");
    refused("local;max_cq_depth", STATUS_INVALID_PARAMETER, "OPTION=VALUE");
    refused("local;MaxCqDepth=64", STATUS_INVALID_PARAMETER, "max_cq_depth");
    refused("local;max_cq_depth=many", STATUS_INVALID_PARAMETER, "max_cq_depth=many");
    refused("local;max_cq_depth=0xffffffff", STATUS_INVALID_PARAMETER, "max_cq_depth");
    refused("local;frmr_page_count=15", STATUS_INVALID_PARAMETER, "frmr_page_count");
    refused("local;flags=0x80000000", STATUS_INVALID_PARAMETER, "flags");
    refused("local;clock=sundial", STATUS_INVALID_PARAMETER, "clock=sundial");
    refused("local;ndk_enabled=0", NDIS_STATUS_ADAPTER_NOT_READY, "NDK");
    refused("lokal;max_cq_depth=64", STATUS_NOT_SUPPORTED, "lokal");
}

static void on_arrival(void *context, NDK_CONNECTOR *connector)
{
    end_came(context, STATUS_SUCCESS, connector);
}

/* Nobody answers, and the time limit passes when the program says so. */
static void time_limits(void)
{
    static const char device[] = "local/c-clock@10.0.0.1;connect_timeout_ms=50;clock=manual";
    NDK_ADAPTER *adapter = open_adapter(device), *other;
    NDK_CONNECTOR *connector;
    NDK_LISTENER *listener;
    struct sockaddr_in any = loopback(0), there;
    struct end ended = END, arrived = END;
    ULONG length = sizeof there;
    static struct side side;
    refused("local/c-clock@10.0.0.2", STATUS_SHARING_VIOLATION, "c-clock");
    refused("local/c-clock@10.0.0.2;clock=manual", STATUS_SHARING_VIOLATION, "c-clock");
    other = open_adapter("local/c-clock@10.0.0.2;connect_timeout_ms=50;clock=manual");

    any.sin_addr.s_addr = htonl(0x0a000001);
    side_open(&side, adapter);
    CREATE(listener, adapter->Dispatch->NdkCreateListener(adapter, on_arrival, &arrived,
                                                          on_create, &end, &made));
    REQUEST(STATUS_SUCCESS,
            listener->Dispatch->NdkListen(listener, (PSOCKADDR)&any, sizeof any, on_request, &end));
    CHECK_STATUS(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&there, &length), STATUS_SUCCESS);
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    CHECK_STATUS(connector->Dispatch->NdkConnect(connector, side.qp, (PSOCKADDR)&any, sizeof any, (PSOCKADDR)&there,
                                                 sizeof there, 4, 4, NULL, 0, on_request, &ended),
                 STATUS_PENDING);
    end_wait(&arrived, 1);
    CHECK_STATUS(NdkAdvanceClock(adapter, 49999999), STATUS_SUCCESS);
    CHECK(end_count(&ended) == 0);
    CHECK_STATUS(NdkAdvanceClock(other, 1), STATUS_SUCCESS); /* it is the clock of the NET */
    end_wait(&ended, 1);
    CHECK_STATUS(ended.status, STATUS_IO_TIMEOUT);
    CHECK_STATUS(NdkAdvanceClock(NULL, 1), STATUS_INVALID_PARAMETER_1);

    side.connector = connector;
    CLOSE((NDK_CONNECTOR *)arrived.object, NdkCloseConnector);
    CLOSE(listener, NdkCloseListener);
    side_close(&side);
    NdkCloseAdapter(other);
    NdkCloseAdapter(adapter);
}

int main(void)
{
    limits();
    malformed();
    time_limits();
    printf("options: done\n");
    return 0;
}
