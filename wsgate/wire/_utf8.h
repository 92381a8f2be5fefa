/* Validation of UTF-8 (RFC 3629 §4) in pieces of any size, masked or not. Invalid text is found at its first wrong byte.

   There are two methods. The portable one is an automaton whose states are shift counts: the row of a byte holds the
   next state at the six bits that the present state points to. So a byte costs one load, one shift and no branch. ASCII
   is skipped 32 bytes at a time.

   The other one is for processors with AVX2, and ten times as fast for text that is not ASCII. It handles 32 bytes at a
   time: three look-ups classify each pair of bytes by the errors that it may have (Keiser and Lemire, "Validating UTF-8
   in less than one instruction per byte", 2021). */

#ifndef WSGATE_UTF8_H
#define WSGATE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* No state leads out of WRONG. */
enum {
    WRONG = 0,
    WHOLE = 6,   /* between two characters */
    TAIL1 = 12,  /* so many continuation bytes are missing */
    TAIL2 = 18,
    TAIL3 = 24,
    /* two or three are missing, and the range of the next one is restricted */
    AFTER_E0 = 30,  /* no overlong form */
    AFTER_ED = 36,  /* no surrogate */
    AFTER_F0 = 42,  /* no overlong form */
    AFTER_F4 = 48,  /* nothing over U+10FFFF */
};

#define TO(state, next) ((uint64_t)(next) << (state))
#define TAILS (TO(TAIL1, WHOLE) | TO(TAIL2, TAIL1) | TO(TAIL3, TAIL2))
#define X4(row) (row), (row), (row), (row)
#define X16(row) X4(row), X4(row), X4(row), X4(row)

static const uint64_t UTF8_ROWS[256] = {
    /* 00 */ X16(TO(WHOLE, WHOLE)),
    /* 10 */ X16(TO(WHOLE, WHOLE)),
    /* 20 */ X16(TO(WHOLE, WHOLE)),
    /* 30 */ X16(TO(WHOLE, WHOLE)),
    /* 40 */ X16(TO(WHOLE, WHOLE)),
    /* 50 */ X16(TO(WHOLE, WHOLE)),
    /* 60 */ X16(TO(WHOLE, WHOLE)),
    /* 70 */ X16(TO(WHOLE, WHOLE)),
    /* 80 */ X16(TAILS | TO(AFTER_ED, TAIL1) | TO(AFTER_F4, TAIL2)),
    /* 90 */ X16(TAILS | TO(AFTER_ED, TAIL1) | TO(AFTER_F0, TAIL2)),
    /* A0 */ X16(TAILS | TO(AFTER_E0, TAIL1) | TO(AFTER_F0, TAIL2)),
    /* B0 */ X16(TAILS | TO(AFTER_E0, TAIL1) | TO(AFTER_F0, TAIL2)),
    /* C0 */ WRONG, WRONG, TO(WHOLE, TAIL1), TO(WHOLE, TAIL1),
    /* C4 */ X4(TO(WHOLE, TAIL1)), X4(TO(WHOLE, TAIL1)), X4(TO(WHOLE, TAIL1)),
    /* D0 */ X16(TO(WHOLE, TAIL1)),
    /* E0 */ TO(WHOLE, AFTER_E0), TO(WHOLE, TAIL2), TO(WHOLE, TAIL2), TO(WHOLE, TAIL2),
    /* E4 */ X4(TO(WHOLE, TAIL2)), X4(TO(WHOLE, TAIL2)),
    /* EC */ TO(WHOLE, TAIL2), TO(WHOLE, AFTER_ED), TO(WHOLE, TAIL2), TO(WHOLE, TAIL2),
    /* F0 */ TO(WHOLE, AFTER_F0), TO(WHOLE, TAIL3), TO(WHOLE, TAIL3), TO(WHOLE, TAIL3),
    /* F4 */ TO(WHOLE, AFTER_F4), WRONG, WRONG, WRONG,
    /* F8 */ X4(WRONG), X4(WRONG),
};

#define STEP(state, byte) (UTF8_ROWS[byte] >> ((state) & 63))

static uint64_t
utf8_bytes(uint64_t state, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        state = STEP(state, bytes[i]);
    }
    return state & 63;
}

#if defined(__GNUC__) && defined(__x86_64__) && !defined(WSGATE_NO_AVX2)
#define WSGATE_AVX2
#include <immintrin.h>

/* The errors that a pair of bytes can have. A pair has one if all three look-ups allow it: by the high half of the first
   byte, by its low half, and by the high half of the second byte. */
enum {
    TOO_SHORT = 1 << 0,    /* a lead without a continuation behind it */
    TOO_LONG = 1 << 1,     /* ASCII with a continuation behind it */
    OVERLONG_3 = 1 << 2,   /* E0, then under A0 */
    TOO_LARGE = 1 << 3,    /* F4 or more, then over 8F */
    SURROGATE = 1 << 4,    /* ED, then over 9F */
    OVERLONG_2 = 1 << 5,   /* C0 or C1 */
    TOO_LARGE_8 = 1 << 6,  /* F5 or more, then under 90 */
    OVERLONG_4 = 1 << 6,   /* F0, then under 90 */
    TWO_TAILS = 1 << 7,    /* two continuations: right only behind a lead of three or four */
    BY_HIGH = TOO_SHORT | TOO_LONG | TWO_TAILS, /* independent of the first byte's low half */
};

#define X2(of) of, of
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define FIRST_HIGH \
    TABLE(X2(TOO_LONG), X2(TOO_LONG), X2(TOO_LONG), X2(TOO_LONG), X2((char)TWO_TAILS), X2((char)TWO_TAILS), \
          TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, \
          TOO_SHORT | TOO_LARGE | TOO_LARGE_8 | OVERLONG_4)
#define LARGE ((char)(BY_HIGH | TOO_LARGE | TOO_LARGE_8))
#define FIRST_LOW \
    TABLE((char)(BY_HIGH | OVERLONG_2 | OVERLONG_3 | OVERLONG_4), (char)(BY_HIGH | OVERLONG_2), X2((char)BY_HIGH), \
          (char)(BY_HIGH | TOO_LARGE), LARGE, X2(LARGE), X2(LARGE), X2(LARGE), LARGE, (char)(LARGE | SURROGATE), \
          X2(LARGE))
#define TAIL ((char)(TOO_LONG | OVERLONG_2 | TWO_TAILS))
#define SECOND_HIGH \
    TABLE(X2(TOO_SHORT), X2(TOO_SHORT), X2(TOO_SHORT), X2(TOO_SHORT), (char)(TAIL | OVERLONG_3 | TOO_LARGE_8 | OVERLONG_4), \
          (char)(TAIL | OVERLONG_3 | TOO_LARGE), X2((char)(TAIL | SURROGATE | TOO_LARGE)), X2(TOO_SHORT), X2(TOO_SHORT))

/* The bytes of ``block``, each moved up by ``by``; ``before`` is the block in front of it. */
#define SHIFTED(block, before, by) \
    _mm256_alignr_epi8(block, _mm256_permute2x128_si256(before, block, 0x21), 16 - (by))

/* Returns the state after all whole blocks of 32 bytes. Sets ``*size`` to the number of bytes that are left. */
__attribute__((target("avx2"))) static uint64_t
utf8_avx2(uint64_t state, const uint8_t *from, size_t *size, uint64_t key)
{
    /* For each state a lead that leads to it, as if the text had been split right behind that lead. */
    static const uint8_t leads[] = {
        [WHOLE / 6] = 0,         [TAIL1 / 6] = 0xC2,    [TAIL2 / 6] = 0xE1,    [TAIL3 / 6] = 0xF1,
        [AFTER_E0 / 6] = 0xE0,   [AFTER_ED / 6] = 0xED, [AFTER_F0 / 6] = 0xF0, [AFTER_F4 / 6] = 0xF4,
    };
    const __m256i keys = _mm256_set1_epi64x((long long)key);
    const __m256i low = _mm256_set1_epi8(0x0F);
    const __m256i top = _mm256_set1_epi8((char)0x80);
    __m256i wrong = _mm256_setzero_si256();
    uint8_t last[32] = {[31] = leads[state / 6]};
    __m256i before = _mm256_loadu_si256((const __m256i *)last);
    bool inside = state != WHOLE; /* a character may extend into this block */
    for (; *size >= sizeof last; *size -= sizeof last, from += sizeof last) {
        const __m256i block = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)from), keys);
        const bool ascii = !_mm256_movemask_epi8(block);
        if (inside || !ascii) {
            const __m256i first = SHIFTED(block, before, 1);
            const __m256i pair = _mm256_and_si256(
                _mm256_and_si256(
                    _mm256_shuffle_epi8(FIRST_HIGH, _mm256_and_si256(_mm256_srli_epi16(first, 4), low)),
                    _mm256_shuffle_epi8(FIRST_LOW, _mm256_and_si256(first, low))),
                _mm256_shuffle_epi8(SECOND_HIGH, _mm256_and_si256(_mm256_srli_epi16(block, 4), low)));
            /* two bytes behind a lead of E0 or more, and three behind one of F0 or more, TWO_TAILS must be set */
            const __m256i third = _mm256_or_si256(
                _mm256_subs_epu8(SHIFTED(block, before, 2), _mm256_set1_epi8(0xE0 - 0x80)),
                _mm256_subs_epu8(SHIFTED(block, before, 3), _mm256_set1_epi8(0xF0 - 0x80)));
            wrong = _mm256_or_si256(wrong, _mm256_xor_si256(pair, _mm256_and_si256(third, top)));
        }
        inside = !ascii;
        before = block;
    }
    if (!_mm256_testz_si256(wrong, wrong)) {
        return WRONG;
    }
    /* The last character, if it is incomplete, begins in the last three bytes */
    _mm256_storeu_si256((__m256i *)last, before);
    const int begun = last[31] >= 0xC0 ? 31 : last[30] >= 0xE0 ? 30 : last[29] >= 0xF0 ? 29 : 32;
    return utf8_bytes(WHOLE, last + begun, (size_t)(32 - begun));
}
#endif

/* Whether this processor has what the faster method needs: asked here, not when it was compiled. */
static bool
utf8_has_vectors(void)
{
#ifdef WSGATE_AVX2
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

/* Returns the state after ``size`` bytes of text that are masked with the eight bytes of ``key``; ``key`` is 0 for text
   that is not masked. */
static uint8_t
utf8_feed(uint8_t before, const uint8_t *from, size_t size, uint64_t key)
{
    const uint64_t not_ascii = 0x8080808080808080;
    uint64_t state = before;
    uint64_t block[4];
#ifdef WSGATE_AVX2
    if (size >= 32 && utf8_has_vectors()) {
        const uint8_t *end = from + size;
        state = utf8_avx2(state, from, &size, key);
        if (state == WRONG) {
            return WRONG;
        }
        from = end - size;
    }
#endif
    for (; size >= sizeof block; size -= sizeof block, from += sizeof block) {
        memcpy(block, from, sizeof block);
        for (int i = 0; i < 4; i++) {
            block[i] ^= key;
        }
        if (state != WHOLE || (block[0] | block[1] | block[2] | block[3]) & not_ascii) {
            state = utf8_bytes(state, (const uint8_t *)block, sizeof block);
            if (state == WRONG) {
                return WRONG;
            }
        }
    }
    for (; size >= sizeof key; size -= sizeof key, from += sizeof key) {
        memcpy(block, from, sizeof key);
        block[0] ^= key;
        if (state != WHOLE || block[0] & not_ascii) {
            state = utf8_bytes(state, (const uint8_t *)block, sizeof key);
        }
    }
    if (size) {
        memcpy(block, from, size);
        block[0] ^= key;
        state = utf8_bytes(state, (const uint8_t *)block, size);
    }
    return (uint8_t)state;
}

#endif
