/* What both sides learn when they connect: private data, limits, addresses; shared endpoints; the _EX forms. */
#include "testing.h"

/* The passive side looks at what came before it accepts. */
struct arrival {
    struct side *side;
    struct end came;
    char data[256];
    ULONG inbound, outbound, length;
};

static void on_disconnect_ex(void *context, ULONG reason)
{
    struct side *side = context;
    end_came(&side->disconnected, (NTSTATUS)reason, NULL);
}

static void on_arrival(void *context, NDK_CONNECTOR *connector)
{
    struct arrival *arrival = context;
    struct side *side = arrival->side;
    const NDK_CONNECTOR_DISPATCH *table = connector->Dispatch;
    ULONG needed = 0, none = 0;
    NTSTATUS status;
    CHECK_STATUS(table->NdkGetConnectionData(connector, NULL, NULL, NULL, &needed), STATUS_SUCCESS);
    CHECK(needed >= 6 && needed <= sizeof arrival->data);
    CHECK_STATUS(table->NdkGetConnectionData(connector, NULL, NULL, arrival->data, &none), STATUS_BUFFER_TOO_SMALL);
    CHECK(none == needed);
    arrival->length = 3;
    CHECK_STATUS(table->NdkGetConnectionData(connector, NULL, NULL, arrival->data, &arrival->length),
                 STATUS_BUFFER_TOO_SMALL);
    CHECK(memcmp(arrival->data, "hel", 4) == 0 && arrival->length == needed);
    arrival->length = sizeof arrival->data;
    CHECK_STATUS(table->NdkGetConnectionData(connector, &arrival->inbound, &arrival->outbound, arrival->data,
                                             &arrival->length),
                 STATUS_SUCCESS);
    arrival->length = 4;
    CHECK_STATUS(table->NdkGetConnectionData(connector, NULL, NULL, NULL, &arrival->length),
                 STATUS_INVALID_PARAMETER_4);
    side->connector = connector;
    status = table->NdkAcceptEx(connector, side->qp, 1, 7, "welcome", 8, on_disconnect_ex, side, on_request,
                                &side->accepted);
    if (status != STATUS_PENDING)
        end_came(&side->accepted, status, NULL);
    end_came(&arrival->came, STATUS_SUCCESS, NULL);
}

static void with_data(NDK_ADAPTER *adapter)
{
    static struct side a, b;
    struct arrival arrival = {&b, END, {0}, 0, 0, 0};
    struct sockaddr_in any = loopback(0), there;
    ULONG length = sizeof there, inbound, outbound;
    char data[256];
    NDK_LISTENER *listener;
    NDK_CONNECTOR *connector;
    side_open(&a, adapter);
    side_open(&b, adapter);
    CREATE(listener, adapter->Dispatch->NdkCreateListener(adapter, on_arrival, &arrival, on_create, &end, &made));
    REQUEST(STATUS_SUCCESS, listener->Dispatch->NdkListen(listener, (PSOCKADDR)&any, sizeof any, on_request, &end));
    CHECK_STATUS(listener->Dispatch->NdkListen(listener, (PSOCKADDR)&any, sizeof any, on_request, NULL),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&there, &length), STATUS_SUCCESS);
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    a.connector = connector;

    /* Paused is as if nobody listened; the same connector may try again. */
    listener->Dispatch->NdkControlConnectEvents(listener, TRUE);
    REQUEST(STATUS_CONNECTION_REFUSED,
            connector->Dispatch->NdkConnect(connector, a.qp, (PSOCKADDR)&any, sizeof any, (PSOCKADDR)&there,
                                            sizeof there, 3, 5, "hello", 6, on_request, &end));
    listener->Dispatch->NdkControlConnectEvents(listener, FALSE);
    REQUEST(STATUS_SUCCESS,
            connector->Dispatch->NdkConnect(connector, a.qp, (PSOCKADDR)&any, sizeof any, (PSOCKADDR)&there,
                                            sizeof there, 3, 5, "hello", 6, on_request, &end));
    end_wait(&arrival.came, 1);
    CHECK(strcmp(arrival.data, "hello") == 0 && arrival.inbound == 5 && arrival.outbound == 3);
    length = sizeof data;
    CHECK_STATUS(connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, data, &length),
                 STATUS_SUCCESS);
    CHECK(strcmp(data, "welcome") == 0 && inbound == 3 && outbound == 1);
    REQUEST(STATUS_SUCCESS,
            connector->Dispatch->NdkCompleteConnectEx(connector, on_disconnect_ex, &a, on_request, &end));
    end_wait(&b.accepted, 1);
    CHECK_STATUS(b.accepted.status, STATUS_SUCCESS);

    /* An abrupt end: the peer hears of it, with no reason that anybody knows. */
    side_close(&a);
    end_wait(&b.disconnected, 1);
    CHECK(b.disconnected.status == 0);
    side_close(&b);
    CLOSE(listener, NdkCloseListener);
}

static void shared_endpoints(NDK_ADAPTER *adapter)
{
    static struct side a, b;
    struct sockaddr_in any = loopback(0), here, there, seen;
    ULONG length = sizeof here;
    NDK_SHARED_ENDPOINT *endpoint, *second;
    NDK_CONNECTOR *connector;
    struct end closed = END;
    side_open(&a, adapter);
    side_open(&b, adapter);
    CREATE(endpoint, adapter->Dispatch->NdkCreateSharedEndpoint(adapter, (PSOCKADDR)&any, sizeof any, on_create, &end,
                                                                &made));
    CHECK_STATUS(endpoint->Dispatch->NdkGetLocalAddress(endpoint, (PSOCKADDR)&here, &length), STATUS_SUCCESS);
    CHECK(here.sin_port != 0);
    CHECK_STATUS(adapter->Dispatch->NdkCreateSharedEndpoint(adapter, (PSOCKADDR)&here, sizeof here, on_create, NULL,
                                                            &second),
                 STATUS_SHARING_VIOLATION);
    there = listen_for(adapter, &b);
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    a.connector = connector;
    REQUEST(STATUS_SUCCESS,
            connector->Dispatch->NdkConnectWithSharedEndpoint(connector, a.qp, endpoint, (PSOCKADDR)&there,
                                                              sizeof there, 0, 0, NULL, 0, on_request, &end));
    CHECK_STATUS(connector->Dispatch->NdkGetLocalAddress(connector, (PSOCKADDR)&seen, &length), STATUS_SUCCESS);
    CHECK(seen.sin_port == here.sin_port);
    REQUEST(STATUS_SUCCESS, connector->Dispatch->NdkCompleteConnect(connector, NULL, NULL, on_request, &end));
    CHECK_STATUS(endpoint->Dispatch->NdkCloseSharedEndpoint(&endpoint->Header, on_close, &closed), STATUS_PENDING);
    side_close(&a);
    end_wait(&closed, 1);
    CHECK_STATUS(b.listener->Dispatch->NdkCloseListener(&b.listener->Header, on_close, &b.listener_closed),
                 STATUS_PENDING);
    side_close(&b);
}

static void version_6(NDK_ADAPTER *adapter)
{
    struct sockaddr_in6 address, seen;
    struct sockaddr_in short_of_it;
    ULONG length = sizeof short_of_it;
    NDK_LISTENER *listener;
    struct side nobody;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    CREATE(listener, adapter->Dispatch->NdkCreateListener(adapter, on_connect, &nobody, on_create, &end, &made));
    REQUEST(STATUS_SUCCESS,
            listener->Dispatch->NdkListen(listener, (PSOCKADDR)&address, sizeof address, on_request, &end));
    CHECK_STATUS(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&short_of_it, &length),
                 STATUS_BUFFER_TOO_SMALL);
    CHECK(length == sizeof seen);
    CHECK_STATUS(listener->Dispatch->NdkGetLocalAddress(listener, (PSOCKADDR)&seen, &length), STATUS_SUCCESS);
    CHECK(seen.sin6_family == AF_INET6 && seen.sin6_port != 0);
    CHECK(memcmp(&seen.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0);
    CLOSE(listener, NdkCloseListener);
}

int main(void)
{
    NDK_ADAPTER *adapter = open_adapter("local/c-connecting");
    with_data(adapter);
    shared_endpoints(adapter);
    version_6(adapter);
    NdkCloseAdapter(adapter);
    puts("connecting: done");
    return 0;
}
