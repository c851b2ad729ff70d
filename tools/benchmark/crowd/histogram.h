/* Times in nanoseconds, in buckets that are at most 1/32 of their value wide. */
#ifndef PGTALLY_BENCH_HISTOGRAM_H
#define PGTALLY_BENCH_HISTOGRAM_H

#include <stdint.h>

struct histogram {
    uint64_t count;
    uint64_t highest; /* exactly */
    uint64_t buckets[64 * 32];
};

void histogram_add(struct histogram* all, uint64_t value);

/* The value that this share (0 to 1) of all does not exceed; 0 if there is none. */
uint64_t histogram_at(struct histogram const* all, double share);

#endif
