#include "train.h"
#include "http.h"
#include "net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Mostly ASCII with letters of two, three and four bytes, as a chat's JSON is: neither the shortcut for pure ASCII nor
 * the worst case. Every prefix that is cut at a whole character is UTF-8. */
static const char text[] = "{\"from\":\"Zo\u00eb\",\"to\":\"#caf\u00e9\",\"text\":\"See you at the caf\u00e9 at 7 \u2014 "
                           "\u6771\u4eac or K\u00f6ln, your choice \U0001f600\",\"id\":20481} ";

static void fill(const struct options *options, uint8_t *plain)
{
    size_t size = options->size, n = 0;
    if (options->payload) {
        memcpy(plain, options->payload, size);
        return;
    }
    if (!options->text) {
        for (; n < size; n += 256)
            if (getrandom(plain + n, size - n < 256 ? size - n : 256, 0) < 0)
                die("getrandom");
        return;
    }
    while (n < size) {
        const char *p = text + n % (sizeof text - 1);
        size_t letter = 1;
        while ((p[letter] & 0xc0) == 0x80)
            letter++;
        if (n + letter > size)
            letter = size - n, p = "   ";
        memcpy(plain + n, p, letter);
        n += letter;
    }
}

struct train train_make(const struct options *options, size_t least)
{
    struct train train = {.size = options->size};
    size_t most = options->size + MAX_HEADER, frames = options->in_flight;
    uint8_t random[16];
    if (frames * most > 1 << 20)
        frames = (1 << 20) / most;
    while (frames * most < least || frames < 2)
        frames++;
    train.plain = malloc(options->size);
    train.bytes = malloc(2 * frames * most);
    if (!train.plain || !train.bytes)
        die("out of memory");
    fill(options, train.plain);
    for (size_t i = 0; i < frames; i++) {
        uint8_t *p = train.bytes + train.length, key[4];
        if (getrandom(key, sizeof key, 0) < 0)
            die("getrandom");
        if (options->raw) {
            memcpy(p, train.plain, train.size);
            p += train.size;
        } else {
            uint8_t opcode = (options->text ? OP_TEXT : OP_BINARY) | (options->offer ? RSV1 : 0);
            p += frame_header(p, true, opcode, train.size, key);
            mask(p, train.plain, train.size, key, 0);
            p += train.size;
        }
        train.frame = (size_t)(p - train.bytes) - train.length;
        train.length += train.frame;
    }
    memcpy(train.bytes + train.length, train.bytes, train.length);
    if (getrandom(random, sizeof random, 0) < 0)
        die("getrandom");
    base64(train.key, random, sizeof random);
    accept_key(train.accept, train.key);
    train.accept[ACCEPT_TEXT] = 0;
    return train;
}

struct train train_of_requests(const struct options *options)
{
    char request[512];
    struct train train = {.size = options->size, .frame = http_request(request, sizeof request, options->size)};
    train.length = train.frame;
    if (!(train.bytes = malloc(2 * train.length)))
        die("out of memory");
    memcpy(train.bytes, request, train.length);
    memcpy(train.bytes + train.length, request, train.length);
    return train;
}
