/*
 * Multimedia file I/O: the mmio functions of mmsystem.h, for C programs on Linux.
 *
 * Names, numbers and parameter order are those of the original; DWORD, LONG and UINT have 32 bits, LPARAM and
 * LRESULT those of a pointer, and structures the host's alignment. HMMIO is a number that is never used twice:
 * a closed handle is told with MMSYSERR_INVALHANDLE. One call at a time on a handle; a second one, of another
 * thread or of the file's own I/O procedure, gets MMSYSERR_HANDLEBUSY.
 *
 * mmioFlush writes the buffer back if it was written to: all of it, or MMIOERR_CANNOTWRITE and everything stays
 * for another try. Files of this face end at 2 GiB - 1. Share modes are recorded, not enforced. MMIO_PARSE,
 * MMIO_EXIST and MMIO_GETTEMP are refused with MMSYSERR_INVALPARAM.
 */
#ifndef QPAIR_MMIO_H
#define QPAIR_MMIO_H

#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t DWORD;
typedef uint32_t UINT;
typedef int32_t LONG;
typedef intptr_t LPARAM;
typedef intptr_t LRESULT;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef char *HPSTR;
typedef uintptr_t HTASK;
typedef DWORD FOURCC;
typedef UINT MMRESULT;
typedef uintptr_t HMMIO;

/* The info is an MMIOINFO, of which a procedure may use lDiskOffset and adwInfo; the rest it leaves alone. */
typedef LRESULT (*LPMMIOPROC)(LPSTR lpmmioinfo, UINT uMsg, LPARAM lParam1, LPARAM lParam2);

typedef struct _MMIOINFO {
    DWORD dwFlags;
    FOURCC fccIOProc;
    LPMMIOPROC pIOProc;
    UINT wErrorRet;
    HTASK htask;
    LONG cchBuffer;
    HPSTR pchBuffer;
    HPSTR pchNext;
    HPSTR pchEndRead;
    HPSTR pchEndWrite;
    LONG lBufOffset;
    LONG lDiskOffset;
    DWORD adwInfo[3];
    DWORD dwReserved1;
    DWORD dwReserved2;
    HMMIO hmmio;
} MMIOINFO, *PMMIOINFO, *LPMMIOINFO;
typedef const MMIOINFO *LPCMMIOINFO;

typedef struct _MMCKINFO {
    FOURCC ckid;
    DWORD cksize;
    FOURCC fccType;
    DWORD dwDataOffset;
    DWORD dwFlags;
} MMCKINFO, *PMMCKINFO, *LPMMCKINFO;
typedef const MMCKINFO *LPCMMCKINFO;

#define mmioFOURCC(a, b, c, d)                                                                       \
    ((FOURCC)(uint8_t)(a) | ((FOURCC)(uint8_t)(b) << 8) | ((FOURCC)(uint8_t)(c) << 16) | ((FOURCC)(uint8_t)(d) << 24))
#define FOURCC_RIFF mmioFOURCC('R', 'I', 'F', 'F')
#define FOURCC_LIST mmioFOURCC('L', 'I', 'S', 'T')
#define FOURCC_DOS  mmioFOURCC('D', 'O', 'S', ' ')
#define FOURCC_MEM  mmioFOURCC('M', 'E', 'M', ' ')

#define MMSYSERR_NOERROR     0
#define MMSYSERR_INVALHANDLE 5
#define MMSYSERR_NOMEM       7
#define MMSYSERR_INVALPARAM  11
#define MMSYSERR_HANDLEBUSY  12

#define MMIOERR_BASE             256
#define MMIOERR_FILENOTFOUND     257
#define MMIOERR_OUTOFMEMORY      258
#define MMIOERR_CANNOTOPEN       259
#define MMIOERR_CANNOTCLOSE      260
#define MMIOERR_CANNOTREAD       261
#define MMIOERR_CANNOTWRITE      262
#define MMIOERR_CANNOTSEEK       263
#define MMIOERR_CANNOTEXPAND     264
#define MMIOERR_CHUNKNOTFOUND    265
#define MMIOERR_UNBUFFERED       266
#define MMIOERR_PATHNOTFOUND     267
#define MMIOERR_ACCESSDENIED     268
#define MMIOERR_SHARINGVIOLATION 269
#define MMIOERR_NETWORKERROR     270
#define MMIOERR_TOOMANYOPENFILES 271
#define MMIOERR_INVALIDFILE      272

#define MMIO_READ       0x00000000
#define MMIO_WRITE      0x00000001
#define MMIO_READWRITE  0x00000002
#define MMIO_RWMODE     0x00000003
#define MMIO_COMPAT     0x00000000
#define MMIO_EXCLUSIVE  0x00000010
#define MMIO_DENYWRITE  0x00000020
#define MMIO_DENYREAD   0x00000030
#define MMIO_DENYNONE   0x00000040
#define MMIO_SHAREMODE  0x00000070
#define MMIO_PARSE      0x00000100
#define MMIO_DELETE     0x00000200
#define MMIO_CREATE     0x00001000
#define MMIO_EXIST      0x00004000
#define MMIO_ALLOCBUF   0x00010000
#define MMIO_GETTEMP    0x00020000
#define MMIO_DIRTY      0x10000000
/* Ours: a flush of a standard file waits for the medium. */
#define MMIO_DURABLE    0x01000000

#define MMIO_FHOPEN      0x0010
#define MMIO_EMPTYBUF    0x0010
#define MMIO_TOUPPER     0x0010
#define MMIO_FINDCHUNK   0x0010
#define MMIO_FINDRIFF    0x0020
#define MMIO_FINDLIST    0x0040
#define MMIO_CREATERIFF  0x0020
#define MMIO_CREATELIST  0x0040
#define MMIO_INSTALLPROC 0x00010000
#define MMIO_REMOVEPROC  0x00020000
#define MMIO_FINDPROC    0x00040000
#define MMIO_GLOBALPROC  0x10000000

#define MMIO_DEFAULTBUFFER 8192
#define CFSEPCHAR          '+'

#define MMIOM_READ       0
#define MMIOM_WRITE      1
#define MMIOM_SEEK       2
#define MMIOM_OPEN       3
#define MMIOM_CLOSE      4
#define MMIOM_WRITEFLUSH 5
#define MMIOM_RENAME     6
#define MMIOM_USER       0x8000

/*
 * A handle, or 0 with the code in pmmioinfo->wErrorRet; with MMIO_DELETE 1 or 0. A buffer that is given by
 * pchBuffer is used where it lies, and stays until the file is closed or has another. Without a name and a
 * procedure, adwInfo[0] is the number of an open file, which the handle takes over.
 */
HMMIO mmioOpen(LPSTR pszFileName, LPMMIOINFO pmmioinfo, DWORD fdwOpen);

/* Flushes and closes. On an error the handle stays open; MMIO_FHOPEN leaves the system's file open. */
MMRESULT mmioClose(HMMIO hmmio, UINT fuClose);

/* Bytes moved, or -1. */
LONG mmioRead(HMMIO hmmio, HPSTR pch, LONG cch);
LONG mmioWrite(HMMIO hmmio, const char *pch, LONG cch);

/* The new position, or -1. SEEK_END counts backwards. */
LONG mmioSeek(HMMIO hmmio, LONG lOffset, int iOrigin);

/* Direct access to the buffer. Its pointers hold until the next call on the handle. */
MMRESULT mmioGetInfo(HMMIO hmmio, LPMMIOINFO pmmioinfo, UINT fuInfo);
MMRESULT mmioSetInfo(HMMIO hmmio, LPCMMIOINFO pmmioinfo, UINT fuInfo);
MMRESULT mmioAdvance(HMMIO hmmio, LPMMIOINFO pmmioinfo, UINT fuAdvance);

/* Another buffer; NULL and 0: none. */
MMRESULT mmioSetBuffer(HMMIO hmmio, LPSTR pchBuffer, LONG cchBuffer, UINT fuBuffer);

/* All of a dirty buffer, or MMIOERR_CANNOTWRITE and everything stays. */
MMRESULT mmioFlush(HMMIO hmmio, UINT fuFlush);

MMRESULT mmioDescend(HMMIO hmmio, LPMMCKINFO pmmcki, const MMCKINFO *pmmckiParent, UINT fuDescend);
MMRESULT mmioAscend(HMMIO hmmio, LPMMCKINFO pmmcki, UINT fuAscend);
MMRESULT mmioCreateChunk(HMMIO hmmio, LPMMCKINFO pmmcki, UINT fuCreate);

/* The procedure, or NULL. One in use cannot be removed, the built-in ones are not functions of C. */
LPMMIOPROC mmioInstallIOProc(FOURCC fccIOProc, LPMMIOPROC pIOProc, DWORD dwFlags);

/* The procedure's answer; MMSYSERR_INVALPARAM below MMIOM_USER. */
LRESULT mmioSendMessage(HMMIO hmmio, UINT uMsg, LPARAM lParam1, LPARAM lParam2);

MMRESULT mmioRename(LPCSTR pszFileName, LPCSTR pszNewFileName, LPCMMIOINFO pmmioinfo, DWORD fdwRename);
FOURCC mmioStringToFOURCC(LPCSTR sz, UINT uFlags);

/* The last failure of the calling thread as one sentence, until its next one. */
const char *qpair_ulp_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
