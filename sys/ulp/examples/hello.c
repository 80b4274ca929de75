/*
 * A file with a buffer, and a log: what is held back, and what a flush makes of it.
 *
 *   cc hello.c $(pkg-config --cflags --libs qpair-ulp) -o hello && ./hello
 *
 * Makes a folder of its own in the current one, and removes it.
 */
#include <qpair_clfs.h>
#include <qpair_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s (%s)\n", what, qpair_ulp_last_error());
        exit(1);
    }
}

#define MUST(Holds) must((Holds), #Holds)

static long length(const char *path)
{
    struct stat status;
    MUST(stat(path, &status) == 0);
    return (long)status.st_size;
}

static void file(void)
{
    char name[] = "file";
    HMMIO file = mmioOpen(name, NULL, MMIO_CREATE | MMIO_READWRITE | MMIO_ALLOCBUF);
    MUST(file != 0);
    MUST(mmioWrite(file, "held back", 9) == 9);
    printf("mmioWrite: the file has %ld bytes\n", length(name));
    MUST(mmioFlush(file, 0) == 0);
    printf("mmioFlush: the file has %ld bytes\n", length(name));
    MUST(mmioClose(file, 0) == 0);
    MUST(unlink(name) == 0);
}

static void record(void)
{
    PLOG_FILE_OBJECT log = NULL;
    PVOID area = NULL;
    CLFS_WRITE_ENTRY entry = {(PVOID) "paid 5 to Ann", 13};
    CLFS_LSN lsn, next;
    ULONGLONG size = 512 * 1024;
    MUST(ClfsCreateLogFile(&log, ".", 0, 0, NULL, FILE_CREATE, 0, 0) == STATUS_SUCCESS);
    MUST(ClfsAddLogContainerSet(log, 2, &size, NULL) == STATUS_SUCCESS);
    MUST(ClfsCreateMarshallingArea(log, 0, NULL, NULL, 65536, 8, 8, &area) == STATUS_SUCCESS);
    MUST(ClfsReserveAndAppendLog(area, &entry, 1, NULL, NULL, 0, NULL, 0, &lsn) == STATUS_SUCCESS);
    MUST(ClfsFlushToLsn(area, &lsn, &next) == STATUS_SUCCESS);
    printf("ClfsFlushToLsn: the record survives a crash; the next has number %#llx\n",
           (unsigned long long)next.Internal);
    MUST(ClfsDeleteMarshallingArea(area) == STATUS_SUCCESS);
    MUST(ClfsCloseLogFileObject(log) == STATUS_SUCCESS);
}

int main(void)
{
    char folder[] = "hello-XXXXXX", remove[64];
    MUST(mkdtemp(folder) != NULL && chdir(folder) == 0);
    file();
    record();
    MUST(chdir("..") == 0);
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    MUST(system(remove) == 0);
    return 0;
}
