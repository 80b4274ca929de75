/*
 * Logs in the manner of the Common Log File System, after clfs.h, for C programs on Linux.
 *
 * Names and numbers are those of the original. A log is a folder; its containers are files in it. Handles of logs,
 * areas and read contexts are numbers in the shape of pointers, never used twice. Statuses are NTSTATUS; note that
 * STATUS_LOG_NO_RESTART counts as success for NT_SUCCESS.
 *
 * A flush returns when the records are on stable storage, and only then. ClfsFlushBuffers is ClfsFlushToLsn with
 * CLFS_LSN_NULL. What plsnLastFlushed tells is the oldest LSN that is not stable.
 */
#ifndef QPAIR_CLFS_H
#define QPAIR_CLFS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t NTSTATUS;
typedef uint32_t ULONG, *PULONG;
typedef uint16_t USHORT;
typedef uint8_t UCHAR, *PUCHAR;
typedef int64_t LONGLONG, *PLONGLONG;
typedef uint64_t ULONGLONG, *PULONGLONG;
typedef void *PVOID, **PPVOID;
typedef PVOID PLOG_FILE_OBJECT, *PPLOG_FILE_OBJECT;

typedef struct _CLFS_LSN {
    ULONGLONG Internal;
} CLFS_LSN, *PCLFS_LSN;

typedef struct _CLFS_WRITE_ENTRY {
    PVOID Buffer;
    ULONG ByteLength;
} CLFS_WRITE_ENTRY, *PCLFS_WRITE_ENTRY;

typedef enum _CLFS_CONTEXT_MODE {
    ClfsContextNone = 0,
    ClfsContextUndoNext = 1,
    ClfsContextPrevious = 2,
    ClfsContextForward = 3
} CLFS_CONTEXT_MODE;

typedef UCHAR CLFS_RECORD_TYPE, *PCLFS_RECORD_TYPE;
#define ClfsDataRecord    ((CLFS_RECORD_TYPE)1)
#define ClfsRestartRecord ((CLFS_RECORD_TYPE)2)
#define ClfsClientRecord  ((CLFS_RECORD_TYPE)3)

static const CLFS_LSN CLFS_LSN_NULL = {0};
static const CLFS_LSN CLFS_LSN_INVALID = {0xFFFFFFFF00000000ull};

#define CLFS_FLAG_NO_FLAGS        0u
#define CLFS_FLAG_FORCE_APPEND    1u
#define CLFS_FLAG_FORCE_FLUSH     2u
#define CLFS_FLAG_USE_RESERVATION 4u

#define FILE_OPEN              1u
#define FILE_CREATE            2u
#define FILE_OPEN_IF           3u
#define FILE_ATTRIBUTE_ARCHIVE 0x20u

/* Bit of fCreateOptions, which is ours: plain calls on threads, also where the system has io_uring. */
#define QPAIR_CLFS_THREADS 0x80000000u

#ifndef STATUS_SUCCESS
#define STATUS_SUCCESS ((NTSTATUS)0)
#endif
#ifndef STATUS_END_OF_FILE
#define STATUS_END_OF_FILE ((NTSTATUS)0xC0000011u)
#endif
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000Du)
#endif
#ifndef STATUS_NOT_SUPPORTED
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BBu)
#endif
#ifndef STATUS_OBJECT_NAME_NOT_FOUND
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034u)
#endif
#ifndef STATUS_OBJECT_NAME_COLLISION
#define STATUS_OBJECT_NAME_COLLISION ((NTSTATUS)0xC0000035u)
#endif
#ifndef STATUS_SHARING_VIOLATION
#define STATUS_SHARING_VIOLATION ((NTSTATUS)0xC0000043u)
#endif
#ifndef STATUS_DISK_FULL
#define STATUS_DISK_FULL ((NTSTATUS)0xC000007Fu)
#endif
#ifndef STATUS_LOG_BLOCK_INVALID
#define STATUS_LOG_BLOCK_INVALID ((NTSTATUS)0xC01A000Au)
#endif
#ifndef STATUS_LOG_NO_RESTART
#define STATUS_LOG_NO_RESTART ((NTSTATUS)0x401A000Cu)
#endif
#ifndef STATUS_LOG_METADATA_CORRUPT
#define STATUS_LOG_METADATA_CORRUPT ((NTSTATUS)0xC01A000Du)
#endif
#ifndef STATUS_LOG_METADATA_INCONSISTENT
#define STATUS_LOG_METADATA_INCONSISTENT ((NTSTATUS)0xC01A000Fu)
#endif
#ifndef STATUS_LOG_RESERVATION_INVALID
#define STATUS_LOG_RESERVATION_INVALID ((NTSTATUS)0xC01A0010u)
#endif
#ifndef STATUS_LOG_CANT_DELETE
#define STATUS_LOG_CANT_DELETE ((NTSTATUS)0xC01A0011u)
#endif
#ifndef STATUS_LOG_CONTAINER_LIMIT_EXCEEDED
#define STATUS_LOG_CONTAINER_LIMIT_EXCEEDED ((NTSTATUS)0xC01A0012u)
#endif
#ifndef STATUS_LOG_START_OF_LOG
#define STATUS_LOG_START_OF_LOG ((NTSTATUS)0xC01A0013u)
#endif
#ifndef STATUS_LOG_RECORD_NONEXISTENT
#define STATUS_LOG_RECORD_NONEXISTENT ((NTSTATUS)0xC01A0019u)
#endif
#ifndef STATUS_LOG_FULL
#define STATUS_LOG_FULL ((NTSTATUS)0xC01A001Du)
#endif
#ifndef STATUS_LOG_EPHEMERAL
#define STATUS_LOG_EPHEMERAL ((NTSTATUS)0xC01A0022u)
#endif
#ifndef STATUS_LOG_NOT_ENOUGH_CONTAINERS
#define STATUS_LOG_NOT_ENOUGH_CONTAINERS ((NTSTATUS)0xC01A0023u)
#endif
#ifndef STATUS_LOG_CONTAINER_READ_FAILED
#define STATUS_LOG_CONTAINER_READ_FAILED ((NTSTATUS)0xC01A0027u)
#endif
#ifndef STATUS_LOG_CONTAINER_WRITE_FAILED
#define STATUS_LOG_CONTAINER_WRITE_FAILED ((NTSTATUS)0xC01A0028u)
#endif
#ifndef STATUS_LOG_CONTAINER_OPEN_FAILED
#define STATUS_LOG_CONTAINER_OPEN_FAILED ((NTSTATUS)0xC01A0029u)
#endif
#ifndef STATUS_LOG_STATE_INVALID
#define STATUS_LOG_STATE_INVALID ((NTSTATUS)0xC01A002Bu)
#endif
#ifndef STATUS_LOG_METADATA_FLUSH_FAILED
#define STATUS_LOG_METADATA_FLUSH_FAILED ((NTSTATUS)0xC01A002Du)
#endif
#ifndef STATUS_LOG_APPENDED_FLUSH_FAILED
#define STATUS_LOG_APPENDED_FLUSH_FAILED ((NTSTATUS)0xC01A002Fu)
#endif
#ifndef STATUS_LOG_READ_CONTEXT_INVALID
#define STATUS_LOG_READ_CONTEXT_INVALID ((NTSTATUS)0xC01A0007u)
#endif

/*
 * Makes or opens the log in a folder that is there, named by its path, perhaps with "LOG:" before it. With
 * FILE_ATTRIBUTE_ARCHIVE in fFlagsAndAttributes a new log keeps an archive tail. With QPAIR_CLFS_THREADS in
 * fCreateOptions its storage runs on threads with plain calls, for tools that do not know io_uring (valgrind hangs
 * with it); other bits, access, sharing and security are not looked at: a log is open once.
 */
NTSTATUS ClfsCreateLogFile(PPLOG_FILE_OBJECT pplfoLog, const char *pszLogFileName, ULONG fDesiredAccess,
                           ULONG dwShareMode, PVOID psdLogFile, ULONG fCreateDisposition, ULONG fCreateOptions,
                           ULONG fFlagsAndAttributes);
NTSTATUS ClfsCloseLogFileObject(PLOG_FILE_OBJECT plfoLog);

/* Two containers are needed. The first fixes the size, in multiples of 512 KiB; what it came to is told. Name: NULL. */
NTSTATUS ClfsAddLogContainer(PLOG_FILE_OBJECT plfoLog, PULONGLONG pcbContainer, const char *pszContainerPath);
NTSTATUS ClfsAddLogContainerSet(PLOG_FILE_OBJECT plfoLog, USHORT cContainers, PULONGLONG pcbContainer,
                                const char *pszContainerPaths);
NTSTATUS ClfsSetArchiveTail(PLOG_FILE_OBJECT plfoLog, PCLFS_LSN plsnArchiveTail);

/* The pool and the functions for memory are not looked at. One area of a log at a time. */
NTSTATUS ClfsCreateMarshallingArea(PLOG_FILE_OBJECT plfoLog, int ePoolType, PVOID pfnAllocBuffer, PVOID pfnFreeBuffer,
                                   ULONG cbMarshallingBuffer, ULONG cMaxWriteBuffers, ULONG cMaxReadBuffers,
                                   PVOID *ppvMarshalContext);
/* Flushes all first; the area is gone whatever it returns. */
NTSTATUS ClfsDeleteMarshallingArea(PVOID pvMarshalContext);

/* Appends one record of the entries, reserves space for others, or both. A link that is NULL ends its chain. */
NTSTATUS ClfsReserveAndAppendLog(PVOID pvMarshalContext, PCLFS_WRITE_ENTRY rgWriteEntries, ULONG cWriteEntries,
                                 PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious, ULONG cReserveRecords,
                                 PLONGLONG rgcbReservation, ULONG fFlags, PCLFS_LSN plsn);
NTSTATUS ClfsFlushBuffers(PVOID pvMarshalContext);
NTSTATUS ClfsFlushToLsn(PVOID pvMarshalContext, PCLFS_LSN plsnFlush, PCLFS_LSN plsnLastFlushed);
NTSTATUS ClfsAdvanceLogBase(PVOID pvMarshalContext, PCLFS_LSN plsnBase, ULONG fFlags);

/* Data lie where the call says until the context moves or is terminated, and are only read. */
NTSTATUS ClfsReadLogRecord(PVOID pvMarshalContext, PCLFS_LSN plsnFirst, CLFS_CONTEXT_MODE eContextMode,
                           PVOID *ppvReadBuffer, PULONG pcbReadBuffer, PCLFS_RECORD_TYPE peRecordType,
                           PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious, PVOID *ppvReadContext);
/* In: which types are asked for (NULL: data). plsnUser, unless NULL, names the record in place of the link. */
NTSTATUS ClfsReadNextLogRecord(PVOID pvReadContext, PVOID *ppvBuffer, PULONG pcbBuffer, PCLFS_RECORD_TYPE peRecordType,
                               PCLFS_LSN plsnUser, PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious,
                               PCLFS_LSN plsnRecord);
NTSTATUS ClfsTerminateReadLog(PVOID pvReadContext);

/* A restart area and, unless NULL, the new base: stable together when this returns. */
NTSTATUS ClfsWriteRestartArea(PVOID pvMarshalContext, PVOID pvRestartBuffer, ULONG cbRestartBuffer, PCLFS_LSN plsnBase,
                              ULONG fFlags, PULONG pcbWritten, PCLFS_LSN plsnRecord);
NTSTATUS ClfsReadRestartArea(PVOID pvMarshalContext, PVOID *ppvRestartBuffer, PULONG pcbRestartBuffer, PCLFS_LSN plsn,
                             PVOID *ppvReadContext);
NTSTATUS ClfsReadPreviousRestartArea(PVOID pvReadContext, PVOID *ppvRestartBuffer, PULONG pcbRestartBuffer,
                                     PCLFS_LSN plsnRestart);

/* Ours: the log as it is now. An LSN that there is not is CLFS_LSN_INVALID. */
typedef struct QPAIR_CLFS_INFORMATION {
    CLFS_LSN Base;
    CLFS_LSN Next;
    CLFS_LSN Flushed;
    CLFS_LSN Restart;
    CLFS_LSN ArchiveTail;
    ULONGLONG ContainerSize;
    ULONG Containers;
    ULONG Failed;
} QPAIR_CLFS_INFORMATION;
NTSTATUS qpair_clfs_information(PLOG_FILE_OBJECT plfoLog, QPAIR_CLFS_INFORMATION *information);

/* The last failure of the calling thread as one sentence, until its next one. */
const char *qpair_ulp_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
