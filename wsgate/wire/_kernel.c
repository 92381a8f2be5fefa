/* The frame walk of wsgate/wire/walk.py in C, with the counts of wsgate/wire/counts.py. What a head needs is in _fields.h.

   walk.py explains what a walk is. This file has the same rules in the same order; change both together. tests/wire/
   runs every test on both, and test_kernel.py compares the two.

   Only the reading of payloads differs. Nothing is copied: text is validated as payload XOR key (_utf8.h), and an
   unwrapping walk unmasks and moves in one pass. The masking key is a 64-bit word, its four bytes twice, rotated so
   that it begins with the byte for the next byte of payload. Words are read and written by memcpy, so neither alignment
   nor byte order matters.

   The upper half of the file is plain C. It trusts ``start`` and ``end``, which frame_walk_walk has checked against the
   buffer, and nothing else: no byte of the peer, and not that the caller stops after a fault. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "_kernel.h"
#include "_utf8.h"
#include "_fields.h"

enum halt { DONE, INCOMPLETE, CONTROL, FAULT };

/* The rules of rules.py by name: this file finds the broken rule, rules.py has its code and text. */
#define RULES(X) \
    X(RESERVED_BITS) \
    X(RESERVED_BITS_OF_CONTROL) \
    X(RESERVED_OPCODE) \
    X(FRAGMENTED_CONTROL) \
    X(LONG_CONTROL) \
    X(INSIDE_MESSAGE) \
    X(OUTSIDE_MESSAGE) \
    X(NOT_MASKED) \
    X(MASKED) \
    X(HUGE_LENGTH) \
    X(LENGTH_FORM) \
    X(TEXT_REFUSED) \
    X(LARGE_MESSAGE) \
    X(LARGE_FRAME) \
    X(MANY_FRAGMENTS) \
    X(NOT_UTF8) \
    X(ENDS_INSIDE)

#define MEMBER(name) name,
#define NAME(name) #name,
enum rule { RULES(MEMBER) NUMBER_OF_RULES };

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PONG = 10 };
enum { FIN = 0x80, RSV1 = 0x40, RESERVED = 0x70, MASK = 0x80, MAX_CONTROL = 125 };

/* As in counts.py: words for the opcodes; bounds of the sizes of messages, and the words for them */
enum { OPCODES = 6, SMALLEST = 64, BOUNDS = 10, SUM = BOUNDS + 1, SIZE_WORDS = BOUNDS + 2 };

#define NO_LIMIT ((uint64_t)1 << 63)

typedef struct {
    PyObject_HEAD
    uint64_t *frames;
    uint64_t *sizes;
    Py_buffer views[2]; /* keep the memory of both */
} FrameCounts;

typedef struct {
    PyObject_HEAD
    /* for the caller, as in walk.py */
    PyObject *halt;
    PyObject *fault;
    PyObject *payload;
    Py_ssize_t resume;
    Py_ssize_t out;
    unsigned long long messages;
    unsigned long long largest;
    unsigned long long left;
    /* the options */
    FrameCounts *counts; /* NULL for none */
    uint64_t limit;
    uint64_t frame_limit;
    uint64_t fragment_limit;
    uint8_t mask_bit;
    uint8_t min_header;
    bool validate_text;
    bool unwrap;
    bool compression : 1; /* these two share a byte: one byte more would be eight, for each walk */
    bool text_refused : 1;
    uint8_t opcode; /* for the caller, too */
    /* the current message and frame */
    bool fin;
    bool compressed;
    bool inspects;
    uint8_t message;
    uint8_t phase;
    uint8_t key[4];
    uint8_t utf8;
    uint64_t size;
    uint64_t fragments;
} FrameWalk;

/* Why a walk stopped. ``opcode`` is of the frame at which it stopped; ``at`` and ``resume`` are the start and the end
   of a control frame's payload. */
typedef struct {
    enum halt halt;
    enum rule rule;
    uint8_t opcode;
    Py_ssize_t at;
    Py_ssize_t resume;
} Stop;

/* -- Masking (RFC 6455 §5.3) ---------------------------------------------------------------------------------------- */

enum { BLOCK = 4 }; /* words */

static uint64_t
key_word(const uint8_t key[4], unsigned phase)
{
    uint8_t bytes[8];
    uint64_t word;
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = key[(phase + i) & 3];
    }
    memcpy(&word, bytes, sizeof word);
    return word;
}

#if defined(__x86_64__) && defined(__GNUC__)
#define WSGATE_AVX512
typedef uint64_t Wide __attribute__((vector_size(64)));

/* As unmask, for whole blocks of 64 bytes. Returns how many bytes those were. */
__attribute__((target("avx512f"))) static size_t
unmask_wide(uint8_t *to, const uint8_t *from, size_t size, uint64_t key)
{
    size_t at = 0;
    for (Wide block; size - at >= sizeof block; at += sizeof block) {
        memcpy(&block, from + at, sizeof block);
        block ^= key;
        memcpy(to + at, &block, sizeof block);
    }
    return at;
}
#endif

/* ``to`` may be equal to ``from``, or below it and overlap it: each block is read whole before it is written. */
static void
unmask(uint8_t *to, const uint8_t *from, size_t size, uint64_t key)
{
#ifdef WSGATE_AVX512
    if (size >= sizeof(Wide) && __builtin_cpu_supports("avx512f")) {
        const size_t done = unmask_wide(to, from, size, key);
        to += done, from += done, size -= done;
    }
#endif
    uint64_t block[BLOCK];
    uint8_t bytes[sizeof key];
    for (; size >= sizeof block; size -= sizeof block, to += sizeof block, from += sizeof block) {
        memcpy(block, from, sizeof block);
        for (int i = 0; i < BLOCK; i++) {
            block[i] ^= key;
        }
        memcpy(to, block, sizeof block);
    }
    for (; size >= sizeof key; size -= sizeof key, to += sizeof key, from += sizeof key) {
        memcpy(block, from, sizeof key);
        block[0] ^= key;
        memcpy(to, block, sizeof key);
    }
    memcpy(bytes, &key, sizeof key);
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i] ^ bytes[i];
    }
}

/* -- The walk ------------------------------------------------------------------------------------------------------- */

static Py_ssize_t
fail(Stop *why, Py_ssize_t stop, enum rule rule)
{
    why->halt = FAULT;
    why->rule = rule;
    return stop;
}

static Py_ssize_t
incomplete(Stop *why, Py_ssize_t stop)
{
    why->halt = INCOMPLETE;
    return stop;
}

static enum rule
mask_rule(const FrameWalk *self)
{
    return self->mask_bit ? NOT_MASKED : MASKED; /* §5.1 */
}

/* Validates a piece of payload if it is text; unmasks it and moves it down if this walk unwraps. Returns false if there
   is a fault. */
static bool
inspect(FrameWalk *self, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Stop *why)
{
    const size_t size = (size_t)(end - start);
    uint64_t key = 0;
    if (self->mask_bit) {
        key = key_word(self->key, self->phase);
        self->phase = (uint8_t)((self->phase + size) & 3);
    }
    if (self->message == TEXT && self->validate_text && !self->compressed) {
        self->utf8 = utf8_feed(self->utf8, data + start, size, key);
        if (self->utf8 == WRONG) {
            fail(why, 0, NOT_UTF8);
            return false;
        }
    }
    if (self->unwrap) {
        /* out <= start: walk_once checked it, and each piece moves ``out`` by no more than the position */
        if (self->mask_bit) {
            unmask(data + self->out, data + start, size, key);
        } else {
            memmove(data + self->out, data + start, size);
        }
        self->out += (Py_ssize_t)size;
    }
    return true;
}

static void
count_frame(const FrameWalk *self, uint8_t opcode)
{
    if (self->counts != NULL) {
        self->counts->frames[opcode < CLOSE ? opcode : opcode - 5]++;
    }
}

static void
count_message(const FrameWalk *self)
{
    if (self->counts != NULL) {
        uint64_t *sizes = self->counts->sizes;
        int place = 0;
        for (uint64_t bound = SMALLEST; place < BOUNDS && self->size > bound; bound *= 4) {
            place++;
        }
        sizes[place]++;
        sizes[SUM] += self->size;
    }
}

/* Ends the current message. Returns false if its text stops inside a character. */
static bool
finish(FrameWalk *self, Stop *why)
{
    if (self->message == TEXT && self->utf8 != WHOLE) {
        fail(why, 0, ENDS_INSIDE);
        return false;
    }
    self->message = 0;
    self->messages++;
    if (self->size > self->largest) {
        self->largest = self->size;
    }
    count_message(self);
    return true;
}

/* Handles a frame whose opcode is over 2: control (§5.5) or reserved (§5.2). Always sets ``why``. */
static Py_ssize_t
control(const FrameWalk *self, const uint8_t *data, Py_ssize_t position, Py_ssize_t end, Stop *why)
{
    const uint8_t first = data[position];
    const uint8_t opcode = first & 0x0F;
    why->opcode = opcode;
    if (first & RESERVED) {
        return fail(why, position, RESERVED_BITS_OF_CONTROL);
    }
    if (opcode < CLOSE || opcode > PONG) {
        return fail(why, position, RESERVED_OPCODE);
    }
    if (first < FIN) {
        return fail(why, position, FRAGMENTED_CONTROL);
    }
    if (end - position < 2) {
        return incomplete(why, position);
    }
    const uint8_t length = data[position + 1] ^ self->mask_bit;
    if (length > 127) {
        return fail(why, position, mask_rule(self));
    }
    if (length > MAX_CONTROL) {
        return fail(why, position, LONG_CONTROL);
    }
    const Py_ssize_t at = position + self->min_header;
    if (at + length > end) {
        return incomplete(why, position);
    }
    count_frame(self, opcode);
    why->halt = CONTROL;
    why->at = at;
    why->resume = at + length;
    return position;
}

static uint64_t
big_endian(const uint8_t *bytes, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static Py_ssize_t
walk_frames(FrameWalk *self, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Stop *why)
{
    Py_ssize_t position = start;
    if (self->left) {
        const uint64_t here = (uint64_t)(end - start);
        if (self->left > here) {
            if (self->inspects && !inspect(self, data, start, end, why)) {
                return start;
            }
            self->left -= here;
            return end;
        }
        position = start + (Py_ssize_t)self->left;
        if (self->inspects && !inspect(self, data, start, position, why)) {
            return start;
        }
        if (self->fin && !finish(self, why)) {
            return start; /* ``left`` stays: the other side has got only a part of this frame */
        }
        self->left = 0;
    }
    while (position < end) {
        Py_ssize_t at = position + self->min_header;
        const uint8_t first = data[position];
        const uint8_t opcode = first & 0x0F;
        if (opcode > BINARY) {
            return control(self, data, position, end, why);
        }
        /* Only RSV1 may be set, on the first frame of a message, after compression was agreed on (RFC 7692 §6.1) */
        if (first & RESERVED && !((first & RESERVED) == RSV1 && self->compression && opcode != CONTINUATION)) {
            return fail(why, position, RESERVED_BITS);
        }
        if (opcode != CONTINUATION) {
            if (self->message) {
                return fail(why, position, INSIDE_MESSAGE); /* §5.4 */
            }
        } else if (!self->message) {
            return fail(why, position, OUTSIDE_MESSAGE); /* §5.4 */
        }
        if (end - position < 2) {
            return incomplete(why, position);
        }
        uint64_t length = data[position + 1] ^ self->mask_bit;
        if (length > 127) {
            return fail(why, position, mask_rule(self));
        }
        const int form = length == 126 ? 2 : length == 127 ? 8 : 0; /* §5.2: bytes of the length's own field */
        at += form;
        if (at > end) {
            return incomplete(why, position);
        }
        if (form) {
            length = big_endian(data + position + 2, form);
            if (length >= NO_LIMIT) {
                return fail(why, position, HUGE_LENGTH);
            }
            if (length < (form == 2 ? 126 : 1 << 16)) {
                return fail(why, position, LENGTH_FORM);
            }
        }
        if (opcode != CONTINUATION) {
            if (opcode == TEXT && self->text_refused) {
                return fail(why, position, TEXT_REFUSED);
            }
            self->message = opcode;
            self->size = length;
            self->fragments = 1;
            self->compressed = first & RSV1;
            self->inspects = self->unwrap || (opcode == TEXT && self->validate_text && !self->compressed);
        } else {
            self->size += length; /* no overflow: neither is over 2^63 */
            if (++self->fragments > self->fragment_limit) {
                return fail(why, position, MANY_FRAGMENTS);
            }
        }
        if (length > self->frame_limit) {
            return fail(why, position, LARGE_FRAME);
        }
        if (self->size > self->limit) {
            return fail(why, position, LARGE_MESSAGE);
        }
        count_frame(self, opcode);
        self->fin = first >= FIN;
        const bool whole = length <= (uint64_t)(end - at);
        const Py_ssize_t stop = whole ? at + (Py_ssize_t)length : end;
        if (self->inspects) {
            self->phase = 0;
            if (self->mask_bit) {
                memcpy(self->key, data + at - 4, 4);
            }
            if (!inspect(self, data, at, stop, why)) {
                return position;
            }
        }
        if (!whole) {
            self->left = length - (uint64_t)(end - at);
            return end;
        }
        if (self->fin && !finish(self, why)) {
            return position;
        }
        position = stop;
    }
    return end;
}

/* -- The module ----------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *fault; /* wsgate.wire.rules.fault */
    PyObject *rules[NUMBER_OF_RULES]; /* the members of wsgate.wire.rules.Rule */
    PyTypeObject *frame_counts;
    KernelApi api;
} State;

/* Makes the Fault for the broken rule, by calling rules.fault. */
static PyObject *
make_fault(const State *state, const FrameWalk *self, const Stop *why)
{
    unsigned long long number = why->opcode;
    if (why->rule == LARGE_MESSAGE) {
        number = self->limit;
    } else if (why->rule == LARGE_FRAME) {
        number = self->frame_limit;
    } else if (why->rule == MANY_FRAGMENTS) {
        number = self->fragment_limit;
    }
    return PyObject_CallFunction(state->fault, "OK", state->rules[why->rule], number);
}

/* Walks over ``data[start:end]`` and sets the attributes that say why it stopped; see _kernel.h. */
static int
walk_once(PyObject *object, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t *stop)
{
    FrameWalk *self = (FrameWalk *)object;
    if (self->unwrap && (self->out < 0 || self->out > start)) {
        PyErr_Format(PyExc_ValueError, "walk() from %zd would unwrap up to it from %zd", start, self->out);
        return -1;
    }
    Stop why = {.halt = DONE};
    *stop = walk_frames(self, data, start, end, &why);

    if (why.halt == CONTROL) {
        /* Made without content and then filled: an object made from bytes may be shared, as all of size 1 are */
        const size_t size = (size_t)(why.resume - why.at);
        PyObject *payload = PyBytes_FromStringAndSize(NULL, why.resume - why.at);
        if (payload == NULL) {
            return -1;
        }
        const uint64_t key = self->mask_bit ? key_word(data + why.at - 4, 0) : 0;
        unmask((uint8_t *)PyBytes_AS_STRING(payload), data + why.at, size, key);
        Py_SETREF(self->payload, payload);
        self->opcode = why.opcode;
        self->resume = why.resume;
    }
    if (why.halt == FAULT) {
        PyObject *fault = make_fault(PyType_GetModuleState(Py_TYPE(self)), self, &why);
        if (fault == NULL) {
            return -1;
        }
        Py_XSETREF(self->fault, fault); /* may be NULL: it can be set and deleted from Python, unlike the others */
    }
    Py_SETREF(self->halt, PyLong_FromLong(why.halt)); /* cannot fail: small ints always exist */
    return (int)why.halt;
}

/* As walk_once, for the payloads that the caller wants in one piece from ``start`` on; see _kernel.h. */
static int
unwrap_once(PyObject *object, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t *stop, Py_ssize_t *out)
{
    FrameWalk *self = (FrameWalk *)object;
    self->out = start;
    const int halt = walk_once(object, data, start, end, stop);
    *out = self->out;
    return halt;
}

static uint64_t
left(PyObject *object)
{
    return ((FrameWalk *)object)->left;
}

static uint64_t
messages(PyObject *object)
{
    return ((FrameWalk *)object)->messages;
}

PyDoc_STRVAR(walk_doc,
"walk($self, buffer, start, end, /)\n--\n\n"
"Walks over ``buffer[start:end]``. Returns where it stopped; see wsgate.wire.walk.");

static PyObject *
frame_walk_walk(FrameWalk *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "walk() takes 3 arguments, not %zd", count);
    }
    PyObject *buffer = args[0];
    if (!PyByteArray_Check(buffer)) {
        return PyErr_Format(PyExc_TypeError, "walk() needs a bytearray, not %.200s", Py_TYPE(buffer)->tp_name);
    }
    const Py_ssize_t start = PyLong_AsSsize_t(args[1]);
    if (start == -1 && PyErr_Occurred()) {
        return NULL;
    }
    const Py_ssize_t end = PyLong_AsSsize_t(args[2]);
    if (end == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (start < 0 || start > end || end > PyByteArray_GET_SIZE(buffer)) {
        return PyErr_Format(PyExc_ValueError, "walk() from %zd to %zd in a buffer of %zd bytes", start, end,
                            PyByteArray_GET_SIZE(buffer));
    }
    Py_ssize_t stop;
    const int halt = walk_once((PyObject *)self, (uint8_t *)PyByteArray_AS_STRING(buffer), start, end, &stop);
    return halt < 0 ? NULL : PyLong_FromSsize_t(stop);
}

/* Reads a limit from an argument, NO_LIMIT if it is left out. Returns false with an exception set if it is wrong. */
static bool
read_limit(PyObject *argument, uint64_t *limit)
{
    *limit = NO_LIMIT;
    if (argument == NULL) {
        return true;
    }
    *limit = PyLong_AsUnsignedLongLong(argument);
    if (*limit <= NO_LIMIT) {
        return true;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_OverflowError, "FrameWalk() has no limit over 2^63");
    }
    return false;
}

static PyObject *
frame_walk_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"masked", "limit", "frame_limit", "fragment_limit", "validate_text", "compression", "unwrap",
                            "accept_text", "counts", NULL};
    int masked = -1, validate_text = 1, compression = 0, unwrap = 0, accept_text = 1;
    PyObject *limit_object = NULL, *frame_limit_object = NULL, *fragment_limit_object = NULL, *counts = Py_None;
    uint64_t limit, frame_limit, fragment_limit;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pO!O!O!ppppO:FrameWalk", names, &masked, &PyLong_Type, &limit_object,
                                     &PyLong_Type, &frame_limit_object, &PyLong_Type, &fragment_limit_object,
                                     &validate_text, &compression, &unwrap, &accept_text, &counts)) {
        return NULL;
    }
    if (masked < 0) {
        PyErr_SetString(PyExc_TypeError, "FrameWalk() needs the keyword argument masked");
        return NULL;
    }
    const State *state = PyType_GetModuleState(type);
    if (counts != Py_None && !Py_IS_TYPE(counts, state->frame_counts)) {
        return PyErr_Format(PyExc_TypeError, "FrameWalk() needs compiled counts, not %.200s", Py_TYPE(counts)->tp_name);
    }
    if (!read_limit(limit_object, &limit) || !read_limit(frame_limit_object, &frame_limit) ||
        !read_limit(fragment_limit_object, &fragment_limit)) {
        return NULL;
    }
    FrameWalk *self = (FrameWalk *)type->tp_alloc(type, 0); /* zeros */
    if (self == NULL) {
        return NULL;
    }
    self->halt = PyLong_FromLong(DONE); /* cannot fail, nor can the empty bytes: they always exist */
    self->fault = Py_NewRef(Py_None);
    self->payload = PyBytes_FromStringAndSize(NULL, 0);
    self->counts = counts == Py_None ? NULL : (FrameCounts *)Py_NewRef(counts);
    self->limit = limit;
    self->frame_limit = frame_limit;
    self->fragment_limit = fragment_limit;
    self->mask_bit = masked ? MASK : 0;
    self->min_header = masked ? 6 : 2;
    self->validate_text = validate_text;
    self->compression = compression;
    self->unwrap = unwrap;
    self->text_refused = !accept_text;
    self->fin = true;
    self->utf8 = WHOLE;
    return (PyObject *)self;
}

static int
frame_walk_traverse(FrameWalk *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->fault); /* the others are no part of a cycle */
    return 0;
}

static int
frame_walk_clear(FrameWalk *self)
{
    Py_CLEAR(self->fault);
    return 0;
}

static void
frame_walk_dealloc(FrameWalk *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    frame_walk_clear(self);
    Py_XDECREF(self->halt);
    Py_XDECREF(self->payload);
    Py_XDECREF(self->counts);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef frame_walk_members[] = {
    {"halt", T_OBJECT_EX, offsetof(FrameWalk, halt), READONLY, "DONE, INCOMPLETE, CONTROL or FAULT"},
    {"fault", T_OBJECT_EX, offsetof(FrameWalk, fault), 0, "the broken rule"},
    {"opcode", T_UBYTE, offsetof(FrameWalk, opcode), READONLY, "of the control frame"},
    {"payload", T_OBJECT_EX, offsetof(FrameWalk, payload), READONLY, "of the control frame, unmasked"},
    {"resume", T_PYSSIZET, offsetof(FrameWalk, resume), READONLY, "where the control frame ends"},
    {"out", T_PYSSIZET, offsetof(FrameWalk, out), 0, "end of the unwrapped bytes"},
    {"messages", T_ULONGLONG, offsetof(FrameWalk, messages), READONLY, "finished data messages"},
    {"largest", T_ULONGLONG, offsetof(FrameWalk, largest), READONLY, "bytes of the largest of them"},
    {"left", T_ULONGLONG, offsetof(FrameWalk, left), READONLY, "payload bytes of the data frame still to come"},
    {0},
};

static PyMethodDef frame_walk_methods[] = {
    {"walk", (PyCFunction)(void (*)(void))frame_walk_walk, METH_FASTCALL, walk_doc},
    {0},
};

PyDoc_STRVAR(frame_walk_doc,
"FrameWalk(*, masked, limit=9223372036854775808, frame_limit=9223372036854775808,\n"
"          fragment_limit=9223372036854775808, validate_text=True, compression=False, unwrap=False, accept_text=True,\n"
"          counts=None)\n\n"
"Validates the frames of one direction. See wsgate.wire.walk.FrameWalk.");

static PyType_Slot frame_walk_slots[] = {
    {Py_tp_doc, (void *)frame_walk_doc},
    {Py_tp_new, frame_walk_new},
    {Py_tp_traverse, frame_walk_traverse},
    {Py_tp_clear, frame_walk_clear},
    {Py_tp_dealloc, frame_walk_dealloc},
    {Py_tp_members, frame_walk_members},
    {Py_tp_methods, frame_walk_methods},
    {0},
};

/* No Py_TPFLAGS_BASETYPE: PyType_GetModuleState fails for a type that is derived from this one. */
static PyType_Spec frame_walk_spec = {
    .name = "wsgate.wire._kernel.FrameWalk",
    .basicsize = sizeof(FrameWalk),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = frame_walk_slots,
};

/* Gets words of 8 bytes that can be written. Returns NULL with an exception set if there are not so many. */
static uint64_t *
get_words(PyObject *object, Py_buffer *view, Py_ssize_t words)
{
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    if (view->len != words * (Py_ssize_t)sizeof(uint64_t) || (uintptr_t)view->buf % sizeof(uint64_t)) {
        PyBuffer_Release(view);
        PyErr_Format(PyExc_ValueError, "FrameCounts() needs %d and %d words", OPCODES, SIZE_WORDS);
        return NULL;
    }
    return view->buf;
}

static PyObject *
frame_counts_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frames", "sizes", NULL};
    PyObject *frames, *sizes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:FrameCounts", names, &frames, &sizes)) {
        return NULL;
    }
    FrameCounts *self = (FrameCounts *)type->tp_alloc(type, 0); /* zeros: to release a view of none does nothing */
    if (self == NULL) {
        return NULL;
    }
    self->frames = get_words(frames, &self->views[0], OPCODES);
    self->sizes = self->frames == NULL ? NULL : get_words(sizes, &self->views[1], SIZE_WORDS);
    if (self->sizes == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
frame_counts_dealloc(FrameCounts *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyBuffer_Release(&self->views[0]);
    PyBuffer_Release(&self->views[1]);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(frame_counts_doc,
"FrameCounts(frames, sizes)\n\n"
"Where walks count. See wsgate.wire.counts.FrameCounts.");

static PyType_Slot frame_counts_slots[] = {
    {Py_tp_doc, (void *)frame_counts_doc},
    {Py_tp_new, frame_counts_new},
    {Py_tp_dealloc, frame_counts_dealloc},
    {0},
};

static PyType_Spec frame_counts_spec = {
    .name = "wsgate.wire._kernel.FrameCounts",
    .basicsize = sizeof(FrameCounts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = frame_counts_slots,
};

PyDoc_STRVAR(apply_mask_doc,
"apply_mask($module, data, key, /)\n--\n\n"
"Returns ``data`` XOR the repeated four-byte ``key``. Masking and unmasking are the same operation.");

static PyObject *
kernel_apply_mask(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer data, key;
    if (!PyArg_ParseTuple(args, "y*y*:apply_mask", &data, &key)) {
        return NULL;
    }
    PyObject *masked = NULL;
    if (key.len != 4) {
        PyErr_Format(PyExc_ValueError, "a masking key of %zd bytes", key.len);
    } else {
        masked = PyBytes_FromStringAndSize(NULL, data.len);
    }
    if (masked != NULL) {
        unmask((uint8_t *)PyBytes_AS_STRING(masked), data.buf, (size_t)data.len, key_word(key.buf, 0));
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&key);
    return masked;
}

static PyMethodDef kernel_methods[] = {
    {"apply_mask", kernel_apply_mask, METH_VARARGS, apply_mask_doc},
    {"split_fields", split_fields, METH_O, split_fields_doc},
    {0},
};

/* Looks up the members of rules.Rule. Returns false with an exception set, also if one is missing. */
static bool
find_rules(State *state)
{
    static const char *const names[] = {RULES(NAME)};
    PyObject *rules = PyImport_ImportModule("wsgate.wire.rules");
    if (rules == NULL) {
        return false;
    }
    state->fault = PyObject_GetAttrString(rules, "fault");
    PyObject *rule = state->fault == NULL ? NULL : PyObject_GetAttrString(rules, "Rule");
    Py_DECREF(rules);
    if (rule == NULL) {
        return false;
    }
    bool found = true;
    for (int i = 0; found && i < NUMBER_OF_RULES; i++) {
        state->rules[i] = PyObject_GetAttrString(rule, names[i]);
        found = state->rules[i] != NULL;
    }
    Py_DECREF(rule);
    return found;
}

static int
kernel_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (!find_rules(state)) {
        return -1;
    }
    state->frame_counts = (PyTypeObject *)PyType_FromModuleAndSpec(module, &frame_counts_spec, NULL);
    if (state->frame_counts == NULL || PyModule_AddType(module, state->frame_counts) < 0) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &frame_walk_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    const int added = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    if (added < 0) {
        return -1;
    }
    /* the module keeps the type */
    state->api = (KernelApi){.frame_walk = (PyTypeObject *)type, .walk_once = walk_once, .unwrap_once = unwrap_once,
                             .left = left, .messages = messages};
    PyObject *api = PyCapsule_New(&state->api, KERNEL_API, NULL);
    if (api == NULL) {
        return -1;
    }
    const int exported = PyModule_AddObjectRef(module, "api", api);
    Py_DECREF(api);
    if (exported < 0) {
        return -1;
    }
    if (PyModule_AddIntConstant(module, "API", KERNEL_API_VERSION) < 0 ||
        PyModule_AddIntConstant(module, "VECTORS", utf8_has_vectors()) < 0 ||
        PyModule_AddIntConstant(module, "DONE", DONE) < 0 ||
        PyModule_AddIntConstant(module, "INCOMPLETE", INCOMPLETE) < 0 ||
        PyModule_AddIntConstant(module, "CONTROL", CONTROL) < 0 ||
        PyModule_AddIntConstant(module, "FAULT", FAULT) < 0) {
        return -1;
    }
    return 0;
}

static int
kernel_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->fault);
    Py_VISIT(state->frame_counts);
    for (int i = 0; i < NUMBER_OF_RULES; i++) {
        Py_VISIT(state->rules[i]);
    }
    return 0;
}

static int
kernel_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->fault);
    Py_CLEAR(state->frame_counts);
    for (int i = 0; i < NUMBER_OF_RULES; i++) {
        Py_CLEAR(state->rules[i]);
    }
    return 0;
}

static void
kernel_free(void *module)
{
    kernel_clear(module);
}

static PyModuleDef_Slot kernel_slots[] = {
    {Py_mod_exec, kernel_exec},
    {0},
};

static struct PyModuleDef kernel = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "The frame walk of wsgate.wire.walk, its counts, the masking of wsgate.wire.masking and the lines of heads in C.",
    .m_size = sizeof(State),
    .m_methods = kernel_methods,
    .m_slots = kernel_slots,
    .m_traverse = kernel_traverse,
    .m_clear = kernel_clear,
    .m_free = kernel_free,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    return PyModuleDef_Init(&kernel);
}
