#include "histogram.h"

enum { steps = 32, bits = 5 }; /* 2 to the power of bits */

static unsigned bucket_of(uint64_t value)
{
    if (value < steps) return (unsigned)value;
    unsigned const shift = 63U - (unsigned)__builtin_clzll(value) - bits;
    return (shift + 1) * steps + (unsigned)(value >> shift) - steps;
}

static uint64_t top_of(unsigned bucket)
{
    if (bucket < steps) return bucket;
    unsigned const shift = bucket / steps - 1;
    return (((uint64_t)(bucket % steps) + steps + 1) << shift) - 1;
}

void histogram_add(struct histogram* all, uint64_t value)
{
    ++all->count;
    ++all->buckets[bucket_of(value)];
    if (value > all->highest) all->highest = value;
}

uint64_t histogram_at(struct histogram const* all, double share)
{
    double const wanted = share * (double)all->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < sizeof all->buckets / sizeof *all->buckets; ++i) {
        seen += all->buckets[i];
        if (seen > 0 && (double)seen >= wanted) return top_of(i) < all->highest ? top_of(i) : all->highest;
    }
    return 0;
}
