/*
 * The Windows types that NDK's interface is written in, for the host's C compiler.
 *
 * ULONG and LONG have 32 bits here as there. Socket addresses and their families are the host's own: take
 * AF_INET and AF_INET6 from <sys/socket.h>, not from a Windows header, since their numbers differ.
 */
#ifndef QPAIR_WINTYPES_H
#define QPAIR_WINTYPES_H

#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef VOID
#define VOID void
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef MAXULONG
#define MAXULONG 0xffffffffu
#endif

typedef int32_t NTSTATUS;
typedef uint8_t BOOLEAN;
typedef uint8_t UCHAR;
typedef uint16_t USHORT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef int64_t LONGLONG;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
typedef ULONG_PTR KAFFINITY;
typedef void *PVOID;

typedef struct _GUID {
    UINT32 Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID;

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER;

typedef LARGE_INTEGER PHYSICAL_ADDRESS;

typedef struct sockaddr SOCKADDR;
typedef struct sockaddr *PSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN;
typedef struct sockaddr_in6 SOCKADDR_IN6;
typedef struct sockaddr_storage SOCKADDR_STORAGE;

/* Which processors callbacks would like to run on. A wish: this library does not look at it. */
typedef struct _GROUP_AFFINITY {
    KAFFINITY Mask;
    USHORT Group;
    USHORT Reserved[3];
} GROUP_AFFINITY;

/*
 * A description of memory: in user mode nothing but address and length, and the next piece or NULL.
 *
 * NDK takes a chain where each piece begins where the one before it ends.
 */
typedef struct _MDL {
    struct _MDL *Next;
    PVOID StartVa;
    ULONG ByteCount;
} MDL;

typedef MDL *PMDL;

static inline VOID MmInitializeMdl(MDL *Mdl, PVOID BaseVa, ULONG Length)
{
    Mdl->Next = NULL;
    Mdl->StartVa = BaseVa;
    Mdl->ByteCount = Length;
}

static inline PVOID MmGetMdlVirtualAddress(CONST MDL *Mdl)
{
    return Mdl->StartVa;
}

static inline ULONG MmGetMdlByteCount(CONST MDL *Mdl)
{
    return Mdl->ByteCount;
}

/*
 * Success and information, so PENDING and TIMEOUT too: compare with STATUS_SUCCESS to know that something is
 * done.
 */
#define NT_SUCCESS(Status) (((NTSTATUS)(Status)) >= 0)

#define STATUS_SUCCESS                    ((NTSTATUS)0x00000000)
#define STATUS_TIMEOUT                    ((NTSTATUS)0x00000102)
#define STATUS_PENDING                    ((NTSTATUS)0x00000103)
#define STATUS_BUFFER_OVERFLOW            ((NTSTATUS)0x80000005)
#define STATUS_DEVICE_BUSY                ((NTSTATUS)0x80000011)
#define STATUS_NO_MORE_ENTRIES            ((NTSTATUS)0x8000001A)
#define STATUS_UNSUCCESSFUL               ((NTSTATUS)0xC0000001)
#define STATUS_ACCESS_VIOLATION           ((NTSTATUS)0xC0000005)
#define STATUS_INVALID_HANDLE             ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER          ((NTSTATUS)0xC000000D)
#define STATUS_INVALID_DEVICE_REQUEST     ((NTSTATUS)0xC0000010)
#define STATUS_NO_MEMORY                  ((NTSTATUS)0xC0000017)
#define STATUS_BUFFER_TOO_SMALL           ((NTSTATUS)0xC0000023)
#define STATUS_INVALID_PARAMETER_MIX      ((NTSTATUS)0xC0000030)
#define STATUS_DATA_OVERRUN               ((NTSTATUS)0xC000003C)
#define STATUS_DATA_ERROR                 ((NTSTATUS)0xC000003E)
#define STATUS_SHARING_VIOLATION          ((NTSTATUS)0xC0000043)
#define STATUS_INSUFFICIENT_RESOURCES     ((NTSTATUS)0xC000009A)
#define STATUS_DEVICE_NOT_READY           ((NTSTATUS)0xC00000A3)
#define STATUS_IO_TIMEOUT                 ((NTSTATUS)0xC00000B5)
#define STATUS_NOT_SUPPORTED              ((NTSTATUS)0xC00000BB)
#define STATUS_BAD_NETWORK_NAME           ((NTSTATUS)0xC00000CC)
#define STATUS_INTERNAL_ERROR             ((NTSTATUS)0xC00000E5)
#define STATUS_INVALID_PARAMETER_1        ((NTSTATUS)0xC00000EF)
#define STATUS_INVALID_PARAMETER_2        ((NTSTATUS)0xC00000F0)
#define STATUS_INVALID_PARAMETER_3        ((NTSTATUS)0xC00000F1)
#define STATUS_INVALID_PARAMETER_4        ((NTSTATUS)0xC00000F2)
#define STATUS_INVALID_PARAMETER_5        ((NTSTATUS)0xC00000F3)
#define STATUS_INVALID_PARAMETER_6        ((NTSTATUS)0xC00000F4)
#define STATUS_INVALID_PARAMETER_7        ((NTSTATUS)0xC00000F5)
#define STATUS_INVALID_PARAMETER_8        ((NTSTATUS)0xC00000F6)
#define STATUS_INVALID_PARAMETER_9        ((NTSTATUS)0xC00000F7)
#define STATUS_INVALID_PARAMETER_10       ((NTSTATUS)0xC00000F8)
#define STATUS_INVALID_PARAMETER_11       ((NTSTATUS)0xC00000F9)
#define STATUS_INVALID_PARAMETER_12       ((NTSTATUS)0xC00000FA)
#define STATUS_CANCELLED                  ((NTSTATUS)0xC0000120)
#define STATUS_REMOTE_RESOURCES           ((NTSTATUS)0xC000013D)
#define STATUS_INVALID_ADDRESS            ((NTSTATUS)0xC0000141)
#define STATUS_INVALID_DEVICE_STATE       ((NTSTATUS)0xC0000184)
#define STATUS_INVALID_BUFFER_SIZE        ((NTSTATUS)0xC0000206)
#define STATUS_TOO_MANY_ADDRESSES         ((NTSTATUS)0xC0000209)
#define STATUS_ADDRESS_ALREADY_EXISTS     ((NTSTATUS)0xC000020A)
#define STATUS_CONNECTION_DISCONNECTED    ((NTSTATUS)0xC000020C)
#define STATUS_CONNECTION_REFUSED         ((NTSTATUS)0xC0000236)
#define STATUS_ADDRESS_ALREADY_ASSOCIATED ((NTSTATUS)0xC0000238)
#define STATUS_CONNECTION_INVALID         ((NTSTATUS)0xC000023A)
#define STATUS_CONNECTION_ACTIVE          ((NTSTATUS)0xC000023B)
#define STATUS_NETWORK_UNREACHABLE        ((NTSTATUS)0xC000023C)
#define STATUS_HOST_UNREACHABLE           ((NTSTATUS)0xC000023D)
#define STATUS_CONNECTION_ABORTED         ((NTSTATUS)0xC0000241)
#define STATUS_DEVICE_REMOVED             ((NTSTATUS)0xC00002B6)
#define STATUS_IMPLEMENTATION_LIMIT       ((NTSTATUS)0xC000042B)
#define NDIS_STATUS_BAD_VERSION           ((NTSTATUS)0xC0010004)
#define NDIS_STATUS_ADAPTER_NOT_READY     ((NTSTATUS)0xC0010011)

#endif
