/* The backends behind every proxy of the benchmark: one process, one epoll set, a port for each role.
 *
 *   ws          WebSocket; the path chooses: /echo, /sink, /source/SIZE (messages of SIZE bytes, without end)
 *               compressed messages are echoed as they came
 *               plain HTTP on kept connections: GET /body/SIZE gets as many bytes
 *   tcp-echo    the bytes that came
 *   tcp-sink    nothing; reads and forgets
 *   tcp-source  bytes without end
 *
 * Prints "ready ws=PORT tcp-echo=PORT ..." and serves until it is killed. With words, ADDRESS PORT, it has the role ws
 * alone, there, and says in X-Backend who has answered an upgrade. It trusts its clients: it is a measuring instrument,
 * not a server.
 */
#include "net.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, HEADROOM = 16, HEAD_SIZE = 8192, MAX_BODY = 64 << 10, MAX_FD = 65536, EVENTS = 512 };

enum role { WS, TCP_ECHO, TCP_SINK, TCP_SOURCE, ROLES };
static const char *const role_names[ROLES] = {"ws", "tcp-echo", "tcp-sink", "tcp-source"};

enum state { LISTENER, HEAD, ECHO_FRAMES, ECHO_BYTES, SINK_FRAMES, SINK_BYTES, SOURCE };

/* A run of whole messages that a source sends over and over. */
struct train {
    uint8_t *bytes;
    size_t length, size;
    struct train *next;
};

struct peer {
    int fd;
    enum role role;
    enum state state;
    bool closing; /* a Close has been answered: end once all is sent */
    uint32_t interest;
    struct frame frame;
    uint8_t *kept; /* a head being read, or output that the peer would not take yet */
    size_t kept_from, kept_to, kept_size;
    const struct train *train;
    size_t train_at;
};

static struct peer *peers[MAX_FD];
static int set;
static uint8_t buffer[HEADROOM + READ_SIZE];
static char name[64]; /* the field X-Backend, or empty */

static void want(struct peer *peer, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.fd = peer->fd};
    if (interest == peer->interest)
        return;
    if (epoll_ctl(set, peer->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, peer->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    peer->interest = interest;
}

static void drop(struct peer *peer)
{
    close(peer->fd);
    peers[peer->fd] = NULL;
    free(peer->kept);
    free(peer);
}

static void keep(struct peer *peer, const uint8_t *data, size_t n)
{
    if (peer->kept_to + n > peer->kept_size) {
        peer->kept_size = peer->kept_to + n;
        peer->kept = realloc(peer->kept, peer->kept_size);
        if (!peer->kept)
            die("out of memory");
    }
    memcpy(peer->kept + peer->kept_to, data, n);
    peer->kept_to += n;
}

static const struct train *train_of(size_t size)
{
    static struct train *trains;
    for (struct train *t = trains; t; t = t->next)
        if (t->size == size)
            return t;
    struct train *t = calloc(1, sizeof *t);
    size_t messages = READ_SIZE / (size + 10) + 1;
    if (!t || !(t->bytes = calloc(messages, size + 10)))
        die("out of memory");
    t->size = size;
    for (size_t i = 0; i < messages; i++) {
        t->length += frame_header(t->bytes + t->length, true, OP_BINARY, size, NULL);
        memset(t->bytes + t->length, 'a' + (int)(i % 26), size);
        t->length += size;
    }
    t->next = trains;
    trains = t;
    return t;
}

/* False when the peer is gone. What it does not take is kept, and it is not read until that has left. */
static bool put(struct peer *peer, const uint8_t *data, size_t n)
{
    ssize_t sent = n ? send(peer->fd, data, n, MSG_NOSIGNAL) : 0;
    if (sent < 0 && errno != EAGAIN)
        return false;
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == n)
        return !peer->closing;
    keep(peer, data + done, n - done);
    want(peer, EPOLLOUT);
    return true;
}

static bool flush(struct peer *peer)
{
    ssize_t sent = send(peer->fd, peer->kept + peer->kept_from, peer->kept_to - peer->kept_from, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    peer->kept_from += (size_t)sent;
    if (peer->kept_from < peer->kept_to)
        return true;
    peer->kept_from = peer->kept_to = 0;
    if (peer->closing)
        return false;
    want(peer, EPOLLIN);
    return true;
}

static bool pour(struct peer *peer)
{
    const struct train *train = peer->train;
    ssize_t sent = send(peer->fd, train->bytes + peer->train_at, train->length - peer->train_at, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    peer->train_at = (peer->train_at + (size_t)sent) % train->length;
    return true;
}

/* Answer the frames of data[0..n) by unmasked ones, written over them; headroom in front takes a header whose masked
 * form came with an earlier read. Returns the end of the output. */
static uint8_t *answer_frames(struct peer *peer, uint8_t *out, const uint8_t *p, const uint8_t *end)
{
    struct frame *frame = &peer->frame;
    while (p < end && !peer->closing) {
        if (!frame->open) {
            if (!frame_begin(frame, &p, end))
                break;
            uint8_t opcode = frame->opcode == OP_PING ? OP_PONG : frame->opcode | frame->rsv1;
            out += frame_header(out, frame->fin, opcode, frame->left, NULL);
        }
        size_t n = (size_t)(end - p) < frame->left ? (size_t)(end - p) : (size_t)frame->left;
        mask(out, p, n, frame->key, frame->phase);
        frame->phase = (frame->phase + n) & 3;
        frame->left -= n;
        out += n;
        p += n;
        if (frame->left == 0) {
            frame->open = false;
            peer->closing = frame->opcode == OP_CLOSE;
        }
    }
    return out;
}

/* Skip the frames of a sink. False when one is a Close, which is answered. */
static bool skip_frames(struct peer *peer, const uint8_t *p, const uint8_t *end)
{
    struct frame *frame = &peer->frame;
    while (p < end) {
        if (!frame->open) {
            if (!frame_begin(frame, &p, end))
                break;
            if (frame->opcode == OP_CLOSE) {
                static const uint8_t normal[] = {0x80 | OP_CLOSE, 0};
                peer->closing = true;
                return put(peer, normal, sizeof normal);
            }
        }
        size_t n = (size_t)(end - p) < frame->left ? (size_t)(end - p) : (size_t)frame->left;
        frame->left -= n;
        p += n;
        if (frame->left == 0)
            frame->open = false;
    }
    return true;
}

static bool take(struct peer *peer, uint8_t *data, size_t n)
{
    switch (peer->state) {
    case ECHO_FRAMES: {
        /* a frame that goes on keeps its place, so its payload is not moved */
        uint8_t *out = peer->frame.open ? data : data - HEADROOM + 6;
        return put(peer, out, (size_t)(answer_frames(peer, out, data, data + n) - out));
    }
    case ECHO_BYTES:
        return put(peer, data, n);
    case SINK_FRAMES:
        return skip_frames(peer, data, data + n);
    default:
        return true; /* SINK_BYTES, and what a source is sent */
    }
}

/* A request without an upgrade; the next one follows on the same connection. */
static bool answer_request(struct peer *peer, const char *head)
{
    static uint8_t answer[256 + MAX_BODY];
    size_t size = strncmp(head, "GET /body/", 10) == 0 ? strtoul(head + 10, NULL, 10) : 0;
    if (size > MAX_BODY)
        return false;
    int length = snprintf((char *)answer, 256,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", size);
    memset(answer + length, 'a', size);
    peer->kept_to = 0; /* the client waits for the answer before it sends more */
    return put(peer, answer, (size_t)length + size);
}

/* The answer to an offer of compression: an echo needs no window, and none where the client wants none. */
static const char *extensions(const char *head)
{
    const char *offer = strcasestr(head, "\r\nsec-websocket-extensions:");
    offer = offer ? strstr(offer, "permessage-deflate") : NULL;
    if (!offer)
        return "";
    if (!strstr(offer, "server_no_context_takeover"))
        return "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    return "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
}

static bool upgrade(struct peer *peer)
{
    size_t size = peer->kept_to;
    char *head = (char *)peer->kept, *end = memmem(head, size, "\r\n\r\n", 4);
    if (!end)
        return size < HEAD_SIZE;
    size_t rest = size - (size_t)(end + 4 - head);
    *end = 0;
    char *key = strcasestr(head, "\r\nsec-websocket-key:");
    if (!key)
        return answer_request(peer, head);
    for (key += 20; *key == ' '; key++)
        ;
    if (end - key < KEY_TEXT)
        return false;
    char answer[512], accept[ACCEPT_TEXT];
    accept_key(accept, key);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %.*s\r\n%s%s\r\n",
                          ACCEPT_TEXT, accept, name, extensions(head));
    peer->state = ECHO_FRAMES;
    if (strncmp(head, "GET /sink ", 10) == 0)
        peer->state = SINK_FRAMES;
    else if (strncmp(head, "GET /source/", 12) == 0) {
        peer->state = SOURCE;
        peer->train = train_of(strtoul(head + 12, NULL, 10));
    }
    uint8_t early[HEADROOM + HEAD_SIZE];
    memcpy(early + HEADROOM, end + 4, rest);
    free(peer->kept);
    peer->kept = NULL;
    peer->kept_to = peer->kept_size = 0;
    if (!put(peer, (uint8_t *)answer, (size_t)length))
        return false;
    if (rest && !take(peer, early + HEADROOM, rest))
        return false;
    if (peer->state == SOURCE)
        want(peer, EPOLLIN | EPOLLOUT);
    return true;
}

static bool serve(struct peer *peer, uint32_t events)
{
    if (events & EPOLLOUT && !(peer->state == SOURCE ? pour(peer) : flush(peer)))
        return false;
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return true;
    size_t room = peer->state == HEAD ? HEAD_SIZE - peer->kept_to : READ_SIZE;
    ssize_t n = recv(peer->fd, buffer + HEADROOM, room, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (peer->state != HEAD)
        return take(peer, buffer + HEADROOM, (size_t)n);
    keep(peer, buffer + HEADROOM, (size_t)n);
    return upgrade(peer);
}

static struct peer *adopt(int fd, enum role role, enum state state)
{
    if (fd >= MAX_FD)
        die("more than %d descriptors", MAX_FD);
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        die("out of memory");
    peer->fd = fd;
    peer->role = role;
    peer->state = state;
    peers[fd] = peer;
    want(peer, state == SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return peer;
}

static void accept_from(const struct peer *listener)
{
    static const enum state first[ROLES] = {HEAD, ECHO_BYTES, SINK_BYTES, SOURCE};
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        no_delay(fd);
        struct peer *peer = adopt(fd, listener->role, first[listener->role]);
        if (peer->state == SOURCE)
            peer->train = train_of(64 << 10);
    }
}

int main(int words, char **word)
{
    struct sockaddr_in address = loopback(0);
    if (words != 1 && (words != 3 || inet_pton(AF_INET, word[1], &address.sin_addr) != 1))
        die("backend [ADDRESS PORT]");
    allow_descriptors(1024);
    set = epoll_create1(EPOLL_CLOEXEC);
    printf("ready");
    for (enum role role = WS; role < (words == 1 ? ROLES : WS + 1); role++) {
        address.sin_port = words == 1 ? 0 : htons((uint16_t)atoi(word[2]));
        adopt(listen_on(&address), role, LISTENER);
        printf(" %s=%u", role_names[role], ntohs(address.sin_port));
    }
    if (words == 3)
        snprintf(name, sizeof name, "X-Backend: %s\r\n", word[1]);
    puts("");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct peer *peer = peers[events[i].data.fd];
            if (!peer)
                continue;
            if (peer->state == LISTENER)
                accept_from(peer);
            else if (!serve(peer, events[i].events))
                drop(peer);
        }
    }
}
