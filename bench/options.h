/* What the load generator is asked to do. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode {
    ECHO,    /* messages out, the same messages back */
    SINK,    /* messages out, as fast as they are taken */
    SOURCE,  /* messages in, as fast as they come */
    UPGRADE, /* sessions one after another: connect, upgrade, Close, the answer, the end */
    STORM,   /* ECHO at a fixed rate on the live sessions, while a burst of new ones connects */
    IDLE,    /* sessions that are only there; with a payload of their own after one echo on each */
    BESIDE,  /* ECHO at a fixed rate on the live sessions, beside HTTP requests at a fixed rate */
};

struct options {
    struct sockaddr_in target;
    const char *path;
    enum mode mode;
    unsigned connections; /* open at once */
    unsigned active;      /* of those, how many carry messages; the others are idle */
    unsigned in_flight;   /* messages on their way, on each active connection */
    unsigned burst;       /* STORM: how many connect at once; BESIDE: connections for requests */
    double rate;          /* STORM, BESIDE: messages per second over all live sessions */
    double requests;      /* BESIDE: requests per second; 0: none */
    size_t size;          /* payload of a message, bytes */
    const uint8_t *payload; /* of every message; NULL: made here */
    const char *offer;    /* an extension: the payload is compressed, and answers are counted, not compared; NULL: none */
    double seconds, warm_up;
    bool text;   /* text messages; binary without */
    bool raw;    /* bytes over TCP, no WebSocket: for a proxy in TCP mode */
    bool tunnel; /* the other end knows bytes only, so message borders need not come back */
    bool tls;
    bool http;   /* a message is a GET request and its answer */
    bool rotate; /* ECHO: every answer is followed by a message on the next connection, through all of them */
};

struct options read_options(int count, char **arguments);

#endif
