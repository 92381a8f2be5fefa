#include "incoming.h"
#include "net.h"

#include <string.h>

/* Payload has come in. Returns how many messages it completes where only bytes count. */
static unsigned payload(struct client *client, const struct options *o, const struct train *train, const uint8_t *p,
                        size_t n)
{
    unsigned done = 0;
    while (n) {
        size_t part = train->size - client->got < n ? train->size - client->got : n;
        /* every small message is compared, and the first ones of each size */
        if (o->mode != SOURCE && (train->size <= 4096 || counts.messages < 1000) &&
            memcmp(p, train->plain + client->got, part) != 0)
            die("an echo is not what was sent");
        client->got += part;
        p += part;
        n -= part;
        if (client->got == train->size) {
            if (!o->tunnel && !o->raw && n)
                die("a message has grown");
            if (o->tunnel || o->raw) {
                client->got = 0;
                done++;
            }
        }
    }
    return done;
}

static unsigned frames(struct client *client, const struct options *o, const struct train *train, const uint8_t *p,
                       const uint8_t *end)
{
    struct frame *frame = &client->frame;
    unsigned done = 0;
    while (p < end) {
        if (!frame->open) {
            if (!frame_begin(frame, &p, end))
                break;
            if (frame->masked)
                die("a masked frame from a server");
        }
        size_t n = (size_t)(end - p) < frame->left ? (size_t)(end - p) : (size_t)frame->left;
        bool data = frame->opcode <= OP_BINARY; /* Pings stay unanswered: no run lasts as long as a heartbeat */
        if (data && !o->offer) /* what the other side has compressed has a size of its own */
            done += payload(client, o, train, p, n);
        frame->left -= n;
        p += n;
        if (frame->left)
            break;
        frame->open = false;
        if (frame->opcode == OP_CLOSE) {
            client->answered = true;
            if (client->state != ENDING)
                die("a session was closed by the other side");
        }
        if (data && frame->fin && !o->tunnel) {
            if (!o->offer && client->got != train->size)
                die("a message has shrunk");
            client->got = 0;
            done++;
        }
    }
    return done;
}

unsigned incoming(struct client *client, const struct options *o, const struct train *train, const uint8_t *p, size_t n)
{
    return o->raw ? payload(client, o, train, p, n) : frames(client, o, train, p, p + n);
}
