/* The generator's connections: from connect() to the last byte, and the messages on them. */
#ifndef CLIENT_H
#define CLIENT_H

#include "histogram.h"
#include "options.h"
#include "wire.h"

struct client {
    int fd; /* -1: none */
    enum { CONNECTING, SECURING, UPGRADING, OPEN, ENDING, GONE } state;
    bool burst;           /* one of a storm's new ones; BESIDE: one for requests */
    bool http;            /* its messages are requests and answers */
    bool in_body;         /* HTTP: the answer's head has come */
    bool answered;        /* our Close has been answered */
    uint32_t interest;
    uint64_t began;       /* when it began to connect */
    struct frame frame;
    size_t got;           /* payload bytes of the message that is coming in */
    size_t at;            /* where in the train its output stands */
    uint64_t left;        /* bytes of the train still to send */
    uint32_t first, last; /* the ring of send times */
    uint64_t *sent;
    char *head;           /* the response's head while it comes in */
    size_t head_size;
    void *tls;
};

/* What happened since the last count_anew(). */
struct counts {
    uint64_t messages;        /* come back whole; UPGRADE: sessions from connect() to the end */
    uint64_t wire;            /* SINK: bytes that the socket took */
    uint64_t requests;        /* BESIDE: answered */
    uint64_t refused;         /* UPGRADE, STORM: upgrades that failed; in every other mode the first one ends the run */
    uint64_t overrun;         /* STORM, BESIDE: messages that were due while 1,024 others were on their way */
    struct histogram latency; /* of a message; UPGRADE: from connect() to 101 */
    struct histogram joining; /* STORM: from connect() to 101, of the burst; BESIDE: of a request, to its answer */
};

extern struct counts counts;
extern unsigned clients_open;  /* of the lasting ones */
extern unsigned burst_settled; /* of the burst: open or refused */
extern bool flowing;           /* answers are followed by new messages, ends by new sessions */

/* Build the messages that are sent, and room for all clients. */
void clients_prepare(const struct options *options);

struct client *client_at(unsigned index);
void client_connect(struct client *client);

/* Begin what the mode does on an open connection. */
void client_start(struct client *client);

/* Send n more messages that were due at `due`. */
void client_submit(struct client *client, unsigned n, uint64_t due);

/* BESIDE: send n more requests, each as soon as a connection is free for it. */
void clients_request(uint64_t n);

/* Something is still to be sent on it, or to come back; UPGRADE: it is not over. */
bool client_is_busy(const struct client *client);

/* Wait for events and serve them; `watch` is one more descriptor, whose readiness returns true. */
bool clients_serve(int timeout_ms);
void clients_watch(int fd);

size_t clients_frame_length(void);

#endif
