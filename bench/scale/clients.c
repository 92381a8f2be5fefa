/* Thousands of WebSocket clients that behave as good clients do: each answers Pings and Closes, sends a Ping of its own and
 * gives up a connection that stays silent after it, and comes back after a random time, later if it was refused.
 *
 *   clients TARGETS PORT SOURCES COUNT RATE SPREAD PING SILENCE
 *
 * TARGETS, SOURCES  addresses, with commas between them; the clients are spread over them
 * RATE              new clients in a second, at the start
 * SPREAD            milliseconds within which a client comes back, at random
 * PING, SILENCE     milliseconds: between two Pings, and for the answer
 *
 * Prints a line for each thing that a client meets, with the seconds of CLOCK_MONOTONIC in front:
 *
 *   TIME dial CLIENT                   it connects
 *   TIME open CLIENT REPLICA BACKEND   as the fields X-Replica and X-Backend of the 101 say
 *   TIME close CLIENT CODE             a Close came; 1005 is one without a code
 *   TIME lost CLIENT                   the connection ended without one
 *   TIME silent CLIENT                 nothing came for PING and SILENCE
 *   TIME refused CLIENT STATUS         another answer than 101; 0 is none
 */
#include "../net.h"
#include "../wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_SIZE = 4096, READ_SIZE = 64 << 10, MAX_ADDRESSES = 64, NAME = 64, EVENTS = 512, MOST_CONTROL = 125 };
enum { STEP = 20, ANSWER = 10000, FIN = 5000, MOST_DOUBLED = 4 }; /* milliseconds: a look at all clients, and two waits */

enum state { WAITING, CONNECTING, UPGRADING, OPEN, CLOSING };

struct client {
    int fd;
    enum state state;
    unsigned tries;  /* since it was open last */
    uint64_t due;    /* milliseconds: when it connects, gives up, or sends its next Ping */
    bool asked;      /* a Ping is under way, and nothing has come since */
    struct frame frame;
    uint8_t control[MOST_CONTROL];
    size_t have;     /* bytes in control */
    char *head;      /* an answer that is not complete */
    size_t head_size;
};

static struct in_addr targets[MAX_ADDRESSES], sources[MAX_ADDRESSES];
static unsigned target_count, source_count, count, spread, ping, silence;
static uint16_t port;
static struct client *clients;
static int set;
static uint8_t buffer[READ_SIZE];

static uint64_t now_ms(void)
{
    return now_ns() / 1000000;
}

static double chance(void)
{
    return (double)random() / ((double)RAND_MAX + 1);
}

static void say(const struct client *client, const char *what, const char *more)
{
    printf("%.6f %s %u%s%s\n", (double)now_ns() / 1e9, what, (unsigned)(client - clients), *more ? " " : "", more);
}

/* ---- life of a connection ---- */

static void come_back(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->head);
    unsigned doubled = client->tries < MOST_DOUBLED ? client->tries : MOST_DOUBLED;
    *client = (struct client){.fd = -1, .state = WAITING, .tries = client->tries};
    client->due = now_ms() + (uint64_t)(chance() * (spread << doubled));
}

static void refused(struct client *client, unsigned status)
{
    char text[16];
    snprintf(text, sizeof text, "%u", status);
    say(client, "refused", text);
    client->tries++;
    come_back(client);
}

static void lost(struct client *client)
{
    if (client->state == OPEN)
        say(client, "lost", "");
    if (client->state == OPEN || client->state == CLOSING)
        come_back(client);
    else
        refused(client, 0);
}

static void dial(struct client *client)
{
    unsigned number = (unsigned)(client - clients);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = sources[number / target_count % source_count]};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr = targets[(number + client->tries) % target_count];
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket: %s", strerror(errno));
    no_delay(client->fd);
    /* the port is chosen when it connects, and so one port serves for several targets */
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(client->fd, (struct sockaddr *)&from, sizeof from) < 0)
        die("cannot use the address %s: %s", inet_ntoa(from.sin_addr), strerror(errno));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    if (epoll_ctl(set, EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    client->state = CONNECTING;
    client->due = now_ms() + ANSWER;
    say(client, "dial", "");
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        refused(client, 0);
}

/* What a client sends is small. A connection that has no room for it is as good as dead. */
static bool give(struct client *client, const void *data, size_t n)
{
    if (send(client->fd, data, n, MSG_NOSIGNAL) == (ssize_t)n)
        return true;
    lost(client);
    return false;
}

static bool give_frame(struct client *client, uint8_t opcode, const uint8_t *payload, size_t n)
{
    uint8_t frame[MAX_HEADER + MOST_CONTROL], key[4];
    for (int i = 0; i < 4; i++)
        key[i] = (uint8_t)random();
    size_t header = frame_header(frame, true, opcode, n, key);
    mask(frame + header, payload, n, key, 0);
    return give(client, frame, header + n);
}

static void ask_upgrade(struct client *client)
{
    uint8_t nonce[16];
    char key[KEY_TEXT], text[256];
    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)random();
    base64(key, nonce, sizeof nonce);
    int length = snprintf(text, sizeof text,
                          "GET /echo HTTP/1.1\r\nHost: scale.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
                          KEY_TEXT, key);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(set, EPOLL_CTL_MOD, client->fd, &event);
    client->state = UPGRADING;
    give(client, text, (size_t)length);
}

/* ---- what comes ---- */

/* A whole control frame. False when the client has no connection any more. */
static bool take_control(struct client *client)
{
    if (client->frame.opcode == OP_PING)
        return give_frame(client, OP_PONG, client->control, client->have);
    if (client->frame.opcode != OP_CLOSE || client->state != OPEN)
        return true;
    char code[16];
    snprintf(code, sizeof code, "%u", client->have < 2 ? 1005 : client->control[0] << 8 | client->control[1]);
    say(client, "close", code);
    client->state = CLOSING;
    client->due = now_ms() + FIN; /* RFC 6455 §7.1.1: the server ends the connection */
    return give_frame(client, OP_CLOSE, client->control, client->have < 2 ? 0 : 2);
}

static bool take(struct client *client, const uint8_t *p, const uint8_t *end)
{
    struct frame *frame = &client->frame;
    while (p < end) {
        if (!frame->open) {
            if (!frame_begin(frame, &p, end))
                return true;
            client->have = 0;
        }
        size_t n = (size_t)(end - p) < frame->left ? (size_t)(end - p) : (size_t)frame->left;
        if (frame->opcode & 8 && client->have + n <= MOST_CONTROL) {
            memcpy(client->control + client->have, p, n);
            client->have += n;
        }
        frame->left -= n;
        p += n;
        if (frame->left == 0) {
            frame->open = false;
            if (!take_control(client))
                return false;
        }
    }
    return true;
}

static void field(char out[NAME], const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    size_t n = found ? strcspn(found += strlen(name), "\r") : 0;
    snprintf(out, NAME, "%.*s", n && n < NAME ? (int)n : 1, n && n < NAME ? found : "-");
}

static void take_head(struct client *client, const uint8_t *data, size_t n)
{
    client->head = realloc(client->head, client->head_size + n + 1);
    if (!client->head)
        die("out of memory");
    memcpy(client->head + client->head_size, data, n);
    client->head_size += n;
    client->head[client->head_size] = 0;
    char *end = strstr(client->head, "\r\n\r\n");
    unsigned status = 0;
    if (!end && client->head_size < HEAD_SIZE)
        return;
    if (!end || sscanf(client->head, "HTTP/1.1 %u", &status) != 1 || status != 101) {
        refused(client, status);
        return;
    }
    char replica[NAME], backend[NAME], text[2 * NAME];
    end[2] = 0;
    field(replica, client->head, "\r\nx-replica: ");
    field(backend, client->head, "\r\nx-backend: ");
    snprintf(text, sizeof text, "%s %s", replica, backend);
    char *head = client->head;
    const uint8_t *rest = (const uint8_t *)end + 4, *last = (const uint8_t *)head + client->head_size;
    client->head = NULL;
    client->head_size = 0;
    client->state = OPEN;
    client->tries = 0;
    client->due = now_ms() + (uint64_t)(chance() * ping);
    say(client, "open", text);
    take(client, rest, last);
    free(head);
}

static void serve(struct client *client, uint32_t events)
{
    if (client->state == CONNECTING) {
        if (events & (EPOLLERR | EPOLLHUP))
            lost(client);
        else
            ask_upgrade(client);
        return;
    }
    ssize_t n = recv(client->fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        lost(client);
        return;
    }
    if (client->asked) {
        client->asked = false;
        client->due = now_ms() + ping;
    }
    if (client->state == UPGRADING)
        take_head(client, buffer, (size_t)n);
    else
        take(client, buffer, buffer + n);
}

/* ---- time ---- */

static void look(struct client *client, uint64_t now)
{
    if (now < client->due)
        return;
    switch (client->state) {
    case WAITING:
        dial(client);
        break;
    case CONNECTING:
    case UPGRADING:
        refused(client, 0);
        break;
    case OPEN:
        if (client->asked) {
            say(client, "silent", "");
            come_back(client);
        } else if (give_frame(client, OP_PING, NULL, 0)) {
            client->asked = true;
            client->due = now + silence;
        }
        break;
    case CLOSING:
        come_back(client);
    }
}

static unsigned addresses(struct in_addr *out, char *text)
{
    unsigned n = 0;
    for (char *each = strtok(text, ","); each; each = strtok(NULL, ",")) {
        if (n == MAX_ADDRESSES || inet_pton(AF_INET, each, &out[n++]) != 1)
            die("%s is no address, or one too many", each);
    }
    return n;
}

int main(int words, char **word)
{
    if (words != 9)
        die("clients TARGETS PORT SOURCES COUNT RATE SPREAD PING SILENCE");
    target_count = addresses(targets, word[1]);
    port = (uint16_t)atoi(word[2]);
    source_count = addresses(sources, word[3]);
    count = (unsigned)atoi(word[4]);
    double rate = atof(word[5]);
    spread = (unsigned)atoi(word[6]);
    ping = (unsigned)atoi(word[7]);
    silence = (unsigned)atoi(word[8]);
    if (!target_count || !source_count || !count || rate <= 0 || !ping)
        die("addresses, COUNT, RATE and PING must not be empty or 0");
    allow_descriptors(count + 16);
    srandom((unsigned)now_ns());
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    set = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc(count, sizeof *clients);
    if (!clients)
        die("out of memory");
    uint64_t began = now_ms(), looked = 0;
    for (unsigned i = 0; i < count; i++)
        clients[i] = (struct client){.fd = -1, .state = WAITING, .due = began + (uint64_t)(i * 1000.0 / rate)};
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(set, events, EVENTS, STEP);
        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;
            if (client->fd >= 0)
                serve(client, events[i].events);
        }
        uint64_t now = now_ms();
        if (now - looked >= STEP) {
            looked = now;
            for (unsigned i = 0; i < count; i++)
                look(&clients[i], now);
        }
        fflush(stdout);
    }
}
