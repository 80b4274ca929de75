/* A log: what flush acknowledges is there after it is opened again; chains, restart areas, and what is told. */
#include <qpair_clfs.h>

#include "testing.h"

static CLFS_LSN append(PVOID area, const char *text, CLFS_LSN *previous, ULONG flags)
{
    CLFS_LSN lsn = CLFS_LSN_INVALID;
    CLFS_WRITE_ENTRY entries[2];
    entries[0].Buffer = (PVOID) "record ";
    entries[0].ByteLength = 7;
    entries[1].Buffer = (PVOID)text;
    entries[1].ByteLength = (ULONG)strlen(text);
    EQUAL(ClfsReserveAndAppendLog(area, entries, 2, NULL, previous, 0, NULL, flags, &lsn), STATUS_SUCCESS);
    return lsn;
}

static PVOID area_of(PLOG_FILE_OBJECT log)
{
    PVOID area = NULL;
    EQUAL(ClfsCreateMarshallingArea(log, 0, NULL, NULL, 65536, 8, 8, &area), STATUS_SUCCESS);
    CHECK(area != NULL);
    return area;
}

/* Valgrind does not know io_uring, and hangs with it. */
static ULONG storage(void)
{
    return getenv("QPAIR_VALGRIND") != NULL ? QPAIR_CLFS_THREADS : 0;
}

static PLOG_FILE_OBJECT opened(const char *name, ULONG disposition)
{
    PLOG_FILE_OBJECT log = NULL;
    EQUAL(ClfsCreateLogFile(&log, name, 0, 0, NULL, disposition, storage(), 0), STATUS_SUCCESS);
    CHECK(log != NULL);
    return log;
}

static void misuse(const char *name, PLOG_FILE_OBJECT log, PVOID area)
{
    CLFS_LSN lsn = {0x123456789000ull};
    PVOID data, context;
    ULONG length;
    CLFS_RECORD_TYPE type = ClfsClientRecord;
    LONGLONG size = 100;
    EQUAL(ClfsCreateLogFile(NULL, name, 0, 0, NULL, FILE_OPEN, 0, 0), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsCreateLogFile(&context, name, 0, 0, NULL, FILE_OPEN, storage(), 0), STATUS_SHARING_VIOLATION);
    EQUAL(ClfsFlushToLsn(area, NULL, &lsn), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsFlushToLsn(area, &lsn, &lsn), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsFlushBuffers(NULL), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsFlushBuffers(log), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsReserveAndAppendLog(area, NULL, 1, NULL, NULL, 0, NULL, 0, &lsn), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, &size, 0, NULL), STATUS_SUCCESS);
    size = -100;
    EQUAL(ClfsReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, &size, 0, NULL), STATUS_SUCCESS);
    EQUAL(ClfsReadNextLogRecord(area, &data, &length, &type, NULL, NULL, NULL, NULL), STATUS_LOG_READ_CONTEXT_INVALID);
    EQUAL(ClfsTerminateReadLog(NULL), STATUS_LOG_READ_CONTEXT_INVALID);
    EQUAL(ClfsSetArchiveTail(log, &lsn), STATUS_LOG_EPHEMERAL);
    CHECK(strlen(qpair_ulp_last_error()) > 0);
}

int main(int count, char **words)
{
    char name[512] = "LOG:";
    QPAIR_CLFS_INFORMATION info;
    PLOG_FILE_OBJECT log = NULL;
    PVOID area, data, context;
    CLFS_LSN first, second, restart, told, previous, undo;
    CLFS_RECORD_TYPE type;
    ULONGLONG size = 1;
    ULONG length, written;

    CHECK(count == 2);
    strcat(name, words[1]);
    EQUAL(ClfsCreateLogFile(&log, name, 0, 0, NULL, FILE_OPEN, storage(), 0), STATUS_OBJECT_NAME_NOT_FOUND);
    log = opened(name, FILE_OPEN_IF);
    EQUAL(ClfsAddLogContainer(log, &size, NULL), STATUS_SUCCESS);
    EQUAL(size, 512 * 1024);
    EQUAL(ClfsCreateMarshallingArea(log, 0, NULL, NULL, 65536, 8, 8, &area), STATUS_LOG_NOT_ENOUGH_CONTAINERS);
    EQUAL(ClfsAddLogContainerSet(log, 2, NULL, NULL), STATUS_SUCCESS);
    area = area_of(log);
    EQUAL(ClfsReadRestartArea(area, &data, &length, &told, &context), STATUS_LOG_NO_RESTART);

    /* An append promises nothing; the flush says what is not stable. */
    first = append(area, "one", NULL, CLFS_FLAG_NO_FLAGS);
    second = append(area, "two", &first, CLFS_FLAG_NO_FLAGS);
    CHECK(second.Internal > first.Internal);
    EQUAL(qpair_clfs_information(log, &info), STATUS_SUCCESS);
    CHECK(info.Flushed.Internal <= first.Internal && info.Containers == 3);
    EQUAL(ClfsFlushToLsn(area, &first, &told), STATUS_SUCCESS);
    CHECK(told.Internal > first.Internal);
    EQUAL(ClfsFlushBuffers(area), STATUS_SUCCESS);
    EQUAL(qpair_clfs_information(log, &info), STATUS_SUCCESS);
    CHECK(info.Flushed.Internal > second.Internal);
    EQUAL(ClfsWriteRestartArea(area, (PVOID) "state", 5, NULL, 0, &written, &restart), STATUS_SUCCESS);
    append(area, "three", &second, CLFS_FLAG_FORCE_FLUSH);
    misuse(name, log, area);
    EQUAL(ClfsDeleteMarshallingArea(area), STATUS_SUCCESS);
    EQUAL(ClfsDeleteMarshallingArea(area), STATUS_INVALID_PARAMETER);
    EQUAL(ClfsCloseLogFileObject(log), STATUS_SUCCESS);
    EQUAL(ClfsCloseLogFileObject(log), STATUS_INVALID_PARAMETER);

    /* Another life of the log: forwards, along the chain, and the restart area. */
    log = opened(name, FILE_OPEN);
    area = area_of(log);
    EQUAL(ClfsReadLogRecord(area, &first, ClfsContextForward, &data, &length, &type, &undo, &previous, &context),
          STATUS_SUCCESS);
    CHECK(length == 10 && memcmp(data, "record one", 10) == 0 && type == ClfsDataRecord);
    CHECK(previous.Internal == CLFS_LSN_INVALID.Internal && undo.Internal == CLFS_LSN_INVALID.Internal);
    type = ClfsClientRecord;
    EQUAL(ClfsReadNextLogRecord(context, &data, &length, &type, NULL, NULL, &previous, &told), STATUS_SUCCESS);
    CHECK(told.Internal == second.Internal && previous.Internal == first.Internal);
    type = ClfsClientRecord;
    EQUAL(ClfsReadNextLogRecord(context, &data, &length, &type, NULL, NULL, NULL, NULL), STATUS_SUCCESS);
    CHECK(type == ClfsRestartRecord && length == 5 && memcmp(data, "state", 5) == 0);
    type = ClfsDataRecord;
    EQUAL(ClfsReadNextLogRecord(context, &data, &length, &type, NULL, NULL, NULL, NULL), STATUS_SUCCESS);
    CHECK(length == 12 && memcmp(data, "record three", 12) == 0);
    EQUAL(ClfsReadNextLogRecord(context, &data, &length, &type, NULL, NULL, NULL, NULL), STATUS_END_OF_FILE);
    EQUAL(ClfsTerminateReadLog(context), STATUS_SUCCESS);
    EQUAL(ClfsReadRestartArea(area, &data, &length, &told, &context), STATUS_SUCCESS);
    CHECK(told.Internal == restart.Internal && length == 5);
    EQUAL(ClfsReadPreviousRestartArea(context, &data, &length, &told), STATUS_LOG_START_OF_LOG);
    EQUAL(ClfsTerminateReadLog(context), STATUS_SUCCESS);
    EQUAL(ClfsAdvanceLogBase(area, &second, 0), STATUS_SUCCESS);
    EQUAL(qpair_clfs_information(log, &info), STATUS_SUCCESS);
    EQUAL(info.Base.Internal, second.Internal);
    EQUAL(ClfsDeleteMarshallingArea(area), STATUS_SUCCESS);
    EQUAL(ClfsCloseLogFileObject(log), STATUS_SUCCESS);
    puts("log: done");
    return 0;
}
