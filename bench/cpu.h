/* CPU time that other processes have used, read at one moment: the two ends of a measured window. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

enum { MAX_PIDS = 4096 };

struct watched {
    int proxy_core, load_core; /* their busy time shows load that is not ours. -1: not pinned */
    unsigned proxies, backends;
    int proxy[MAX_PIDS], backend[MAX_PIDS];
};

struct usage {
    int64_t proxy, backend, own; /* nanoseconds; -1 when a process is gone */
    int64_t proxy_core, load_core; /* nanoseconds that the core was not idle, in steps of a clock tick */
};

struct usage usage_of(const struct watched *watched);

#endif
