#include "client.h"
#include "http.h"
#include "incoming.h"
#include "net.h"
#include "tls.h"
#include "train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, HEAD_SIZE = 8192, EVENTS = 512, BURST_EVENTS = 16, PACED_RING = 1024 };
enum { MAX_FD = 1 << 20 }; /* event data below this is a descriptor, above it a pointer */

struct counts counts;
unsigned clients_open, burst_settled;
bool flowing;

static struct options o;
static struct train train, requests; /* of the sessions; of the connections for HTTP */
static uint64_t requests_due;
static struct client *clients;
static unsigned next_in_turn;
static uint32_t ring;
static int set, burst_set; /* a storm's new sessions wait behind the live ones: theirs is the latency that counts */
static uint8_t buffer[READ_SIZE];

static void handle_open(struct client *client, uint64_t now);

/* ---- life of a connection ---- */

static void want(struct client *client, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = client};
    if (interest == client->interest)
        return;
    if (epoll_ctl(client->burst ? burst_set : set, client->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    client->interest = interest;
}

static void end(struct client *client)
{
    if (client->tls)
        tls_free(client->tls);
    if (client->fd >= 0)
        close(client->fd);
    free(client->head);
    client->tls = client->head = NULL;
    client->fd = -1;
    client->state = GONE;
}

/* An upgrade or a session has failed. A storm counts it; anywhere else it would make the numbers meaningless. */
static void fail(struct client *client, const char *why)
{
    if (o.mode != UPGRADE && !(o.mode == STORM && client->burst))
        die("a session failed after %llu messages: %s", (unsigned long long)counts.messages, why);
    counts.refused++;
    if (counts.refused == 1)
        fprintf(stderr, "refused: %s\n", why);
    end(client);
    if (client->burst)
        burst_settled++;
    else if (flowing)
        client_connect(client);
}

void client_connect(struct client *client)
{
    uint64_t *sent = client->sent;
    *client = (struct client){
        .state = CONNECTING, .burst = client->burst, .http = client->http, .sent = sent, .began = now_ns()};
    client->fd = connect_to(&o.target);
    if (client->fd >= 0)
        want(client, EPOLLOUT);
    else if (client->burst)
        fail(client, strerror(errno));
    else
        die("connect: %s", strerror(errno));
}

static ssize_t take(struct client *client, size_t room)
{
    return client->tls ? tls_recv(client->tls, buffer, room) : recv(client->fd, buffer, room, 0);
}

static ssize_t give(struct client *client, const void *data, size_t n)
{
    return client->tls ? tls_send(client->tls, data, n) : send(client->fd, data, n, MSG_NOSIGNAL);
}

static void give_small(struct client *client, const void *data, size_t n)
{
    if (give(client, data, n) != (ssize_t)n)
        fail(client, "a new connection did not take a few bytes");
}

static void request(struct client *client)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n%s%s%s%s\r\n",
                     o.path, KEY_TEXT, train.key, o.tunnel ? "Sec-WebSocket-Protocol: binary\r\n" : "",
                     o.offer ? "Sec-WebSocket-Extensions: " : "", o.offer ? o.offer : "", o.offer ? "\r\n" : "");
    client->state = UPGRADING;
    want(client, EPOLLIN);
    give_small(client, head, (size_t)n);
}

static void secure(struct client *client)
{
    int writing, done = tls_handshake(client->tls, &writing);
    if (done < 0)
        fail(client, "TLS handshake");
    else if (done)
        request(client);
    else
        want(client, writing ? EPOLLOUT : EPOLLIN);
}

static void connected(struct client *client)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(client, strerror(error));
    } else if (o.tls) {
        client->state = SECURING;
        client->tls = tls_new(client->fd);
        secure(client);
    } else if (o.raw || client->http) {
        want(client, EPOLLIN);
        handle_open(client, now_ns());
    } else {
        request(client);
    }
}

static void handle_open(struct client *client, uint64_t now)
{
    static const uint8_t close_normal[] = {0x80 | OP_CLOSE, 0x80 | 2, 1, 2, 3, 4, 1000 >> 8 ^ 1, (1000 & 255) ^ 2};
    client->state = OPEN;
    if (client->burst) {
        if (o.mode == STORM)
            histogram_add(&counts.joining, now - client->began);
        burst_settled++;
        return;
    }
    if (o.mode == IDLE && o.payload) {
        client_submit(client, 1, now); /* it counts as open when the echo is there */
        return;
    }
    clients_open++;
    if (o.mode == UPGRADE) {
        histogram_add(&counts.latency, now - client->began);
        clients_open--;
        client->state = ENDING;
        give_small(client, close_normal, sizeof close_normal);
    }
}

/* ---- messages ---- */

static void flush(struct client *client)
{
    const struct train *cars = client->http ? &requests : &train;
    while (client->left) {
        size_t chunk = 2 * cars->length - client->at;
        if (chunk > client->left)
            chunk = client->left;
        ssize_t n = give(client, cars->bytes + client->at, chunk);
        if (n < 0 && errno != EAGAIN)
            fail(client, strerror(errno));
        if (n < 0 && errno != EAGAIN)
            return;
        if (n > 0) {
            client->left -= (size_t)n;
            client->at = (client->at + (size_t)n) % cars->length;
            if (o.mode == SINK)
                counts.wire += (size_t)n;
        }
        if (n < (ssize_t)chunk || o.mode == SINK)
            break;
    }
    want(client, client->left ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void client_submit(struct client *client, unsigned n, uint64_t due)
{
    for (unsigned i = 0; i < n; i++) {
        if (client->last - client->first == ring) {
            counts.overrun++;
            continue;
        }
        client->sent[client->last++ & (ring - 1)] = due;
        client->left += client->http ? requests.frame : train.frame;
    }
    flush(client);
}

void client_start(struct client *client)
{
    if (o.mode == SINK) {
        client->left = UINT64_MAX / 2;
        flush(client);
    } else if (o.mode == ECHO) {
        client_submit(client, o.in_flight, now_ns());
    }
}

void clients_request(uint64_t n)
{
    static unsigned next;
    requests_due += n;
    for (unsigned i = 0; requests_due && i < o.burst; i++) {
        struct client *client = &clients[o.connections + next++ % o.burst];
        if (client->first != client->last)
            continue;
        requests_due--;
        client_submit(client, 1, now_ns());
    }
}

static void handle_answers(struct client *client, unsigned n)
{
    uint64_t now = now_ns();
    counts.requests += n;
    for (unsigned i = 0; i < n; i++)
        histogram_add(&counts.joining, now - client->sent[client->first++ & (ring - 1)]);
    if (flowing)
        clients_request(0);
    else
        requests_due = 0;
}

static void handle_messages(struct client *client, unsigned n)
{
    uint64_t now = now_ns();
    counts.messages += n;
    if (o.mode == IDLE)
        clients_open += n;
    if (o.mode != ECHO && o.mode != STORM && o.mode != BESIDE)
        return;
    for (unsigned i = 0; i < n; i++)
        histogram_add(&counts.latency, now - client->sent[client->first++ & (ring - 1)]);
    if (!flowing || o.mode != ECHO)
        return;
    if (!o.rotate) {
        client_submit(client, n, now);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        client_submit(&clients[next_in_turn], 1, now);
        next_in_turn = (next_in_turn + 1) % o.connections;
    }
}

static void handle_bytes(struct client *client, size_t n)
{
    unsigned done = client->http ? http_answers(client, o.size, buffer, n) : incoming(client, &o, &train, buffer, n);
    if (done && client->burst)
        handle_answers(client, done);
    else if (done)
        handle_messages(client, done);
}

static void upgrading(struct client *client, size_t n)
{
    char *head = client->head = realloc(client->head, client->head_size + n + 1);
    if (!head)
        die("out of memory");
    memcpy(head + client->head_size, buffer, n);
    client->head_size += n;
    head[client->head_size] = 0;
    char *rest = strstr(head, "\r\n\r\n");
    if (!rest) {
        if (client->head_size > HEAD_SIZE)
            fail(client, "an endless head");
        return;
    }
    rest += 4;
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || !strstr(head, train.accept)) {
        head[strcspn(head, "\r")] = 0;
        fail(client, strncmp(head, "HTTP/1.1 101 ", 13) ? head : "101 with another Sec-WebSocket-Accept");
        return;
    }
    size_t early = client->head_size - (size_t)(rest - head);
    memcpy(buffer, rest, early);
    free(head);
    client->head = NULL;
    handle_open(client, now_ns());
    if (early)
        handle_bytes(client, early);
}

static void handle_end(struct client *client, ssize_t n)
{
    if (client->state != ENDING || !client->answered) {
        fail(client, n == 0 ? "the other side ended the connection" : strerror(errno));
        return;
    }
    counts.messages++;
    end(client);
    if (flowing)
        client_connect(client);
}

static void handle_readable(struct client *client)
{
    do {
        ssize_t n = take(client, READ_SIZE);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            handle_end(client, n);
            return;
        }
        if (client->state == UPGRADING)
            upgrading(client, (size_t)n);
        else
            handle_bytes(client, (size_t)n);
    } while (client->tls && tls_more(client->tls));
}

/* ---- all of them ---- */

void clients_prepare(const struct options *options)
{
    o = *options;
    unsigned all = o.connections + o.burst;
    size_t least = o.mode == SINK ? READ_SIZE : 0;
    allow_descriptors(all + 64);
    train = train_make(&o, least);
    requests = train_of_requests(&o);
    ring = o.mode == STORM || o.mode == BESIDE ? PACED_RING : 1;
    while (ring < (o.rotate ? o.active * o.in_flight : o.in_flight))
        ring *= 2;
    clients = calloc(all, sizeof *clients);
    unsigned rings = o.mode == STORM ? o.connections : all; /* a storm's new sessions send nothing */
    uint64_t *sent = calloc((size_t)rings * ring, sizeof *sent);
    if (!clients || !sent)
        die("out of memory");
    for (unsigned i = 0; i < all; i++) {
        clients[i].fd = -1;
        clients[i].burst = i >= o.connections;
        clients[i].http = o.http || (o.mode == BESIDE && clients[i].burst);
        clients[i].sent = i < rings ? sent + (size_t)i * ring : NULL;
    }
    next_in_turn = o.active % o.connections;
    set = epoll_create1(EPOLL_CLOEXEC);
    burst_set = epoll_create1(EPOLL_CLOEXEC);
    clients_watch(burst_set);
}

struct client *client_at(unsigned index)
{
    return &clients[index];
}

bool client_is_busy(const struct client *client)
{
    return o.mode == UPGRADE ? client->state != GONE : client->left || client->first != client->last;
}

size_t clients_frame_length(void)
{
    return train.frame;
}

void clients_watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void serve(struct client *client, uint32_t events)
{
    if (client->state == CONNECTING) {
        connected(client);
    } else if (client->state == SECURING) {
        secure(client);
    } else {
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            handle_readable(client);
        if (events & EPOLLOUT && client->state == OPEN)
            flush(client);
    }
}

bool clients_serve(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    bool watched = false, bursting = false;
    int n = epoll_wait(set, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == (uint64_t)burst_set)
            bursting = true;
        else if (events[i].data.u64 < MAX_FD)
            watched = true;
        else
            serve(events[i].data.ptr, events[i].events);
    }
    n = bursting ? epoll_wait(burst_set, events, BURST_EVENTS, 0) : 0;
    for (int i = 0; i < n; i++)
        serve(events[i].data.ptr, events[i].events);
    return watched;
}
