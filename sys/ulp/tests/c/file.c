/* Multimedia file I/O: what flush moves and when, direct access, procedures, chunks, and what is told. */
#include <fcntl.h>
#include <qpair_mmio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"

static long size_on_disk(const char *path)
{
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return (long)status.st_size;
}

/* MMIO: the buffer holds back, flush writes all of it back, close flushes. */
static void flushing(char *path)
{
    MMIOINFO info;
    char own[16], got[8];
    HMMIO file;

    memset(&info, 0, sizeof info);
    memset(own, '-', sizeof own);
    info.pchBuffer = own;
    info.cchBuffer = sizeof own;
    file = mmioOpen(path, &info, MMIO_CREATE | MMIO_READWRITE);
    CHECK(file != 0);
    EQUAL(info.wErrorRet, 0);
    EQUAL(mmioWrite(file, "held back", 9), 9);
    EQUAL(size_on_disk(path), 0);
    /* The caller's buffer is used where it lies. */
    CHECK(memcmp(own, "held back", 9) == 0);
    EQUAL(mmioGetInfo(file, &info, 0), 0);
    CHECK(info.pchBuffer == own && info.pchNext == own + 9 && info.pchEndWrite == own + 16);
    CHECK((info.dwFlags & MMIO_DIRTY) != 0 && info.hmmio == file);
    EQUAL(mmioFlush(file, 0), 0);
    EQUAL(size_on_disk(path), 9);
    EQUAL(mmioSeek(file, 5, SEEK_SET), 5);
    EQUAL(mmioRead(file, got, 8), 4);
    CHECK(memcmp(got, "back", 4) == 0);
    EQUAL(mmioSeek(file, 4, SEEK_END), 5);
    EQUAL(mmioWrite(file, "BACK", 4), 4);
    EQUAL(mmioFlush(file, MMIO_EMPTYBUF), 0);
    EQUAL(mmioGetInfo(file, &info, 0), 0);
    CHECK(info.pchNext == own && info.pchEndRead == own);
    EQUAL(info.lBufOffset, 9);
    EQUAL(mmioSetBuffer(file, NULL, 0, 0), 0);
    EQUAL(mmioAdvance(file, NULL, MMIO_READ), MMIOERR_UNBUFFERED);
    EQUAL(mmioClose(file, 0), 0);
}

/* Direct access: pointers into the buffer, and DIRTY said by the program. */
static void direct(char *path)
{
    MMIOINFO info;
    HMMIO file = mmioOpen(path, NULL, MMIO_CREATE | MMIO_READWRITE | MMIO_ALLOCBUF);
    CHECK(file != 0);
    EQUAL(mmioGetInfo(file, &info, 0), 0);
    EQUAL(info.cchBuffer, MMIO_DEFAULTBUFFER);
    memset(info.pchNext, 'x', MMIO_DEFAULTBUFFER);
    info.pchNext = info.pchEndWrite;
    info.dwFlags |= MMIO_DIRTY;
    EQUAL(mmioAdvance(file, &info, MMIO_WRITE), 0);
    EQUAL(info.lBufOffset, MMIO_DEFAULTBUFFER);
    EQUAL(info.dwFlags & MMIO_DIRTY, 0);
    EQUAL(size_on_disk(path), MMIO_DEFAULTBUFFER);
    memcpy(info.pchNext, "end", 3);
    info.pchNext += 3;
    info.dwFlags |= MMIO_DIRTY;
    EQUAL(mmioSetInfo(file, &info, 0), 0);
    info.pchNext = info.pchEndWrite + 1;
    EQUAL(mmioSetInfo(file, &info, 0), MMSYSERR_INVALPARAM);
    info.pchNext = NULL;
    EQUAL(mmioSetInfo(file, &info, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioClose(file, 0), 0);
    EQUAL(size_on_disk(path), MMIO_DEFAULTBUFFER + 3);
}

static char medium[64];
static int is_full, opened, closed, synced;
static HMMIO in_use;

/* A medium of 64 bytes that can be full. */
static LRESULT procedure(LPSTR place, UINT message, LPARAM first, LPARAM second)
{
    MMIOINFO *info = (MMIOINFO *)place;
    switch (message) {
    case MMIOM_OPEN:
        opened++;
        return strcmp((const char *)first, "refused.CASE+") == 0 ? MMIOERR_ACCESSDENIED : 0;
    case MMIOM_CLOSE:
        closed++;
        return 0;
    case MMIOM_SEEK:
        return info->lDiskOffset = (LONG)first;
    case MMIOM_READ:
        memcpy((char *)first, medium + info->lDiskOffset, (size_t)second);
        info->lDiskOffset += (LONG)second;
        return second;
    case MMIOM_WRITEFLUSH:
        synced++;
        /* fall through */
    case MMIOM_WRITE:
        if (is_full)
            return -1;
        memcpy(medium + info->lDiskOffset, (const char *)first, (size_t)second);
        info->lDiskOffset += (LONG)second;
        return second;
    case MMIOM_RENAME:
        return strcmp((const char *)second, "new.CASE+") == 0 ? 0 : MMIOERR_FILENOTFOUND;
    case MMIOM_USER + 1:
        info->adwInfo[1]++;
        /* A call on the file that it serves is told. */
        CHECK(in_use == 0 || mmioFlush(in_use, 0) == MMSYSERR_HANDLEBUSY);
        return first + second;
    default:
        return -1;
    }
}

/* Procedures: installed, found by the extension, in use, removed; a medium that is full. */
static void procedures(void)
{
    FOURCC code = mmioStringToFOURCC("case", MMIO_TOUPPER);
    MMIOINFO info;
    HMMIO file;

    CHECK(code == mmioFOURCC('C', 'A', 'S', 'E'));
    CHECK(mmioStringToFOURCC("ab", 0) == mmioFOURCC('a', 'b', ' ', ' '));
    CHECK(mmioInstallIOProc(code, procedure, MMIO_INSTALLPROC) == procedure);
    CHECK(mmioInstallIOProc(code, NULL, MMIO_FINDPROC) == procedure);
    CHECK(mmioInstallIOProc(FOURCC_DOS, procedure, MMIO_INSTALLPROC) == NULL);
    memset(&info, 0, sizeof info);
    CHECK(mmioOpen((char *)"refused.CASE+", &info, MMIO_READ) == 0);
    EQUAL(info.wErrorRet, MMIOERR_ACCESSDENIED);
    in_use = file = mmioOpen((char *)"here.CASE+", NULL, MMIO_READWRITE | MMIO_ALLOCBUF);
    CHECK(file != 0);
    EQUAL(opened, 2);
    EQUAL(mmioSendMessage(file, MMIOM_USER + 1, 40, 2), 42);
    EQUAL(mmioSendMessage(file, MMIOM_READ, 0, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioGetInfo(file, &info, 0), 0);
    EQUAL(info.adwInfo[1], 1);
    CHECK(mmioInstallIOProc(code, NULL, MMIO_REMOVEPROC) == NULL);

    /* The medium is full: the write into the buffer succeeds, the flush and the close fail, nothing is lost. */
    EQUAL(mmioWrite(file, "kept", 4), 4);
    is_full = 1;
    EQUAL(mmioFlush(file, 0), MMIOERR_CANNOTWRITE);
    EQUAL(mmioClose(file, 0), MMIOERR_CANNOTWRITE);
    EQUAL(closed, 0);
    is_full = 0;
    EQUAL(mmioFlush(file, 0), 0);
    CHECK(memcmp(medium, "kept", 4) == 0);
    EQUAL(synced, 3);
    EQUAL(mmioFlush(file, 0), 0);
    EQUAL(synced, 3);
    EQUAL(mmioClose(file, 0), 0);
    EQUAL(closed, 1);
    EQUAL(mmioRename("old.CASE+", "new.CASE+", NULL, 0), 0);
    EQUAL(mmioRename("old.CASE+", "other", NULL, 0), MMIOERR_FILENOTFOUND);
    CHECK(mmioInstallIOProc(code, NULL, MMIO_REMOVEPROC) == procedure);
    CHECK(mmioInstallIOProc(code, NULL, MMIO_FINDPROC) == NULL);
}

/* RIFF: chunks are made, corrected by the ascent, and found again. */
static void chunks(char *path)
{
    MMCKINFO riff, data, found;
    char got[4];
    HMMIO file = mmioOpen(path, NULL, MMIO_CREATE | MMIO_READWRITE | MMIO_ALLOCBUF);
    CHECK(file != 0);
    memset(&riff, 0, sizeof riff);
    memset(&data, 0, sizeof data);
    riff.fccType = mmioFOURCC('W', 'A', 'V', 'E');
    data.ckid = mmioFOURCC('d', 'a', 't', 'a');
    EQUAL(mmioCreateChunk(file, &riff, MMIO_CREATERIFF), 0);
    EQUAL(mmioCreateChunk(file, &data, 0), 0);
    EQUAL(data.dwDataOffset, 20);
    EQUAL(mmioWrite(file, "abc", 3), 3);
    EQUAL(mmioAscend(file, &data, 0), 0);
    EQUAL(data.cksize, 3);
    EQUAL(mmioAscend(file, &riff, 0), 0);
    EQUAL(riff.cksize, 16);
    EQUAL(mmioSeek(file, 0, SEEK_SET), 0);
    memset(&found, 0, sizeof found);
    found.fccType = riff.fccType;
    EQUAL(mmioDescend(file, &found, NULL, MMIO_FINDRIFF), 0);
    memset(&data, 0, sizeof data);
    data.ckid = mmioFOURCC('d', 'a', 't', 'a');
    EQUAL(mmioDescend(file, &data, &found, MMIO_FINDCHUNK), 0);
    EQUAL(mmioRead(file, got, 3), 3);
    CHECK(memcmp(got, "abc", 3) == 0);
    EQUAL(mmioAscend(file, &data, 0), 0);
    EQUAL(mmioDescend(file, &data, &found, MMIO_FINDCHUNK), MMIOERR_CHUNKNOTFOUND);
    EQUAL(mmioClose(file, 0), 0);
}

/* A file in the caller's memory, and one by its number, which stays open. */
static void other_files(const char *path)
{
    MMIOINFO info;
    char memory[8] = "content";
    HMMIO file;
    int number;

    memset(&info, 0, sizeof info);
    info.fccIOProc = FOURCC_MEM;
    info.pchBuffer = memory;
    info.cchBuffer = sizeof memory;
    file = mmioOpen(NULL, &info, MMIO_READWRITE);
    CHECK(file != 0);
    EQUAL(mmioWrite(file, "CON", 3), 3);
    EQUAL(mmioFlush(file, 0), 0);
    CHECK(memcmp(memory, "CONtent", 8) == 0);
    EQUAL(mmioSeek(file, 9, SEEK_SET), -1);
    EQUAL(mmioSeek(file, 0, SEEK_END), 8);
    EQUAL(mmioWrite(file, "more", 4), 0);
    EQUAL(mmioClose(file, 0), 0);
    info.adwInfo[0] = 16;
    CHECK(mmioOpen(NULL, &info, MMIO_READWRITE) == 0);
    EQUAL(info.wErrorRet, MMSYSERR_INVALPARAM);

    memset(&info, 0, sizeof info);
    number = open(path, O_RDWR);
    CHECK(number >= 0);
    info.adwInfo[0] = (DWORD)number;
    file = mmioOpen(NULL, &info, MMIO_READWRITE | MMIO_ALLOCBUF);
    CHECK(file != 0);
    EQUAL(mmioWrite(file, "!", 1), 1);
    EQUAL(mmioClose(file, MMIO_FHOPEN), 0);
    CHECK(fcntl(number, F_GETFD) >= 0 && lseek(number, 0, SEEK_CUR) == 1);
    CHECK(close(number) == 0);
    CHECK(mmioOpen(NULL, &info, MMIO_READWRITE) == 0);
    EQUAL(info.wErrorRet, MMIOERR_CANNOTOPEN);
}

/* What is told: handles that are none any more, NULL, lengths below zero, what is not there. */
static void misuse(char *path)
{
    MMIOINFO info;
    MMCKINFO chunk;
    char byte[1];
    HMMIO file = mmioOpen(path, NULL, MMIO_READWRITE | MMIO_ALLOCBUF);
    CHECK(file != 0);
    memset(&info, 0, sizeof info);
    memset(&chunk, 0, sizeof chunk);
    EQUAL(mmioRead(file, NULL, 1), -1);
    EQUAL(mmioRead(file, byte, -1), -1);
    EQUAL(mmioWrite(file, NULL, 1), -1);
    EQUAL(mmioSeek(file, 0, 3), -1);
    EQUAL(mmioSeek(file, -1, SEEK_SET), -1);
    EQUAL(mmioGetInfo(file, NULL, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioSetInfo(file, NULL, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioDescend(file, NULL, NULL, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioSetBuffer(file, NULL, -1, 0), MMSYSERR_INVALPARAM);
    EQUAL(mmioRename(NULL, "x", NULL, 0), MMSYSERR_INVALPARAM);
    CHECK(mmioStringToFOURCC(NULL, 0) == 0);
    EQUAL(mmioClose(file, 0), 0);
    EQUAL(mmioClose(file, 0), MMSYSERR_INVALHANDLE);
    EQUAL(mmioFlush(file, 0), MMSYSERR_INVALHANDLE);
    EQUAL(mmioFlush(0, 0), MMSYSERR_INVALHANDLE);
    EQUAL(mmioGetInfo(file, &info, 0), MMSYSERR_INVALHANDLE);
    EQUAL(mmioAscend(file, &chunk, 0), MMSYSERR_INVALHANDLE);
    EQUAL(mmioRead(file, byte, 1), -1);
    CHECK(strstr(qpair_ulp_last_error(), "MMSYSERR_INVALHANDLE") != NULL);
    CHECK(mmioOpen(path, &info, MMIO_PARSE) == 0);
    EQUAL(info.wErrorRet, MMSYSERR_INVALPARAM);
    EQUAL(mmioOpen(path, NULL, MMIO_DELETE), 1);
    CHECK(mmioOpen(path, &info, MMIO_READ) == 0);
    EQUAL(info.wErrorRet, MMIOERR_FILENOTFOUND);
}

int main(int count, char **words)
{
    char path[512];
    CHECK(count == 2);
    name_of(path, sizeof path, words[1], "file");
    flushing(path);
    direct(path);
    procedures();
    chunks(path);
    other_files(path);
    misuse(path);
    puts("file: done");
    return 0;
}
