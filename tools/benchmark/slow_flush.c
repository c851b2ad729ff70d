// For LD_PRELOAD: a flush of a WAL file takes PGTALLY_BENCH_FLUSH_US microseconds longer, as on storage that is slower.
// The flush itself is done first. The process sleeps, so the time costs no CPU, as that of a disk does; and PostgreSQL
// holds the lock that it holds while it flushes. Other files are not delayed.

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int flush_function(int);

static int is_wal(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t const length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = '\0';
    return strstr(path, "/pg_wal/") != NULL;
}

static void wait_longer(void)
{
    char const* const text = getenv("PGTALLY_BENCH_FLUSH_US");
    long const more = text != NULL ? atol(text) : 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += more / 1000000;
    until.tv_nsec += more % 1000000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        ++until.tv_sec;
    }
    // A signal for the process, such as a latch that is set, does not make a disk faster.
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static int flush(char const* name, int fd)
{
    flush_function* real = NULL;
    *(void**)&real = dlsym(RTLD_NEXT, name);
    int const result = real(fd);
    int const reason = errno;
    if (is_wal(fd)) wait_longer();
    errno = reason;
    return result;
}

int fdatasync(int fd)
{
    return flush("fdatasync", fd);
}

int fsync(int fd)
{
    return flush("fsync", fd);
}
