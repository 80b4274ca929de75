/*
 * APPC: verbs of LU 6.2 basic conversations, after winappc.h, for C programs on Linux.
 *
 * A verb is a structure of the layout of Win32, given to APPC; "unsigned long" of the original is uint32_t here,
 * pointers are native. Operation codes, return codes and what_rcvd stand most significant byte first, as the
 * constants do; lengths and conv_id are the host's, and so is secondary_rc with AP_UNEXPECTED_DOS_ERROR. Names are
 * ASCII, padded with blanks. APPC blocks until the verb is done, RECEIVE_AND_POST too, whose sema is not looked at.
 *
 * FLUSH sends what the local unit holds back, the request of ALLOCATE among it; with nothing there, nothing
 * happens. It says that everything was posted, not that the partner has received it: CONFIRM does.
 *
 * In place of an administrator's tools: qpair_appc_start and the definitions below it, one node a process.
 */
#ifndef QPAIR_APPC_H
#define QPAIR_APPC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define APPC_FLIPI(x) ((uint16_t)((((x) & 0xffu) << 8) | (((x) >> 8) & 0xffu)))
#define APPC_FLIPL(x)                                                                              \
    ((uint32_t)((((x) & 0xffu) << 24) | (((x) & 0xff00u) << 8) | (((x) >> 8) & 0xff00u) | (((x) >> 24) & 0xffu)))
#else
#define APPC_FLIPI(x) ((uint16_t)(x))
#define APPC_FLIPL(x) ((uint32_t)(x))
#endif

/* Operation codes. */
#define AP_B_ALLOCATE                      APPC_FLIPI(0x0100)
#define AP_B_CONFIRM                       APPC_FLIPI(0x0300)
#define AP_B_CONFIRMED                     APPC_FLIPI(0x0400)
#define AP_B_DEALLOCATE                    APPC_FLIPI(0x0500)
#define AP_B_FLUSH                         APPC_FLIPI(0x0600)
#define AP_B_GET_ATTRIBUTES                APPC_FLIPI(0x0700)
#define AP_GET_TYPE                        APPC_FLIPI(0x0800)
#define AP_GET_STATE                       APPC_FLIPI(0x0900)
#define AP_B_PREPARE_TO_RECEIVE            APPC_FLIPI(0x0a00)
#define AP_B_RECEIVE_AND_WAIT              APPC_FLIPI(0x0b00)
#define AP_B_RECEIVE_IMMEDIATE             APPC_FLIPI(0x0c00)
#define AP_B_RECEIVE_AND_POST              APPC_FLIPI(0x0d00)
#define AP_B_REQUEST_TO_SEND               APPC_FLIPI(0x0e00)
#define AP_B_SEND_DATA                     APPC_FLIPI(0x0f00)
#define AP_B_SEND_ERROR                    APPC_FLIPI(0x1000)
#define AP_B_TEST_RTS                      APPC_FLIPI(0x1200)
#define AP_TP_ENDED                        APPC_FLIPI(0x1300)
#define AP_TP_STARTED                      APPC_FLIPI(0x1400)
#define AP_RECEIVE_ALLOCATE                APPC_FLIPI(0x1600)

/* primary_rc */
#define AP_OK                              APPC_FLIPI(0x0000)
#define AP_PARAMETER_CHECK                 APPC_FLIPI(0x0001)
#define AP_STATE_CHECK                     APPC_FLIPI(0x0002)
#define AP_ALLOCATION_ERROR                APPC_FLIPI(0x0003)
#define AP_DEALLOC_ABEND_PROG              APPC_FLIPI(0x0006)
#define AP_DEALLOC_ABEND_SVC               APPC_FLIPI(0x0007)
#define AP_DEALLOC_ABEND_TIMER             APPC_FLIPI(0x0008)
#define AP_DEALLOC_NORMAL                  APPC_FLIPI(0x0009)
#define AP_PROG_ERROR_NO_TRUNC             APPC_FLIPI(0x000c)
#define AP_PROG_ERROR_TRUNC                APPC_FLIPI(0x000d)
#define AP_PROG_ERROR_PURGING              APPC_FLIPI(0x000e)
#define AP_CONV_FAILURE_RETRY              APPC_FLIPI(0x000f)
#define AP_CONV_FAILURE_NO_RETRY           APPC_FLIPI(0x0010)
#define AP_SVC_ERROR_NO_TRUNC              APPC_FLIPI(0x0011)
#define AP_SVC_ERROR_TRUNC                 APPC_FLIPI(0x0012)
#define AP_SVC_ERROR_PURGING               APPC_FLIPI(0x0013)
#define AP_UNSUCCESSFUL                    APPC_FLIPI(0x0014)
#define AP_CONVERSATION_TYPE_MIXED         APPC_FLIPI(0x0019)
#define AP_CANCELLED                       APPC_FLIPI(0x0021)
#define AP_TP_BUSY                         APPC_FLIPI(0xf002)
#define AP_COMM_SUBSYSTEM_ABENDED          APPC_FLIPI(0xf003)
#define AP_COMM_SUBSYSTEM_NOT_LOADED       APPC_FLIPI(0xf004)
#define AP_CONV_BUSY                       APPC_FLIPI(0xf005)
#define AP_THREAD_BLOCKING                 APPC_FLIPI(0xf006)
#define AP_INVALID_VERB_SEGMENT            APPC_FLIPI(0xf008)
#define AP_UNEXPECTED_DOS_ERROR            APPC_FLIPI(0xf011)
#define AP_STACK_TOO_SMALL                 APPC_FLIPI(0xf015)
#define AP_INVALID_VERB                    APPC_FLIPI(0xffff)

/* secondary_rc */
#define AP_BAD_TP_ID                       APPC_FLIPL(0x1)
#define AP_BAD_CONV_ID                     APPC_FLIPL(0x2)
#define AP_BAD_LU_ALIAS                    APPC_FLIPL(0x3)
#define AP_ALLOCATION_FAILURE_NO_RETRY     APPC_FLIPL(0x4)
#define AP_ALLOCATION_FAILURE_RETRY        APPC_FLIPL(0x5)
#define AP_INVALID_DATA_SEGMENT            APPC_FLIPL(0x6)
#define AP_BAD_CONV_TYPE                   APPC_FLIPL(0x11)
#define AP_BAD_SYNC_LEVEL                  APPC_FLIPL(0x12)
#define AP_BAD_SECURITY                    APPC_FLIPL(0x13)
#define AP_BAD_RETURN_CONTROL              APPC_FLIPL(0x14)
#define AP_PIP_LEN_INCORRECT               APPC_FLIPL(0x16)
#define AP_UNKNOWN_PARTNER_MODE            APPC_FLIPL(0x18)
#define AP_CONFIRM_ON_SYNC_LEVEL_NONE      APPC_FLIPL(0x31)
#define AP_CONFIRM_BAD_STATE               APPC_FLIPL(0x32)
#define AP_CONFIRM_NOT_LL_BDY              APPC_FLIPL(0x33)
#define AP_CONFIRMED_BAD_STATE             APPC_FLIPL(0x41)
#define AP_DEALLOC_BAD_TYPE                APPC_FLIPL(0x51)
#define AP_DEALLOC_FLUSH_BAD_STATE         APPC_FLIPL(0x52)
#define AP_DEALLOC_CONFIRM_BAD_STATE       APPC_FLIPL(0x53)
#define AP_DEALLOC_NOT_LL_BDY              APPC_FLIPL(0x55)
#define AP_DEALLOC_LOG_LL_WRONG            APPC_FLIPL(0x57)
#define AP_FLUSH_NOT_SEND_STATE            APPC_FLIPL(0x61)
#define AP_P_TO_R_INVALID_TYPE             APPC_FLIPL(0xa1)
#define AP_P_TO_R_NOT_LL_BDY               APPC_FLIPL(0xa2)
#define AP_P_TO_R_NOT_SEND_STATE           APPC_FLIPL(0xa3)
#define AP_RCV_AND_WAIT_BAD_STATE          APPC_FLIPL(0xb1)
#define AP_RCV_AND_WAIT_NOT_LL_BDY         APPC_FLIPL(0xb2)
#define AP_RCV_AND_WAIT_BAD_FILL           APPC_FLIPL(0xb5)
#define AP_RCV_IMMD_BAD_STATE              APPC_FLIPL(0xc1)
#define AP_RCV_IMMD_BAD_FILL               APPC_FLIPL(0xc4)
#define AP_RCV_AND_POST_BAD_STATE          APPC_FLIPL(0xd1)
#define AP_RCV_AND_POST_NOT_LL_BDY         APPC_FLIPL(0xd2)
#define AP_RCV_AND_POST_BAD_FILL           APPC_FLIPL(0xd5)
#define AP_BAD_RETURN_STATUS_WITH_DATA     APPC_FLIPL(0xd7)
#define AP_R_T_S_BAD_STATE                 APPC_FLIPL(0xe1)
#define AP_BAD_LL                          APPC_FLIPL(0xf1)
#define AP_SEND_DATA_NOT_SEND_STATE        APPC_FLIPL(0xf2)
#define AP_SEND_DATA_INVALID_TYPE          APPC_FLIPL(0xf4)
#define AP_SEND_DATA_CONFIRM_SYNC_NONE     APPC_FLIPL(0xf5)
#define AP_SEND_DATA_NOT_LL_BDY            APPC_FLIPL(0xf6)
#define AP_SEND_ERROR_LOG_LL_WRONG         APPC_FLIPL(0x102)
#define AP_SEND_ERROR_BAD_TYPE             APPC_FLIPL(0x103)
#define AP_BAD_ERROR_DIRECTION             APPC_FLIPL(0x105)
#define AP_BAD_PARTNER_LU_ALIAS            APPC_FLIPL(0x15b)
#define AP_BAD_TYPE                        APPC_FLIPL(0x250)
#define AP_UNDEFINED_TP_NAME               APPC_FLIPL(0x506)
#define AP_ALLOCATE_NOT_PENDING            APPC_FLIPL(0x509)
#define AP_SECURITY_NOT_VALID              APPC_FLIPL(0x080f6051)
#define AP_TRANS_PGM_NOT_AVAIL_RETRY       APPC_FLIPL(0x084b6031)
#define AP_TRANS_PGM_NOT_AVAIL_NO_RETRY    APPC_FLIPL(0x084c0000)
#define AP_TP_NAME_NOT_RECOGNIZED          APPC_FLIPL(0x10086021)
#define AP_PIP_NOT_ALLOWED                 APPC_FLIPL(0x10086031)
#define AP_PIP_NOT_SPECIFIED_CORRECTLY     APPC_FLIPL(0x10086032)
#define AP_CONVERSATION_TYPE_MISMATCH      APPC_FLIPL(0x10086034)
#define AP_SYNC_LEVEL_NOT_SUPPORTED        APPC_FLIPL(0x10086041)

/* what_rcvd; joined forms are the bitwise or */
#define AP_DATA                            APPC_FLIPI(0x0001)
#define AP_DATA_COMPLETE                   APPC_FLIPI(0x0002)
#define AP_DATA_INCOMPLETE                 APPC_FLIPI(0x0004)
#define AP_SEND                            APPC_FLIPI(0x0100)
#define AP_CONFIRM_WHAT_RECEIVED           APPC_FLIPI(0x0200)
#define AP_CONFIRM_SEND                    APPC_FLIPI(0x0300)
#define AP_CONFIRM_DEALLOCATE              APPC_FLIPI(0x0400)

/* Values of single bytes. */
#define AP_BASIC_CONVERSATION              0
#define AP_MAPPED_CONVERSATION             1
#define AP_NO                              0
#define AP_YES                             1
#define AP_NONE                            0
#define AP_CONFIRM_SYNC_LEVEL              1
#define AP_SYNCPT                          2
#define AP_SYNC_LEVEL                      0
#define AP_FLUSH                           1
#define AP_ABEND_PROG                      2
#define AP_ABEND_SVC                       3
#define AP_ABEND_TIMER                     4
#define AP_ABEND                           5
#define AP_SHORT                           0
#define AP_LONG                            1
#define AP_BUFFER                          0
#define AP_LL                              1
#define AP_PROG                            0
#define AP_SVC                             1
#define AP_RCV_DIR_ERROR                   0
#define AP_SEND_DIR_ERROR                  1
#define AP_WHEN_SESSION_ALLOCATED          0
#define AP_IMMEDIATE                       1
#define AP_WHEN_SESSION_FREE               2
#define AP_WHEN_CONWINNER_ALLOC            3
#define AP_WHEN_CONV_GROUP_ALLOC           4
#define AP_SAME                            1
#define AP_PGM                             2
#define AP_SOFT                            0
#define AP_HARD                            1
#define AP_SEND_DATA_FLUSH                 1
#define AP_SEND_DATA_CONFIRM               2
#define AP_SEND_DATA_P_TO_R_FLUSH          3
#define AP_SEND_DATA_P_TO_R_SYNC_LEVEL     4
#define AP_SEND_DATA_DEALLOC_FLUSH         5
#define AP_SEND_DATA_DEALLOC_SYNC_LEVEL    6
#define AP_SEND_DATA_DEALLOC_ABEND         7
#define AP_RESET_STATE                     1
#define AP_SEND_STATE                      2
#define AP_RECEIVE_STATE                   3
#define AP_CONFIRM_STATE                   4
#define AP_CONFIRM_SEND_STATE              5
#define AP_CONFIRM_DEALL_STATE             6
#define AP_PEND_POST_STATE                 7
#define AP_PEND_DEALL_STATE                8
#define AP_END_CONV_STATE                  9
#define AP_SEND_PENDING_STATE              10

#pragma pack(push, 4)

typedef struct tp_started {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t lu_alias[8];
    uint8_t tp_id[8];
    uint8_t tp_name[64];
} TP_STARTED;

typedef struct tp_ended {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint8_t type;
    uint8_t reserv4[3];
} TP_ENDED;

typedef struct receive_allocate {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_name[64];
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t sync_level;
    uint8_t conv_type;
    uint8_t user_id[10];
    uint8_t lu_alias[8];
    uint8_t plu_alias[8];
    uint8_t mode_name[8];
    uint8_t reserv3[4];
    uint32_t conv_group_id;
    uint8_t fqplu_name[17];
    uint8_t reserv5[7];
} RECEIVE_ALLOCATE;

typedef struct allocate {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t conv_type;
    uint8_t synclevel;
    uint8_t reserv3[2];
    uint8_t rtn_ctl;
    uint8_t reserv4[3];
    uint32_t conv_group_id;
    uint32_t sense_data;
    uint8_t plu_alias[8];
    uint8_t mode_name[8];
    uint8_t tp_name[64];
    uint8_t security;
    uint8_t reserv5[11];
    uint8_t pwd[10];
    uint8_t user_id[10];
    uint16_t pip_dlen;
    uint8_t reserv6[2];
    uint8_t *pip_dptr;
    uint8_t reserv7;
    uint8_t fqplu_name[17];
    uint8_t reserv8[10];
} ALLOCATE;

typedef struct confirm {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t rts_rcvd;
    uint8_t reserv3[3];
} CONFIRM;

typedef struct confirmed {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
} CONFIRMED;

typedef struct flush {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
} FLUSH;

typedef struct request_to_send {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
} REQUEST_TO_SEND;

typedef struct test_rts {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t reserv3[4];
} TEST_RTS;

typedef struct get_type {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t conv_type;
    uint8_t reserv3[3];
} GET_TYPE;

typedef struct get_state {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t conv_state;
    uint8_t reserv3[3];
} GET_STATE;

typedef struct deallocate {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t reserv3;
    uint8_t dealloc_type;
    uint16_t log_dlen;
    uint8_t *log_dptr;
} DEALLOCATE;

typedef struct prepare_to_receive {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t ptr_type;
    uint8_t locks;
    uint8_t reserv3[2];
} PREPARE_TO_RECEIVE;

typedef struct receive_and_wait {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint16_t what_rcvd;
    uint8_t rtn_status;
    uint8_t fill;
    uint8_t rts_rcvd;
    uint8_t reserv4;
    uint16_t max_len;
    uint16_t dlen;
    uint16_t reserv6;
    uint8_t *dptr;
    uint8_t reserv5[8];
} RECEIVE_AND_WAIT;

typedef struct receive_immediate {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint16_t what_rcvd;
    uint8_t rtn_status;
    uint8_t fill;
    uint8_t rts_rcvd;
    uint8_t reserv4;
    uint16_t max_len;
    uint16_t dlen;
    uint16_t reserv6;
    uint8_t *dptr;
    uint8_t reserv5[8];
} RECEIVE_IMMEDIATE;

typedef struct receive_and_post {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint16_t what_rcvd;
    uint8_t rtn_status;
    uint8_t fill;
    uint8_t rts_rcvd;
    uint8_t reserv4;
    uint16_t max_len;
    uint16_t dlen;
    uint16_t reserv6;
    uint8_t *dptr;
    void *sema;
    uint8_t reserv5[4];
} RECEIVE_AND_POST;

typedef struct send_data {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t rts_rcvd;
    uint8_t data_type;
    uint16_t dlen;
    uint8_t *dptr;
    uint8_t type;
    uint8_t reserv4[3];
} SEND_DATA;

typedef struct send_error {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t rts_rcvd;
    uint8_t err_type;
    uint8_t err_dir;
    uint8_t reserv3;
    uint16_t log_dlen;
    uint16_t reserv4;
    uint8_t *log_dptr;
} SEND_ERROR;

typedef struct get_attributes {
    uint16_t opcode;
    uint8_t opext;
    uint8_t reserv2;
    uint16_t primary_rc;
    uint16_t reserv1;
    uint32_t secondary_rc;
    uint8_t tp_id[8];
    uint32_t conv_id;
    uint8_t reserv3;
    uint8_t sync_level;
    uint8_t mode_name[8];
    uint8_t net_name[8];
    uint8_t lu_name[8];
    uint8_t lu_alias[8];
    uint8_t plu_alias[8];
    uint8_t plu_un_name[8];
    uint8_t reserv4[2];
    uint8_t fqplu_name[17];
    uint8_t reserv5;
    uint8_t user_id[10];
    uint32_t conv_group_id;
    uint8_t reserv6[24];
} GET_ATTRIBUTES;

#pragma pack(pop)

/* Carries out the verb whose structure begins there, and fills in what it returns. */
void APPC(void *vcb);
void APPC_C(void *vcb);

/* What the functions below return; qpair_ulp_last_error says why. */
#define QPAIR_APPC_OK            0
#define QPAIR_APPC_BAD_PARAMETER 1
#define QPAIR_APPC_NO_NODE       2
#define QPAIR_APPC_ALREADY       3
#define QPAIR_APPC_FAILED        4

/*
 * The node of this process, on a device such as "local/NET". A RECEIVE_ALLOCATE and a cmaccp wait for so many
 * milliseconds; 0: for ever. Its end ends all conversations.
 */
int qpair_appc_start(const char *device, uint32_t receive_allocate_ms);
int qpair_appc_stop(void);

/* A logical unit: alias up to 8 bytes, fully qualified name up to 17; port 0 chooses one. */
int qpair_appc_define_lu(const char *lu_alias, const char *fqlu_name, uint16_t port);

/*
 * What the unit of that alias (NULL: the first) knows: a partner at "ADDRESS:PORT" (NULL: the unit of this node with
 * that name), a program that may be invoked, a mode beside blanks and #INTER, side information for cminit.
 */
int qpair_appc_define_partner(const char *lu_alias, const char *plu_alias, const char *fqplu_name, const char *address);
int qpair_appc_define_tp(const char *lu_alias, const char *tp_name);
int qpair_appc_define_mode(const char *lu_alias, const char *mode_name);
int qpair_appc_define_side(const char *lu_alias, const char *sym_dest_name, const char *partner_lu,
                           const char *mode_name, const char *tp_name);

/* Frames that the unit has sent; 0 if there is none. */
uint64_t qpair_appc_frames_sent(const char *lu_alias);

/* The last failure of the calling thread as one sentence, until its next one. */
const char *qpair_ulp_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
