#include "wire.h"

#include <string.h>

static unsigned header_length(const uint8_t *head)
{
    unsigned length = head[1] & 127, n = 2;
    if (length == 126)
        n += 2;
    else if (length == 127)
        n += 8;
    return head[1] & 128 ? n + 4 : n;
}

static void decode(struct frame *frame, const uint8_t *head)
{
    unsigned length = head[1] & 127;
    const uint8_t *p = head + 2;
    frame->fin = head[0] & 128;
    frame->opcode = head[0] & 15;
    frame->rsv1 = head[0] & RSV1;
    frame->masked = head[1] & 128;
    frame->left = length;
    if (length >= 126) {
        unsigned bytes = length == 126 ? 2 : 8;
        frame->left = 0;
        while (bytes--)
            frame->left = frame->left << 8 | *p++;
    }
    if (frame->masked)
        memcpy(frame->key, p, 4);
    frame->phase = 0;
    frame->have = 0;
    frame->open = true;
}

bool frame_begin(struct frame *frame, const uint8_t **p, const uint8_t *end)
{
    if (frame->have == 0 && end - *p >= MAX_HEADER) {
        const uint8_t *head = *p;
        *p += header_length(head);
        decode(frame, head);
        return true;
    }
    while (*p < end) {
        frame->head[frame->have++] = *(*p)++;
        if (frame->have >= 2 && frame->have == header_length(frame->head)) {
            decode(frame, frame->head);
            return true;
        }
    }
    return false;
}

size_t frame_header(uint8_t *out, bool fin, uint8_t opcode, uint64_t length, const uint8_t *key)
{
    uint8_t *p = out;
    uint8_t bit = key ? 128 : 0;
    *p++ = (uint8_t)((fin ? 128 : 0) | opcode);
    if (length < 126) {
        *p++ = (uint8_t)(bit | length);
    } else {
        int bytes = length < 65536 ? 2 : 8;
        *p++ = (uint8_t)(bit | (bytes == 2 ? 126 : 127));
        while (bytes--)
            *p++ = (uint8_t)(length >> (8 * bytes));
    }
    if (key) {
        memcpy(p, key, 4);
        p += 4;
    }
    return (size_t)(p - out);
}

void mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase)
{
    typedef uint8_t block __attribute__((vector_size(16)));
    uint8_t turned[16];
    for (unsigned i = 0; i < 16; i++)
        turned[i] = key[(phase + i) & 3];
    block wide;
    memcpy(&wide, turned, sizeof wide);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        block b; /* loaded whole before it is stored: dst may overlap src from below */
        memcpy(&b, src + i, sizeof b);
        b ^= wide;
        memcpy(dst + i, &b, sizeof b);
    }
    for (; i < n; i++)
        dst[i] = src[i] ^ turned[i & 3];
}

void base64(char *out, const uint8_t *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;
        if (i + 1 < n)
            group |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < n)
            group |= data[i + 2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = i + 1 < n ? digits[group >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[group & 63] : '=';
    }
}

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* FIPS 180-4 §6.1.2, one block. */
static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
               block[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20)
            f = (b & c) ^ (~b & d), k = 0x5a827999;
        else if (t < 40)
            f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (t < 60)
            f = (b & c) ^ (b & d) ^ (c & d), k = 0x8f1bbcdc;
        else
            f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + k + w[t];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void accept_key(char out[ACCEPT_TEXT], const char key[KEY_TEXT])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    enum { TEXT = KEY_TEXT + sizeof guid - 1 }; /* 60 bytes: with its padding two blocks */
    uint8_t text[128] = {0}, digest[20];
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(text, key, KEY_TEXT);
    memcpy(text + KEY_TEXT, guid, sizeof guid - 1);
    text[TEXT] = 0x80;
    text[126] = TEXT * 8 >> 8;
    text[127] = TEXT * 8 & 255;
    sha1_block(state, text);
    sha1_block(state, text + 64);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    base64(out, digest, sizeof digest);
}
