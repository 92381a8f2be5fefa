#include "options.h"
#include "net.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {"echo", "sink", "source", "upgrade", "storm", "idle", "beside"};

static enum mode mode_named(const char *name)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (strcmp(name, mode_names[i]) == 0)
            return (enum mode)i;
    die("--mode is echo, sink, source, upgrade, storm, idle or beside, not %s", name);
}

static double number(const char *name, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || value < least)
        die("--%s wants a number from %g, not %s", name, least, text);
    return value;
}

static const uint8_t *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0)
        die("--payload %s: %s", name, strerror(errno));
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size);
    if (!*size || !data || fread(data, 1, *size, file) != *size)
        die("--payload %s cannot be read", name);
    fclose(file);
    return data;
}

struct options read_options(int count, char **arguments)
{
    enum {
        PORT, PATH, MODE, CONNECTIONS, ACTIVE, IN_FLIGHT, BURST, RATE, REQUESTS, SIZE, SECONDS, WARM_UP, TEXT, RAW, TUNNEL,
        TLS, HTTP, ROTATE, PAYLOAD, OFFER
    };
    static const struct option names[] = {
        {"port", required_argument, NULL, PORT},
        {"path", required_argument, NULL, PATH},
        {"mode", required_argument, NULL, MODE},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"active", required_argument, NULL, ACTIVE},
        {"in-flight", required_argument, NULL, IN_FLIGHT},
        {"burst", required_argument, NULL, BURST},
        {"rate", required_argument, NULL, RATE},
        {"requests", required_argument, NULL, REQUESTS},
        {"size", required_argument, NULL, SIZE},
        {"seconds", required_argument, NULL, SECONDS},
        {"warm-up", required_argument, NULL, WARM_UP},
        {"text", no_argument, NULL, TEXT},
        {"raw", no_argument, NULL, RAW},
        {"tunnel", no_argument, NULL, TUNNEL},
        {"tls", no_argument, NULL, TLS},
        {"http", no_argument, NULL, HTTP},
        {"rotate", no_argument, NULL, ROTATE},
        {"payload", required_argument, NULL, PAYLOAD},
        {"offer", required_argument, NULL, OFFER},
        {NULL, 0, NULL, 0},
    };
    struct options o = {
        .path = "/echo", .mode = ECHO, .connections = 1, .in_flight = 1, .size = 64, .seconds = 1, .warm_up = 0.2,
        .rate = 1000,
    };
    int which, index;
    while ((which = getopt_long(count, arguments, "", names, &index)) != -1) {
        const char *name = which == '?' ? "" : names[which].name;
        switch (which) {
        case PORT: o.target = loopback((uint16_t)number(name, optarg, 1)); break;
        case PATH: o.path = optarg; break;
        case MODE: o.mode = mode_named(optarg); break;
        case CONNECTIONS: o.connections = (unsigned)number(name, optarg, 1); break;
        case ACTIVE: o.active = (unsigned)number(name, optarg, 1); break;
        case IN_FLIGHT: o.in_flight = (unsigned)number(name, optarg, 1); break;
        case BURST: o.burst = (unsigned)number(name, optarg, 1); break;
        case RATE: o.rate = number(name, optarg, 1); break;
        case REQUESTS: o.requests = number(name, optarg, 0); break;
        case SIZE: o.size = (size_t)number(name, optarg, 1); break;
        case SECONDS: o.seconds = number(name, optarg, 0.001); break;
        case WARM_UP: o.warm_up = number(name, optarg, 0); break;
        case TEXT: o.text = true; break;
        case RAW: o.raw = true; break;
        case TUNNEL: o.tunnel = true; break;
        case TLS: o.tls = true; break;
        case HTTP: o.http = true; break;
        case ROTATE: o.rotate = true; break;
        case PAYLOAD: o.payload = read_file(optarg, &o.size); break;
        case OFFER: o.offer = optarg; break;
        default: exit(2);
        }
    }
    if (!o.target.sin_port || optind < count)
        die("usage: load --port PORT [--mode MODE] [--connections N] [--size BYTES] ...; options.h says what each means");
    if (!o.active || o.active > o.connections)
        o.active = o.connections;
    if (o.raw && (o.mode == UPGRADE || o.mode == STORM))
        die("--raw has no upgrade");
    if (o.offer && !o.payload)
        die("--offer wants a compressed --payload");
    if (o.http && (o.mode != ECHO || o.in_flight != 1))
        die("--http has one request in flight on each connection, and no mode but echo");
    if (o.mode == BESIDE && o.requests && !o.burst)
        die("--requests wants --burst connections");
    return o;
}
