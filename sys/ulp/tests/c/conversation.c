/* Conversations: an APPC program and a CPI-C program talk; what flush sends and when, and what is told. */
#include <qpair_appc.h>
#include <qpair_cpic.h>
#include <stddef.h>

#include "testing.h"

_Static_assert(sizeof(FLUSH) == 24 && offsetof(FLUSH, tp_id) == 12 && offsetof(FLUSH, conv_id) == 20, "2.2");
_Static_assert(sizeof(TP_STARTED) == 92 && sizeof(RECEIVE_ALLOCATE) == 156 && sizeof(GET_ATTRIBUTES) == 132, "2.2");
_Static_assert(sizeof(ALLOCATE) == 184 + sizeof(void *), "2.2");
_Static_assert(sizeof(RECEIVE_AND_WAIT) == 44 + sizeof(void *) && offsetof(RECEIVE_AND_WAIT, dptr) == 36, "2.2");
_Static_assert(sizeof(SEND_DATA) == 32 + sizeof(void *) && offsetof(SEND_DATA, dptr) == 28, "2.2");
_Static_assert(sizeof(SEND_ERROR) == 32 + sizeof(void *) && sizeof(DEALLOCATE) == 28 + sizeof(void *), "2.2");
_Static_assert(sizeof(RECEIVE_AND_POST) == 40 + 2 * sizeof(void *) && sizeof(PREPARE_TO_RECEIVE) == 28, "2.2");

static uint8_t tp_id[8];
static uint32_t conv_id;

static void padded(uint8_t *place, size_t room, const char *text)
{
    memset(place, ' ', room);
    memcpy(place, text, strlen(text));
}

/* A verb of the conversation, and its primary code. */
#define VERB(Type, Name, Opcode)          \
    Type Name;                            \
    memset(&Name, 0, sizeof Name);        \
    Name.opcode = (Opcode);               \
    memcpy(Name.tp_id, tp_id, 8);         \
    Name.conv_id = conv_id

static void define(void)
{
    EQUAL(qpair_appc_define_lu("HERE", "NET.HERE", 0), QPAIR_APPC_NO_NODE);
    EQUAL(qpair_appc_start(NULL, 0), QPAIR_APPC_BAD_PARAMETER);
    EQUAL(qpair_appc_start("local/c-conversation", 5000), QPAIR_APPC_OK);
    EQUAL(qpair_appc_start("local/c-conversation", 5000), QPAIR_APPC_ALREADY);
    EQUAL(qpair_appc_define_lu("HERE", "NET.HERE", 0), QPAIR_APPC_OK);
    EQUAL(qpair_appc_define_lu("THERE", "NET.THERE", 0), QPAIR_APPC_OK);
    EQUAL(qpair_appc_define_lu("THERE", "NET.OTHER", 0), QPAIR_APPC_ALREADY);
    EQUAL(qpair_appc_define_partner("HERE", "PARTNER", "NET.THERE", NULL), QPAIR_APPC_OK);
    EQUAL(qpair_appc_define_partner("HERE", "NOBODY", "NET.NOBODY", NULL), QPAIR_APPC_BAD_PARAMETER);
    EQUAL(qpair_appc_define_tp("THERE", "SERVER"), QPAIR_APPC_OK);
    EQUAL(qpair_appc_define_side("HERE", "DEST", "PARTNER", "", "SERVER"), QPAIR_APPC_OK);
}

static void begin(void)
{
    TP_STARTED started;
    memset(&started, 0, sizeof started);
    started.opcode = AP_TP_STARTED;
    padded(started.lu_alias, 8, "HERE");
    padded(started.tp_name, 64, "CLIENT");
    APPC(&started);
    EQUAL(started.primary_rc, AP_OK);
    memcpy(tp_id, started.tp_id, 8);

    VERB(ALLOCATE, allocate, AP_B_ALLOCATE);
    padded(allocate.plu_alias, 8, "PARTNER");
    padded(allocate.mode_name, 8, "");
    padded(allocate.tp_name, 64, "SERVER");
    padded(allocate.fqplu_name, 17, "");
    APPC(&allocate);
    EQUAL(allocate.primary_rc, AP_OK);
    conv_id = allocate.conv_id;
}

static uint16_t flush(void)
{
    VERB(FLUSH, verb, AP_B_FLUSH);
    APPC(&verb);
    return verb.primary_rc;
}

/* Nothing goes out before the flush; what it sent is there for the partner. */
static void client_sends(void)
{
    static uint8_t record[] = {0, 7, 'h', 'e', 'l', 'l', 'o'};
    uint64_t before;
    VERB(SEND_DATA, send, AP_B_SEND_DATA);
    send.dlen = sizeof record;
    send.dptr = record;
    APPC(&send);
    EQUAL(send.primary_rc, AP_OK);
    EQUAL(qpair_appc_frames_sent("HERE"), 0);
    EQUAL(flush(), AP_OK);
    before = qpair_appc_frames_sent("HERE");
    CHECK(before > 0);
    EQUAL(flush(), AP_OK);
    EQUAL(qpair_appc_frames_sent("HERE"), before);

    send.dptr = NULL;
    APPC(&send);
    EQUAL(send.primary_rc, AP_PARAMETER_CHECK);
    EQUAL(send.secondary_rc, AP_INVALID_DATA_SEGMENT);
}

/* The CPI-C side takes the record and the turn, and answers; non-blocking, it waits by cmwait. */
static void server(void)
{
    unsigned char id[8], waited[8], name[] = "SERVER", got[32], text[64];
    static unsigned char answer[] = {0, 5, 'y', 'e', 's'};
    CM_INT32 rc, length = 6, data, count, status, rts, value, room = sizeof got, code;

    EQUAL(qpair_cpic_program("NOWHERE"), CM_PROGRAM_PARAMETER_CHECK);
    EQUAL(qpair_cpic_program("THERE"), CM_OK);
    cmsltp(name, &length, &rc);
    EQUAL(rc, CM_OK);
    cmaccp(id, &rc);
    EQUAL(rc, CM_OK);
    cmecs(id, &value, &rc);
    EQUAL(value, CM_RECEIVE_STATE);
    cmetpn(id, text, &length, &rc);
    CHECK(rc == CM_OK && length == 6 && memcmp(text, "SERVER", 6) == 0);
    cmrcv(id, got, &room, &data, &count, &status, &rts, &rc);
    EQUAL(rc, CM_OK);
    EQUAL(data, CM_COMPLETE_DATA_RECEIVED);
    CHECK(count == 7 && memcmp(got, "\0\7hello", 7) == 0);
    cmflus(id, &rc);
    EQUAL(rc, CM_PROGRAM_STATE_CHECK);

    /* Nothing is here yet: the receive goes on, and brings the turn later. */
    value = CM_NON_BLOCKING;
    cmspm(id, &value, &rc);
    EQUAL(rc, CM_OK);
    status = -1;
    cmrcv(id, got, &room, &data, &count, &status, &rts, &rc);
    EQUAL(rc, CM_OPERATION_INCOMPLETE);
    EQUAL(status, -1);
    cmflus(id, &rc);
    CHECK(rc == CM_OPERATION_NOT_ACCEPTED || rc == CM_PROGRAM_STATE_CHECK);
    VERB(PREPARE_TO_RECEIVE, prepare, AP_B_PREPARE_TO_RECEIVE);
    prepare.ptr_type = AP_FLUSH;
    APPC(&prepare);
    EQUAL(prepare.primary_rc, AP_OK);
    cmwait(waited, &code, &rc);
    EQUAL(rc, CM_OK);
    EQUAL(code, CM_OK);
    CHECK(memcmp(waited, id, 8) == 0);
    EQUAL(status, CM_SEND_RECEIVED);
    EQUAL(data, CM_NO_DATA_RECEIVED);
    cmwait(waited, &code, &rc);
    EQUAL(rc, CM_PROGRAM_STATE_CHECK);

    length = sizeof answer;
    cmsend(id, answer, &length, &rts, &rc);
    EQUAL(rc, CM_OK);
    cmflus(id, &rc);
    EQUAL(rc, CM_OK);
    value = CM_DEALLOCATE_FLUSH;
    cmsdt(id, &value, &rc);
    EQUAL(rc, CM_OK);
    cmsend(id, answer, NULL, &rts, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
    cmrcv(id, NULL, &room, &data, &count, &status, &rts, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
    cmdeal(id, &rc);
    EQUAL(rc, CM_OK);
    cmflus(id, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
}

static void client_receives(void)
{
    uint8_t got[32];
    EQUAL(flush(), AP_STATE_CHECK);
    VERB(RECEIVE_AND_WAIT, receive, AP_B_RECEIVE_AND_WAIT);
    receive.fill = AP_LL;
    receive.max_len = sizeof got;
    receive.dptr = got;
    APPC(&receive);
    EQUAL(receive.primary_rc, AP_OK);
    EQUAL(receive.what_rcvd, AP_DATA_COMPLETE);
    CHECK(receive.dlen == 5 && memcmp(got, "\0\5yes", 5) == 0);
    APPC(&receive);
    EQUAL(receive.primary_rc, AP_DEALLOC_NORMAL);
}

/* What is told: names that name nothing any more, verbs that are none, NULL. */
static void misuse(void)
{
    unsigned char id[8] = "nothing";
    CM_INT32 rc = -1;
    VERB(FLUSH, verb, AP_B_FLUSH);
    APPC(&verb);
    EQUAL(verb.primary_rc, AP_PARAMETER_CHECK);
    EQUAL(verb.secondary_rc, AP_BAD_CONV_ID);
    memset(verb.tp_id, 0, 8);
    APPC_C(&verb);
    EQUAL(verb.secondary_rc, AP_BAD_TP_ID);
    verb.opcode = 0xffff;
    APPC(&verb);
    EQUAL(verb.primary_rc, AP_INVALID_VERB);
    APPC(NULL);
    CHECK(strstr(qpair_ulp_last_error(), "NULL") != NULL);
    cmflus(id, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
    cmflus(NULL, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
    cmflus(id, NULL);
    cminit(NULL, id, &rc);
    EQUAL(rc, CM_PROGRAM_PARAMETER_CHECK);
}

/* After the end of the node. */
static void end(void)
{
    unsigned char id[8];
    CM_INT32 rc;
    TP_ENDED ended;
    memset(&ended, 0, sizeof ended);
    ended.opcode = AP_TP_ENDED;
    memcpy(ended.tp_id, tp_id, 8);
    APPC(&ended);
    EQUAL(ended.primary_rc, AP_OK);
    EQUAL(qpair_appc_stop(), QPAIR_APPC_OK);
    EQUAL(qpair_appc_stop(), QPAIR_APPC_NO_NODE);
    EQUAL(flush(), AP_COMM_SUBSYSTEM_NOT_LOADED);
    cmaccp(id, &rc);
    EQUAL(rc, CM_PRODUCT_SPECIFIC_ERROR);
}

int main(void)
{
    define();
    begin();
    client_sends();
    server();
    client_receives();
    misuse();
    end();
    puts("conversation: done");
    return 0;
}
