/* Latencies in log-linear buckets: 64 to every power of two of nanoseconds, so a percentile is off by 1.6 % at most. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { STEPS = 64, BUCKETS = 64 * STEPS };

struct histogram {
    uint64_t count, most;
    uint64_t bucket[BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned shift = ns < 2 * STEPS ? 0 : (unsigned)(63 - __builtin_clzll(ns)) - 6;
    h->bucket[shift * STEPS + (ns >> shift)]++;
    h->count++;
    if (ns > h->most)
        h->most = ns;
}

/* The value that a share (0.99) of the samples do not exceed; 0 when there are none. */
static inline uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)h->count + 0.999999);
    for (unsigned i = 0; h->count && i < BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= wanted) {
            unsigned shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
            uint64_t top = ((uint64_t)(i - shift * STEPS + 1) << shift) - 1;
            return top < h->most ? top : h->most;
        }
    }
    return h->most;
}

#endif
