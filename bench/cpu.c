#include "cpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) < 0 ? -1 : (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A process's CPU clock counts all of its threads, in nanoseconds, where /proc/PID/stat counts ticks of 10 ms. */
static int64_t total(const int *pids, unsigned n)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        clockid_t clock;
        int64_t ns = clock_getcpuclockid(pids[i], &clock) == 0 ? clock_ns(clock) : -1;
        if (ns < 0)
            return -1;
        sum += ns;
    }
    return sum;
}

/* All time since some moment in which the core was not idle. Steal, other machines' load, is part of it.
 *
 * proc(5), /proc/stat: user nice system idle iowait irq softirq steal, each cut to ticks of 10 ms. The sum of those that
 * are work has the error of each. What is not idle has none on a core that is full, because idle stands still there. */
static int64_t core_ns(int core)
{
    char line[512], name[16];
    int64_t used = -1;
    FILE *file = core < 0 ? NULL : fopen("/proc/stat", "r");
    if (!file)
        return -1;
    snprintf(name, sizeof name, "cpu%d ", core);
    while (fgets(line, sizeof line, file)) {
        long long idle, wait;
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), "%*d %*d %*d %lld %lld", &idle, &wait) == 2)
            used = clock_ns(CLOCK_MONOTONIC) - (idle + wait) * (1000000000 / sysconf(_SC_CLK_TCK));
    }
    fclose(file);
    return used;
}

struct usage usage_of(const struct watched *watched)
{
    return (struct usage){
        .proxy = total(watched->proxy, watched->proxies),
        .backend = total(watched->backend, watched->backends),
        .own = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
        .proxy_core = core_ns(watched->proxy_core),
        .load_core = core_ns(watched->load_core),
    };
}
