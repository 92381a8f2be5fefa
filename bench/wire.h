/* What the two ends of a benchmark need of RFC 6455: the accept key, frame headers, masking. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

enum { RSV1 = 0x40 }; /* a compressed message: added to its opcode */

enum { MAX_HEADER = 14, KEY_TEXT = 24, ACCEPT_TEXT = 28 };

/* A frame that is being read. begin() fills it; then left counts down as the payload goes by. */
struct frame {
    uint64_t left;    /* bytes of payload still to come */
    bool open;        /* the header is complete and the frame has not ended */
    bool fin;
    bool masked;
    uint8_t opcode;
    uint8_t rsv1;     /* RSV1 or 0 */
    uint8_t key[4];
    uint8_t phase;    /* which byte of the key is next */
    uint8_t have;     /* bytes of an unfinished header, kept in head */
    uint8_t head[MAX_HEADER];
};

/* Take header bytes from *p; true when the header is complete, false when *p has reached end before that. */
bool frame_begin(struct frame *frame, const uint8_t **p, const uint8_t *end);

/* Write a header; key is NULL for an unmasked frame. Returns its length. */
size_t frame_header(uint8_t *out, bool fin, uint8_t opcode, uint64_t length, const uint8_t *key);

/* XOR n bytes of src into dst; phase is the index of the first key byte. dst may lie at or before src in one buffer. */
void mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase);

/* RFC 6455 §4.2.2: base64(SHA-1(key text + GUID)), without a terminating zero. */
void accept_key(char out[ACCEPT_TEXT], const char key[KEY_TEXT]);

void base64(char *out, const uint8_t *data, size_t n);

#endif
