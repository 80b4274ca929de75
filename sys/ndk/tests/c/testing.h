/* What the C tests share: checks, and waiting for what pends. */
#ifndef TESTING_H
#define TESTING_H

#include <arpa/inet.h>
#include <ndkpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fails the program, saying what did not hold and the library's last failure. */
#define CHECK(Condition)                                                                                     \
    do {                                                                                                     \
        if (!(Condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\nlast failure: %s\n", __FILE__, __LINE__, #Condition, NdkLastError()); \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#define CHECK_STATUS(Call, Expected)                                                                         \
    do {                                                                                                     \
        NTSTATUS status_ = (Call);                                                                           \
        if (status_ != (Expected)) {                                                                         \
            fprintf(stderr, "%s:%d: %s gave 0x%08X, not %s\nlast failure: %s\n", __FILE__, __LINE__, #Call,  \
                    (unsigned)status_, #Expected, NdkLastError());                                           \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* The end of something that may pend. */
struct end {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    NTSTATUS status;
    void *object;
};

#define END {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, NULL}

static inline void end_came(struct end *end, NTSTATUS status, void *object)
{
    pthread_mutex_lock(&end->lock);
    end->count++;
    end->status = status;
    end->object = object;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static inline void end_wait(struct end *end, int count)
{
    pthread_mutex_lock(&end->lock);
    while (end->count < count)
        pthread_cond_wait(&end->changed, &end->lock);
    pthread_mutex_unlock(&end->lock);
}

static inline int end_count(struct end *end)
{
    int count;
    pthread_mutex_lock(&end->lock);
    count = end->count;
    pthread_mutex_unlock(&end->lock);
    return count;
}

static inline void on_request(void *context, NTSTATUS status)
{
    end_came(context, status, NULL);
}

static inline void on_create(void *context, NTSTATUS status, NDK_OBJECT_HEADER *object)
{
    end_came(context, status, object);
}

static inline void on_close(void *context)
{
    end_came(context, STATUS_SUCCESS, NULL);
}

/* The status in the end; the callback came exactly if the call pended. */
static inline NTSTATUS end_of(struct end *end, NTSTATUS returned)
{
    if (returned != STATUS_PENDING) {
        CHECK(end_count(end) == 0);
        return returned;
    }
    end_wait(end, 1);
    CHECK(end_count(end) == 1);
    return end->status;
}

/* Waits for a call that takes `on_request, &end`. */
#define REQUEST(Expected, Call)                                \
    do {                                                       \
        struct end end = END;                                  \
        CHECK_STATUS(end_of(&end, (Call)), Expected);          \
    } while (0)

/* Waits for a call that takes `on_create, &end, &made`, and puts what it makes into `Place`. */
#define CREATE(Place, Call)                                    \
    do {                                                       \
        struct end end = END;                                  \
        __typeof__(Place) made = NULL;                         \
        CHECK_STATUS(end_of(&end, (Call)), STATUS_SUCCESS);    \
        (Place) = end.object != NULL ? end.object : made;      \
        CHECK((Place) != NULL);                                \
    } while (0)

/* Closes `Object` by its own table and waits for it. */
#define CLOSE(Object, Function)                                                                            \
    do {                                                                                                   \
        struct end end = END;                                                                              \
        CHECK_STATUS(end_of(&end, (Object)->Dispatch->Function(&(Object)->Header, on_close, &end)), \
                     STATUS_SUCCESS);                                                                      \
    } while (0)

static const NDK_VERSION version_2_1 = {2, 1};

static inline NDK_ADAPTER *open_adapter(const char *name)
{
    NDK_ADAPTER *adapter = NULL;
    CHECK_STATUS(NdkOpenAdapter(name, version_2_1, &adapter), STATUS_SUCCESS);
    CHECK(adapter != NULL && adapter->Header.ObjectType == NdkObjectTypeAdapter);
    return adapter;
}

static inline struct sockaddr_in loopback(unsigned short port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/* One side of a connection. */
struct side {
    NDK_PD *pd;
    NDK_CQ *cq;
    NDK_QP *qp;
    NDK_MR *mr;
    NDK_CONNECTOR *connector;
    struct end notified;
    struct end accepted;
    struct end disconnected;
    struct end listener_closed;
    NDK_LISTENER *listener;
    unsigned char memory[4096];
};

static inline void on_cq(void *context, NTSTATUS status)
{
    struct side *side = context;
    end_came(&side->notified, status, NULL);
}

static inline void on_disconnect(void *context)
{
    struct side *side = context;
    end_came(&side->disconnected, STATUS_SUCCESS, NULL);
}

static inline void side_open(struct side *side, NDK_ADAPTER *adapter)
{
    static const struct end none = END;
    MDL mdl;
    memset(side, 0, sizeof *side);
    side->notified = side->accepted = side->disconnected = side->listener_closed = none;
    MmInitializeMdl(&mdl, side->memory, sizeof side->memory);
    CREATE(side->pd, adapter->Dispatch->NdkCreatePd(adapter, on_create, &end, &made));
    CREATE(side->cq, adapter->Dispatch->NdkCreateCq(adapter, 64, on_cq, side, NULL, on_create, &end, &made));
    CREATE(side->qp, side->pd->Dispatch->NdkCreateQp(side->pd, side->cq, side->cq, side, 16, 16, 4, 4, 64, on_create,
                                                     &end, &made));
    CREATE(side->mr, side->pd->Dispatch->NdkCreateMr(side->pd, FALSE, on_create, &end, &made));
    REQUEST(STATUS_SUCCESS, side->mr->Dispatch->NdkRegisterMr(
                                side->mr, &mdl, sizeof side->memory,
                                NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE, on_request, &end));
}

static inline void side_close(struct side *side)
{
    if (side->connector != NULL)
        CLOSE(side->connector, NdkCloseConnector);
    if (side->listener != NULL)
        end_wait(&side->listener_closed, 1);
    CLOSE(side->qp, NdkCloseQp);
    CLOSE(side->mr, NdkCloseMr);
    CLOSE(side->cq, NdkCloseCq);
    CLOSE(side->pd, NdkClosePd);
}

/* An entry for a part of the side's memory. */
static inline NDK_SGE sge_of(struct side *side, size_t offset, ULONG length)
{
    NDK_SGE sge;
    sge.VirtualAddress = side->memory + offset;
    sge.Length = length;
    sge.MemoryRegionToken = side->mr->Dispatch->NdkGetLocalTokenFromMr(side->mr);
    return sge;
}

/* Takes `count` completions, and sleeps on notifications while there are none. */
static inline void take(struct side *side, NDK_RESULT_EX *results, ULONG count)
{
    ULONG taken = 0;
    for (;;) {
        int before;
        taken += side->cq->Dispatch->NdkGetCqResultsEx(side->cq, results + taken, count - taken);
        if (taken == count)
            return;
        before = end_count(&side->notified);
        side->cq->Dispatch->NdkArmCq(side->cq, NDK_CQ_NOTIFY_ANY);
        taken += side->cq->Dispatch->NdkGetCqResultsEx(side->cq, results + taken, count - taken);
        if (taken == count)
            return;
        end_wait(&side->notified, before + 1);
    }
}

/* Takes one completion, which must be a success with that context. */
static inline NDK_RESULT_EX take_one(struct side *side, void *context)
{
    NDK_RESULT_EX result;
    take(side, &result, 1);
    CHECK_STATUS(result.Status, STATUS_SUCCESS);
    CHECK(result.RequestContext == context && result.QPContext == side);
    return result;
}

/* Accepts what comes, with the side that is the context. */
static inline void on_connect(void *context, NDK_CONNECTOR *connector)
{
    struct side *side = context;
    NTSTATUS status;
    side->connector = connector;
    status = connector->Dispatch->NdkAccept(connector, side->qp, 4, 4, "welcome", 8, on_disconnect, side, on_request,
                                            &side->accepted);
    if (status != STATUS_PENDING)
        end_came(&side->accepted, status, NULL);
}

/* Lets `passive` accept who comes to the address that is returned. */
static inline struct sockaddr_in listen_for(NDK_ADAPTER *adapter, struct side *passive)
{
    struct sockaddr_in any = loopback(0), local;
    ULONG length = sizeof local;
    CREATE(passive->listener,
           adapter->Dispatch->NdkCreateListener(adapter, on_connect, passive, on_create, &end, &made));
    REQUEST(STATUS_SUCCESS, passive->listener->Dispatch->NdkListen(passive->listener, (PSOCKADDR)&any, sizeof any,
                                                                   on_request, &end));
    CHECK_STATUS(passive->listener->Dispatch->NdkGetLocalAddress(passive->listener, (PSOCKADDR)&local, &length),
                 STATUS_SUCCESS);
    CHECK(length == sizeof local && local.sin_port != 0);
    return local;
}

/* Connects `active` with `passive`, over a listener that is closed again. */
static inline void connect_sides(NDK_ADAPTER *adapter, struct side *active, struct side *passive)
{
    struct sockaddr_in any = loopback(0), there = listen_for(adapter, passive);
    NDK_CONNECTOR *connector;
    CREATE(connector, adapter->Dispatch->NdkCreateConnector(adapter, on_create, &end, &made));
    active->connector = connector;
    REQUEST(STATUS_SUCCESS, connector->Dispatch->NdkConnect(connector, active->qp, (PSOCKADDR)&any, sizeof any,
                                                            (PSOCKADDR)&there, sizeof there, 4, 4, "hello", 6,
                                                            on_request, &end));
    REQUEST(STATUS_SUCCESS,
            connector->Dispatch->NdkCompleteConnect(connector, on_disconnect, active, on_request, &end));
    end_wait(&passive->accepted, 1);
    CHECK_STATUS(passive->accepted.status, STATUS_SUCCESS);
    /* Its close waits for the connector that came by it. */
    CHECK_STATUS(passive->listener->Dispatch->NdkCloseListener(&passive->listener->Header, on_close,
                                                               &passive->listener_closed),
                 STATUS_PENDING);
}

#endif
