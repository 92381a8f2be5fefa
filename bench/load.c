/* The load generator. It opens its sessions, says so, waits for "go", and measures; at the next "go" once more, over the
 * same sessions, where the work can pause: echoes, and sessions that come and go.
 *
 *   > {"event": "open", "connections": 64, "seconds": 0.012}
 *   < go PROXY_CORE LOAD_CORE PROXY_PID,... BACKEND_PID,...
 *   > {"event": "result", "messages": 123456, "seconds": 2.0, "cpu_ns": ..., "p99_us": ...}
 *
 * The CPU time of the proxy and of the backend is read here, at the same two moments between which messages are
 * counted. The end of standard input instead of "go" ends it. What makes a run meaningless (an echo that is not what was
 * sent, a session that fails) ends it with a line on standard error and status 1.
 */
#include "client.h"
#include "cpu.h"
#include "net.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    OPENING = 64,   /* upgrades under way while the sessions are opened: fewer than any listen queue holds */
    STORM_STEP = 16 /* a storm's connects in one turn, so that the generator itself keeps up with the live sessions */
};
static const uint64_t REST_NS = 20ull * 1000000000; /* for what is under way; the slowest takes a tenth of a second */

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void open_all(const struct options *o)
{
    uint64_t began = now_ns();
    unsigned asked = 0, all = o->mode == BESIDE ? o->connections + o->burst : o->connections;
    if (o->mode == UPGRADE)
        asked = clients_open = o->connections; /* none is held open */
    while (clients_open + burst_settled < all) {
        while (asked < all && asked - clients_open - burst_settled < OPENING)
            client_connect(client_at(asked++));
        clients_serve(1000);
    }
    printf("{\"event\": \"open\", \"connections\": %u, \"seconds\": %.6f}\n", o->connections, seconds(now_ns() - began));
    fflush(stdout);
}

static unsigned read_pids(char *list, int *pids)
{
    unsigned n = 0;
    for (char *p = list; p && *p && *p != '-' && n < MAX_PIDS; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        pids[n++] = atoi(p);
    return n;
}

static struct watched *wait_for_go(void)
{
    static struct watched watched;
    static char line[1 << 16], proxies[1 << 15], backends[1 << 15];
    if (!fgets(line, sizeof line, stdin))
        exit(0);
    if (sscanf(line, "go %d %d %32767s %32767s", &watched.proxy_core, &watched.load_core, proxies, backends) != 4)
        die("not \"go CORE CORE PIDS PIDS\": %s", line);
    watched.proxies = read_pids(proxies, watched.proxy);
    watched.backends = read_pids(backends, watched.backend);
    return &watched;
}

static void print_latency(const char *name, const struct histogram *h)
{
    printf(", \"%s\": {\"count\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"most_us\": %.1f}", name,
           (unsigned long long)h->count, (double)histogram_at(h, 0.5) / 1e3, (double)histogram_at(h, 0.99) / 1e3,
           (double)histogram_at(h, 0.999) / 1e3, (double)h->most / 1e3);
}

static void print_used(const char *name, int64_t before, int64_t after)
{
    if (before < 0 || after < 0)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %lld", name, (long long)(after - before));
}

static void report(const struct options *o, uint64_t ns, struct usage before, struct usage after)
{
    if (o->mode == SINK)
        counts.messages = counts.wire / clients_frame_length();
    printf("{\"event\": \"result\", \"seconds\": %.6f, \"messages\": %llu, \"requests\": %llu, \"refused\": %llu, \"overrun\": %llu",
           seconds(ns), (unsigned long long)counts.messages, (unsigned long long)counts.requests,
           (unsigned long long)counts.refused, (unsigned long long)counts.overrun);
    print_used("cpu_ns", before.proxy, after.proxy);
    print_used("backend_ns", before.backend, after.backend);
    print_used("own_ns", before.own, after.own);
    print_used("proxy_core_ns", before.proxy_core, after.proxy_core);
    print_used("load_core_ns", before.load_core, after.load_core);
    print_latency("latency", &counts.latency);
    print_latency("joining", &counts.joining);
    puts("}");
    fflush(stdout);
}

/* Work at a fixed rate. */
struct clock {
    int fd; /* -1: none */
    double rate;
    uint64_t started, submitted;
};

static struct clock start_clock(double rate)
{
    if (!rate)
        return (struct clock){.fd = -1};
    long period = (long)(1e9 / rate);
    struct itimerspec times = {{period / 1000000000, period % 1000000000}, {period / 1000000000, period % 1000000000}};
    struct clock clock = {timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), rate, now_ns(), 0};
    if (clock.fd < 0 || timerfd_settime(clock.fd, 0, &times, NULL) < 0)
        die("timerfd");
    clients_watch(clock.fd);
    return clock;
}

static uint64_t ticks_of(const struct clock *clock)
{
    uint64_t ticks;
    return clock->fd >= 0 && read(clock->fd, &ticks, sizeof ticks) == sizeof ticks ? ticks : 0;
}

/* Each message is counted from the moment it was due: a stall delays the measured ones behind it too. */
static void submit_due(const struct options *o, struct clock *clock)
{
    for (uint64_t ticks = ticks_of(clock); ticks; ticks--) {
        unsigned whose = (unsigned)(clock->submitted++ % o->connections);
        client_submit(client_at(whose), 1, clock->started + (uint64_t)((double)clock->submitted * 1e9 / clock->rate));
    }
}

static void run_storm(const struct options *o, const struct watched *watched)
{
    uint64_t started = now_ns(), quiet = started + (uint64_t)(o->warm_up * 1e9), began = 0;
    struct clock clock = start_clock(o->rate);
    unsigned asked = 0;
    struct usage before = {0};
    for (;;) {
        bool storming = began && asked < o->burst;
        if (clients_serve(storming ? 0 : 100))
            submit_due(o, &clock);
        uint64_t now = now_ns();
        if (!began && now >= quiet) {
            memset(&counts, 0, sizeof counts);
            before = usage_of(watched);
            now = began = now_ns();
        }
        for (int i = 0; began && i < STORM_STEP && asked < o->burst; i++)
            client_connect(client_at(o->connections + asked++));
        if (began && (burst_settled == o->burst || now - began > (uint64_t)(o->seconds * 1e9)))
            break;
    }
    if (burst_settled < o->burst)
        counts.refused += o->burst - burst_settled;
    report(o, now_ns() - began, before, usage_of(watched));
}

static void run_beside(const struct options *o, const struct watched *watched)
{
    struct clock messages = start_clock(o->rate), requests = start_clock(o->requests);
    uint64_t began = now_ns(), warm = began + (uint64_t)(o->warm_up * 1e9), until = UINT64_MAX, now;
    struct usage before = {0};
    flowing = true;
    while ((now = now_ns()) < until) {
        if (until == UINT64_MAX && now >= warm) {
            memset(&counts, 0, sizeof counts);
            before = usage_of(watched);
            until = (began = now_ns()) + (uint64_t)(o->seconds * 1e9);
        }
        if (clients_serve(10)) {
            submit_due(o, &messages);
            clients_request(ticks_of(&requests));
        }
    }
    report(o, now - began, before, usage_of(watched));
    close(messages.fd);
    if (requests.fd >= 0)
        close(requests.fd);
}

static void run_window(const struct options *o, const struct watched *watched)
{
    flowing = true;
    for (unsigned i = 0; i < o->active; i++) {
        if (o->mode == UPGRADE)
            client_connect(client_at(i));
        else
            client_start(client_at(i));
    }
    uint64_t began = now_ns(), warm = began + (uint64_t)(o->warm_up * 1e9), now;
    while ((now = now_ns()) < warm)
        clients_serve(10);
    memset(&counts, 0, sizeof counts);
    struct usage before = usage_of(watched);
    uint64_t until = (began = now_ns()) + (uint64_t)(o->seconds * 1e9);
    while ((now = now_ns()) < until)
        clients_serve(10);
    struct usage after = usage_of(watched);
    report(o, now - began, before, after);
}

/* Until every echo is back, every passing session over: the proxy is at rest, and the next "go" finds all as new. */
static void come_to_rest(const struct options *o)
{
    uint64_t until = now_ns() + REST_NS;
    flowing = false;
    for (unsigned i = 0; i < o->connections + (o->mode == BESIDE ? o->burst : 0); i++)
        while (client_is_busy(client_at(i)))
            if (clients_serve(10), now_ns() > until)
                die("something was missing %g s after the end", seconds(REST_NS));
}

int main(int count, char **arguments)
{
    struct options o = read_options(count, arguments);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL; a refused session of a storm is counted */
    clients_prepare(&o);
    open_all(&o);
    bool can_pause = o.mode == ECHO || o.mode == UPGRADE || o.mode == BESIDE;
    do {
        const struct watched *watched = wait_for_go();
        if (o.mode == STORM)
            run_storm(&o, watched);
        else if (o.mode == BESIDE)
            run_beside(&o, watched);
        else if (o.mode != IDLE)
            run_window(&o, watched);
        if (can_pause)
            come_to_rest(&o);
    } while (can_pause);
    fgetc(stdin); /* the sessions stay until the other side has looked */
    return 0;
}
