/*
 * CPI-C: calls of LU 6.2 basic conversations, after wincpic.h, for C programs on Linux.
 *
 * All parameters are pointers; a conversation_ID has 8 bytes, integers have 32 bits, names are ASCII. NULL is
 * CM_PROGRAM_PARAMETER_CHECK, but for return_code, without which nothing is told.
 *
 * cmflus sends what the local unit holds back: data, the request of cmallc, the notice of cmserr. It says that
 * everything was posted, not that the partner has received it: cmcfm does.
 *
 * In non-blocking mode the buffer and the places for results of a call that returned CM_OPERATION_INCOMPLETE stay the
 * library's until cmwait tells of its end.
 *
 * The node and its units come from qpair_appc.h. Each thread may have a program of its own (qpair_cpic_program);
 * threads without share one on the first unit. cminit, cmaccp, cmsltp and cmwait are of the thread's program;
 * the other calls find the program by the conversation, from any thread.
 */
#ifndef QPAIR_CPIC_H
#define QPAIR_CPIC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t CM_INT32;
typedef CM_INT32 CM_RETURN_CODE;

/* return_code */
#define CM_OK                              0
#define CM_ALLOCATE_FAILURE_NO_RETRY       1
#define CM_ALLOCATE_FAILURE_RETRY          2
#define CM_CONVERSATION_TYPE_MISMATCH      3
#define CM_PIP_NOT_SPECIFIED_CORRECTLY     5
#define CM_SECURITY_NOT_VALID              6
#define CM_SYNC_LVL_NOT_SUPPORTED_LU       7
#define CM_SYNC_LVL_NOT_SUPPORTED_PGM      8
#define CM_TPN_NOT_RECOGNIZED              9
#define CM_TP_NOT_AVAILABLE_NO_RETRY       10
#define CM_TP_NOT_AVAILABLE_RETRY          11
#define CM_DEALLOCATED_ABEND               17
#define CM_DEALLOCATED_NORMAL              18
#define CM_PARAMETER_ERROR                 19
#define CM_PRODUCT_SPECIFIC_ERROR          20
#define CM_PROGRAM_ERROR_NO_TRUNC          21
#define CM_PROGRAM_ERROR_PURGING           22
#define CM_PROGRAM_ERROR_TRUNC             23
#define CM_PROGRAM_PARAMETER_CHECK         24
#define CM_PROGRAM_STATE_CHECK             25
#define CM_RESOURCE_FAILURE_NO_RETRY       26
#define CM_RESOURCE_FAILURE_RETRY          27
#define CM_UNSUCCESSFUL                    28
#define CM_DEALLOCATED_ABEND_SVC           30
#define CM_DEALLOCATED_ABEND_TIMER         31
#define CM_SVC_ERROR_NO_TRUNC              32
#define CM_SVC_ERROR_PURGING               33
#define CM_SVC_ERROR_TRUNC                 34
#define CM_OPERATION_INCOMPLETE            35
#define CM_SYSTEM_EVENT                    36
#define CM_OPERATION_NOT_ACCEPTED          37

/* Values of characteristics and results. */
#define CM_BASIC_CONVERSATION              0
#define CM_MAPPED_CONVERSATION             1
#define CM_NONE                            0
#define CM_CONFIRM                         1
#define CM_BLOCKING                        0
#define CM_NON_BLOCKING                    1
#define CM_BUFFER_DATA                     0
#define CM_SEND_AND_FLUSH                  1
#define CM_SEND_AND_CONFIRM                2
#define CM_SEND_AND_PREP_TO_RECEIVE        3
#define CM_SEND_AND_DEALLOCATE             4
#define CM_RECEIVE_AND_WAIT                0
#define CM_RECEIVE_IMMEDIATE               1
#define CM_DEALLOCATE_SYNC_LEVEL           0
#define CM_DEALLOCATE_FLUSH                1
#define CM_DEALLOCATE_CONFIRM              2
#define CM_DEALLOCATE_ABEND                3
#define CM_PREP_TO_RECEIVE_SYNC_LEVEL      0
#define CM_PREP_TO_RECEIVE_FLUSH           1
#define CM_PREP_TO_RECEIVE_CONFIRM         2
#define CM_RECEIVE_ERROR                   0
#define CM_SEND_ERROR                      1
#define CM_FILL_LL                         0
#define CM_FILL_BUFFER                     1
#define CM_WHEN_SESSION_ALLOCATED          0
#define CM_IMMEDIATE                       1
#define CM_SECURITY_NONE                   0
#define CM_SECURITY_SAME                   1
#define CM_SECURITY_PROGRAM                2
#define CM_NO_DATA_RECEIVED                0
#define CM_DATA_RECEIVED                   1
#define CM_COMPLETE_DATA_RECEIVED          2
#define CM_INCOMPLETE_DATA_RECEIVED        3
#define CM_NO_STATUS_RECEIVED              0
#define CM_SEND_RECEIVED                   1
#define CM_CONFIRM_RECEIVED                2
#define CM_CONFIRM_SEND_RECEIVED           3
#define CM_CONFIRM_DEALLOC_RECEIVED        4
#define CM_INITIALIZE_STATE                2
#define CM_SEND_STATE                      3
#define CM_RECEIVE_STATE                   4
#define CM_SEND_PENDING_STATE              5
#define CM_CONFIRM_STATE                   6
#define CM_CONFIRM_SEND_STATE              7
#define CM_CONFIRM_DEALLOCATE_STATE        8
#define CM_INITIALIZE_INCOMING_STATE       14

/* A new program on the unit of that alias (NULL: the first), which the thread's calls are of; CM_OK, or why not. */
CM_INT32 qpair_cpic_program(const char *lu_alias);

void cminit(unsigned char *conversation_ID, unsigned char *sym_dest_name, CM_INT32 *return_code);
void cmaccp(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmsltp(unsigned char *tp_name, CM_INT32 *tp_name_length, CM_INT32 *return_code);
void cmwait(unsigned char *conversation_ID, CM_INT32 *conversation_return_code, CM_INT32 *return_code);

void cmallc(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmflus(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmptr(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmcfmd(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmrts(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmdeal(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmcanc(unsigned char *conversation_ID, CM_INT32 *return_code);
void cmcfm(unsigned char *conversation_ID, CM_INT32 *request_to_send_received, CM_INT32 *return_code);
void cmserr(unsigned char *conversation_ID, CM_INT32 *request_to_send_received, CM_INT32 *return_code);
void cmtrts(unsigned char *conversation_ID, CM_INT32 *request_to_send_received, CM_INT32 *return_code);
void cmsend(unsigned char *conversation_ID, unsigned char *buffer, CM_INT32 *send_length,
            CM_INT32 *request_to_send_received, CM_INT32 *return_code);
void cmrcv(unsigned char *conversation_ID, unsigned char *buffer, CM_INT32 *requested_length, CM_INT32 *data_received,
           CM_INT32 *received_length, CM_INT32 *status_received, CM_INT32 *request_to_send_received,
           CM_INT32 *return_code);

void cmsct(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmssl(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsrc(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmscst(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsst(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsrt(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsdt(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsptr(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsed(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsf(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmspm(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmsmn(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmspln(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmstpn(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmscsu(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmscsp(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmsld(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);

/* Room for mode 8, partner_LU_name 17, TP_name 64 bytes. */
void cmecs(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmect(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmesl(unsigned char *conversation_ID, CM_INT32 *value, CM_INT32 *return_code);
void cmemn(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmepln(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);
void cmetpn(unsigned char *conversation_ID, unsigned char *value, CM_INT32 *length, CM_INT32 *return_code);

#ifdef __cplusplus
}
#endif

#endif
