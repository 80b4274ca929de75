/* What the C tests share: checks. */
#ifndef TESTING_H
#define TESTING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char *qpair_ulp_last_error(void);

/* Fails the program, saying what did not hold and the library's last failure. */
#define CHECK(Condition)                                                                          \
    do {                                                                                          \
        if (!(Condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\nlast failure: %s\n", __FILE__, __LINE__, #Condition,      \
                    qpair_ulp_last_error());                                                      \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* Fails unless two numbers are the same. */
#define EQUAL(Got, Expected)                                                                      \
    do {                                                                                          \
        long long got_ = (long long)(Got), expected_ = (long long)(Expected);                     \
        if (got_ != expected_) {                                                                  \
            fprintf(stderr, "%s:%d: %s is %lld (0x%llx), not %s\nlast failure: %s\n", __FILE__,   \
                    __LINE__, #Got, got_, got_, #Expected, qpair_ulp_last_error());               \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* A name in the folder that the test was given, of which nothing is there yet. */
static inline const char *name_of(char *place, size_t room, const char *folder, const char *name)
{
    snprintf(place, room, "%s/%s", folder, name);
    return place;
}

#endif
