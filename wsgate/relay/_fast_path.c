/* The path of nearly every message: rounds of the pump, and the turns of flows in which nothing but data comes and all
   of it is accepted.

   Theory of operation
   -------------------
   A small message in Python costs more for the code between the system calls (arguments, views, look-ups) than for the
   system calls. So this file does the pump's inner loop (``serve_round``: one epoll_wait, then each ready leg) and a
   flow's turn (``turn``: one read, one walk, one write) without any code in Python between them.

   A turn has three kinds. They differ only in what is done between the read and the write:

     relay   the frames are walked and sent as they came
     unwrap  the payloads are unmasked in place, moved together and sent
     wrap    the header of one binary frame is put in front of the bytes, into the headroom of the buffer

   Every other case is left to the flow in Python, with what is known so far: something waits to be sent (``pull``, which
   does the whole turn there), the stream ends (``_reach_end``) or fails (``_lose``), the walk stops early or the sink
   accepts only a part (``_go_on``, while the bytes are still in the buffer).

   A rate limiter sets ``octets_due`` and ``messages_due``: when so much has passed, it looks at its buckets after the turn
   (``_reach_due``). ``read_area`` has the most bytes of one read, which are few for a small bucket and after a flood.

   A socket that these turns read is edge-triggered (epoll(7)), because the kernel looks a second time at each
   level-triggered one that was ready. A read of fewer bytes than asked has taken all: an event comes with the next bytes.
   After anything else (a full read, a turn in Python, the end of the peer) the round asks for another event.

   What a turn counts and notes are fields of C in the base classes of flow, leg and pump, which Python reads when it
   wants them. The same fields tell whether the sink accepts bytes now, so there is no second state that could differ.

   Nothing waits here: the sockets do not block. The GIL is kept for the few microseconds that a read and a write take.
   A plain socket is given as its descriptor. A TLS connection is given as Python's function that reads or writes it,
   because OpenSSL is called through Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../wire/_kernel.h"

enum kind { RELAY, UNWRAP, WRAP };

enum { TLS_RECORD = 16384 }; /* bytes, the most that one TLS record holds (RFC 8446 section 5.1) */
/* Bytes, the most that is read inside of a larger frame. So much stays in the processor's cache from the read to the
   write, and leaves in one segment: TCP's largest one has 64 KiB with its headers. One byte more is a second segment. */
enum { PIECE = 65472, PIECES = 4 };
enum { LONGEST_HEADER = 10 }; /* bytes, of an unmasked frame (RFC 6455 section 5.2) */
enum { BINARY = 0x82 }; /* FIN and the opcode */
enum { MAX_EVENTS = 64 }; /* per round, as in poller.py */
#define NEVER ULLONG_MAX /* as in flow.py */

typedef struct {
    PyObject *module; /* wsgate.wire._kernel, which owns ``kernel`` */
    const KernelApi *kernel;
    PyObject *open; /* wsgate.relay.states.Output.OPEN */
    PyTypeObject *pump;
    PyTypeObject *leg;
    PyTypeObject *flow;
    PyObject *pull, *lose, *reach_end, *go_on, *read_many, *reach_due, *handle, *owner, *crash; /* names */
} State;

typedef struct {
    PyObject_HEAD
    PyObject *buffer;
    Py_ssize_t headroom;
    double now;
} Pump;

typedef struct {
    PyObject_HEAD
    PyObject *reader;
    PyObject *output;
    PyObject *pending;
    PyObject *waiting_frames;
    double last_read;
    unsigned int interest;
    char drains;
} Leg;

typedef struct {
    PyObject_HEAD
    PyObject *pump;
    PyObject *source;
    PyObject *sink;
    PyObject *walk;
    PyObject *carry;
    PyObject *read_end;
    PyObject *write_end;
    PyObject *read_area;
    unsigned long long octets;
    unsigned long long octets_due;
    unsigned long long messages_due;
    unsigned long long wrapped;
    double last_moved;
} Flow;

/* A turn uses nearly all of its flow, and of both legs the first: few cache lines, for there are thousands of them */
_Static_assert(sizeof(Flow) <= 128, "the fields of a flow are in two cache lines");
_Static_assert(sizeof(Leg) <= 64, "the fields of a leg are in one");

/* -- Reading and writing -------------------------------------------------------------------------------------------- */

/* Reads one TLS record. Returns the number of bytes, or -1 with an exception set. */
static Py_ssize_t
read_tls(PyObject *read, uint8_t *data, Py_ssize_t room)
{
    Py_ssize_t size = -1;
    PyObject *length = PyLong_FromSsize_t(room);
    PyObject *view = length == NULL ? NULL : PyMemoryView_FromMemory((char *)data, room, PyBUF_WRITE);
    if (view != NULL) {
        PyObject *const args[] = {length, view};
        PyObject *came = PyObject_Vectorcall(read, args, 2, NULL);
        if (came != NULL) {
            size = PyLong_AsSsize_t(came);
            Py_DECREF(came);
        }
        Py_DECREF(view);
    }
    Py_XDECREF(length);
    if (size > room || (size < 0 && !PyErr_Occurred())) {
        PyErr_Format(PyExc_ValueError, "%zd bytes were read into %zd", size, room);
        return -1;
    }
    return size;
}

/* Writes one TLS record. Returns the number of bytes that were accepted, or -1 with an exception set if the error is a
   bug; an OSError counts as 0 bytes. */
static Py_ssize_t
write_tls(PyObject *write, uint8_t *data, Py_ssize_t size)
{
    if (size > TLS_RECORD) {
        return 0; /* the leg writes it record by record */
    }
    PyObject *view = PyMemoryView_FromMemory((char *)data, size, PyBUF_READ);
    if (view == NULL) {
        return -1;
    }
    PyObject *taken = PyObject_CallOneArg(write, view);
    Py_DECREF(view);
    if (taken == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_OSError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    const Py_ssize_t sent = PyLong_AsSsize_t(taken);
    Py_DECREF(taken);
    if (sent < 0 || sent > size) {
        PyErr_Format(PyExc_ValueError, "%zd bytes of %zd were written", sent, size);
        return -1;
    }
    return sent;
}

/* Writes to a descriptor or to TLS. A failed write counts as 0 bytes: the leg tries it again and handles the error.
   Returns -1 with an exception set if there is a bug. */
static Py_ssize_t
write_once(PyObject *end, uint8_t *data, Py_ssize_t size)
{
    if (!PyLong_CheckExact(end)) {
        return write_tls(end, data, size);
    }
    const int fd = PyObject_AsFileDescriptor(end);
    if (fd < 0) {
        return -1;
    }
    const ssize_t sent = send(fd, data, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : sent;
}

/* Writes the header of a binary frame in front of ``payload``. Returns its bytes. */
static Py_ssize_t
put_header(uint8_t *payload, Py_ssize_t size)
{
    const Py_ssize_t form = size < 126 ? 0 : size < 1 << 16 ? 2 : 8; /* section 5.2: bytes of the length's own field */
    for (Py_ssize_t i = 1, rest = size; i <= form; i++, rest >>= 8) {
        payload[-i] = (uint8_t)(rest & 0xFF);
    }
    payload[-form - 1] = (uint8_t)(form == 0 ? size : form == 2 ? 126 : 127);
    payload[-form - 2] = BINARY;
    return form + 2;
}

/* -- A turn --------------------------------------------------------------------------------------------------------- */

/* What a turn leaves in the source. A read of a stream that returns fewer bytes than asked has taken all (epoll(7)). */
enum left { RAISED = -1, NOTHING, MAYBE, A_PIECE };

static bool
is_whole(const State *state, const Flow *self, enum kind kind)
{
    return self->pump != NULL && PyObject_TypeCheck(self->pump, state->pump) &&
           self->source != NULL && PyObject_TypeCheck(self->source, state->leg) &&
           self->sink != NULL && PyObject_TypeCheck(self->sink, state->leg) &&
           self->read_end != NULL && self->write_end != NULL &&
           self->read_area != NULL && PyMemoryView_Check(self->read_area) &&
           (kind == WRAP || (self->walk != NULL && Py_IS_TYPE(self->walk, state->kernel->frame_walk)));
}

/* Whether the sink accepts bytes now, and nothing has to be in front of what is read. */
static bool
is_clear(const State *state, const Flow *self)
{
    const Leg *sink = (Leg *)self->sink;
    return sink->pending == Py_None && sink->waiting_frames == Py_None && sink->output == state->open &&
           (self->carry == NULL || (PyBytes_Check(self->carry) && PyBytes_GET_SIZE(self->carry) == 0));
}

/* Of the result of a call to Python, which tells nothing of what is left. */
static enum left
left_by(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? RAISED : MAYBE;
}

/* The read has found nothing, or has failed, with errno or an exception set. */
static enum left
handle_failed_read(const State *state, Flow *self)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OSError)) {
            return RAISED;
        }
        PyErr_Clear();
        return left_by(PyObject_CallMethodNoArgs((PyObject *)self, state->pull)); /* TLS says the same again, to its transport */
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return NOTHING;
    }
    if (errno == EINTR) {
        return MAYBE;
    }
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "is", errno, strerror(errno));
    PyObject *result = error == NULL ? NULL : PyObject_CallMethodOneArg((PyObject *)self, state->lose, error);
    Py_XDECREF(error);
    return left_by(result);
}

/* Leaves the rest of a turn to Python: ``buffer[begin:]`` is to be sent, of which the sink has accepted ``sent`` bytes.
   The walk stopped at ``stop`` and the read ended at ``end``. */
static PyObject *
go_on(const State *state, Flow *self, Py_ssize_t begin, Py_ssize_t stop, Py_ssize_t end, Py_ssize_t sent)
{
    PyObject *positions[] = {(PyObject *)self, PyLong_FromSsize_t(begin), PyLong_FromSsize_t(stop),
                             PyLong_FromSsize_t(end), PyLong_FromSsize_t(sent)};
    PyObject *result = NULL;
    if (!PyErr_Occurred()) {
        result = PyObject_VectorcallMethod(state->go_on, positions, 5, NULL);
    }
    for (int i = 1; i < 5; i++) {
        Py_XDECREF(positions[i]);
    }
    return result;
}

static enum left
read_and_move(const State *state, Flow *self, enum kind kind)
{
    if (!is_whole(state, self, kind)) {
        PyErr_SetString(PyExc_TypeError, "a turn needs pump, source, sink, both ends, an area, and a compiled walk unless it wraps");
        return RAISED;
    }
    const Pump *pump = (Pump *)self->pump;
    const Py_ssize_t start = pump->headroom;
    if (pump->buffer == NULL || !PyByteArray_Check(pump->buffer) || start < LONGEST_HEADER ||
        start >= PyByteArray_GET_SIZE(pump->buffer)) {
        PyErr_SetString(PyExc_TypeError, "a turn needs a bytearray with headroom");
        return RAISED;
    }
    if (!is_clear(state, self)) {
        return left_by(PyObject_CallMethodNoArgs((PyObject *)self, state->pull));
    }
    uint8_t *data = (uint8_t *)PyByteArray_AS_STRING(pump->buffer);
    Py_ssize_t room = PyByteArray_GET_SIZE(pump->buffer) - start;
    if (room > PyMemoryView_GET_BUFFER(self->read_area)->len) {
        room = PyMemoryView_GET_BUFFER(self->read_area)->len;
    }
    const bool in_pieces = kind != WRAP && room > PIECE && state->kernel->left(self->walk) > PIECE;
    if (in_pieces) {
        room = PIECE;
    }
    const bool tls = !PyLong_CheckExact(self->read_end);
    const int source = tls ? 0 : PyObject_AsFileDescriptor(self->read_end);
    if (source < 0) {
        return RAISED;
    }
    const Py_ssize_t size =
        tls ? read_tls(self->read_end, data + start, room) : recv(source, data + start, (size_t)room, MSG_DONTWAIT);
    if (size < 0) {
        return handle_failed_read(state, self);
    }
    if (size == 0) {
        return left_by(PyObject_CallMethodNoArgs((PyObject *)self, state->reach_end));
    }
    self->octets += (unsigned long long)size;
    ((Leg *)self->source)->last_read = pump->now;

    /* ``begin:until`` is to be sent */
    const Py_ssize_t end = start + size;
    Py_ssize_t begin = start, until = end, stop = end;
    int halt = KERNEL_DONE;
    switch (kind) {
    case RELAY:
        halt = state->kernel->walk_once(self->walk, data, start, end, &stop);
        break;
    case UNWRAP:
        halt = state->kernel->unwrap_once(self->walk, data, start, end, &stop, &until);
        break;
    case WRAP:
        begin -= put_header(data + start, size);
        self->wrapped++;
        break;
    }
    if (halt < 0) {
        return RAISED;
    }
    Py_ssize_t sent = 0;
    if (halt == KERNEL_DONE && until > begin) {
        sent = write_once(self->write_end, data + begin, until - begin);
        if (sent < 0) {
            return RAISED;
        }
        self->last_moved = pump->now;
    }
    if (halt != KERNEL_DONE || sent < until - begin) {
        PyObject *result = go_on(state, self, begin, stop, end, sent);
        if (result == NULL) {
            return RAISED;
        }
        Py_DECREF(result);
    } else if (in_pieces && size == room) {
        return A_PIECE;
    }
    if (tls && (size == TLS_RECORD || size == room)) {
        return left_by(PyObject_CallMethodOneArg((PyObject *)self, state->read_many, Py_True));
    }
    return tls || size == room ? MAYBE : NOTHING;
}

/* Whether a rate limiter has to look. Only walks over frames count messages that are limited. */
static bool
is_due(const State *state, const Flow *self)
{
    return self->octets >= self->octets_due ||
           (self->messages_due != NEVER && self->walk != NULL && Py_IS_TYPE(self->walk, state->kernel->frame_walk) &&
            state->kernel->messages(self->walk) >= self->messages_due);
}

static enum left
turn(const State *state, Flow *self, enum kind kind)
{
    const enum left left = read_and_move(state, self, kind);
    if (left == RAISED || !is_due(state, self)) {
        return left;
    }
    const enum left then = left_by(PyObject_CallMethodNoArgs((PyObject *)self, state->reach_due));
    return left == NOTHING && then != RAISED ? NOTHING : then; /* the limiter reads nothing itself */
}

static PyObject *
call_turn(Flow *self, PyTypeObject *type, enum kind kind)
{
    if (turn(PyType_GetModuleState(type), self, kind) == RAISED) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
flow_relay_turn(Flow *self, PyTypeObject *type, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count),
                PyObject *Py_UNUSED(names))
{
    return call_turn(self, type, RELAY);
}

static PyObject *
flow_unwrap_turn(Flow *self, PyTypeObject *type, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count),
                 PyObject *Py_UNUSED(names))
{
    return call_turn(self, type, UNWRAP);
}

static PyObject *
flow_wrap_turn(Flow *self, PyTypeObject *type, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count),
               PyObject *Py_UNUSED(names))
{
    return call_turn(self, type, WRAP);
}

#define TURN(kind) {#kind "_turn", (PyCFunction)(void (*)(void))flow_##kind##_turn, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, \
     PyDoc_STR(#kind "_turn($self)\n--\n\nOne read, and what becomes of it.")}

/* In the order of ``kind`` */
static PyMethodDef flow_methods[] = {TURN(relay), TURN(unwrap), TURN(wrap), {0}};

/* -- A round -------------------------------------------------------------------------------------------------------- */

/* Serving a leg has raised an exception: tells its owner. Returns false, with an exception set, if that fails, too. */
static bool
crash(const State *state, PyObject *leg)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return false;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    PyObject *owner = PyObject_GetAttr(leg, state->owner);
    PyObject *result = owner == NULL ? NULL : PyObject_CallMethodOneArg(owner, state->crash, error);
    const bool told = result != NULL;
    Py_XDECREF(result);
    Py_XDECREF(owner);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return told;
}

/* Reads a leg: by a turn of its flow, without the call of a method, or by whatever else its reader is. The pieces of a
   large frame are moved one after the other, up to the size of one large read. */
static enum left
read_leg(const State *state, PyObject *reader)
{
    if (PyCFunction_Check(reader)) {
        const PyMethodDef *method = ((PyCFunctionObject *)reader)->m_ml;
        if (method >= flow_methods && method <= flow_methods + WRAP) {
            Flow *const flow = (Flow *)PyCFunction_GET_SELF(reader);
            const enum kind kind = (enum kind)(method - flow_methods);
            enum left left = turn(state, flow, kind);
            for (int pieces = 1; left == A_PIECE && pieces < PIECES; pieces++) {
                left = turn(state, flow, kind);
            }
            return left;
        }
    }
    return left_by(PyObject_CallNoArgs(reader));
}

static enum left
serve(const State *state, PyObject *leg, uint32_t ready)
{
    /* The peer's end may come beside its last bytes: a read after them finds it */
    if ((ready & ~(uint32_t)EPOLLRDHUP) == EPOLLIN && PyObject_TypeCheck(leg, state->leg) &&
        ((Leg *)leg)->reader != NULL) {
        PyObject *reader = Py_NewRef(((Leg *)leg)->reader); /* a turn may replace it */
        const enum left left = read_leg(state, reader);
        Py_DECREF(reader);
        return left == NOTHING && ready != EPOLLIN ? MAYBE : left;
    }
    PyObject *events = PyLong_FromUnsignedLong(ready);
    PyObject *result = events == NULL ? NULL : PyObject_CallMethodOneArg(leg, state->handle, events);
    Py_XDECREF(events);
    return left_by(result);
}

/* More may be in an edge-triggered leg's socket: asks epoll to look at it again. A socket of which an event has told more
   than bytes and room becomes level-triggered: the peer's end and urgent data would be told again and again.
   Returns false with an exception set if that fails. */
static bool
look_again(const State *state, int epoll, PyObject *object, const struct epoll_event *had)
{
    Leg *leg = (Leg *)object;
    if (!PyObject_TypeCheck(object, state->leg) || !(leg->interest & EPOLLET)) {
        return true; /* it is level-triggered, or not waited for any more */
    }
    if (had->events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) {
        leg->interest = EPOLLIN;
    }
    struct epoll_event event = {.events = leg->interest, .data = had->data};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, had->data.fd, &event) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return false;
    }
    return true;
}

/* Returns the leg of an event; NULL if it has none, as one that was closed by an earlier event. */
static PyObject *
leg_of(PyObject *legs, const struct epoll_event *event)
{
    const int fd = event->data.fd;
    PyObject *leg = fd < PyList_GET_SIZE(legs) ? PyList_GET_ITEM(legs, fd) : Py_None;
    return leg == Py_None ? NULL : leg;
}

static PyObject *
reader_of(const State *state, PyObject *legs, const struct epoll_event *event)
{
    PyObject *leg = leg_of(legs, event);
    return leg != NULL && PyObject_TypeCheck(leg, state->leg) ? ((Leg *)leg)->reader : NULL;
}

/* Brings what turns need of the next legs into the cache, while an earlier one is in its system calls: of 8,000 sessions
   that send in turn, it is not there. Each step finds its object through the one before: leg, reader, flow. */
static void
fetch_ahead(const State *state, PyObject *legs, const struct epoll_event *next, int count)
{
    PyObject *reader;
    if (count > 2) {
        __builtin_prefetch(leg_of(legs, next + 2)); /* of NULL does nothing */
    }
    if (count > 1) {
        __builtin_prefetch(reader_of(state, legs, next + 1));
    }
    if (count > 0 && (reader = reader_of(state, legs, next)) != NULL && PyCFunction_Check(reader)) {
        const Flow *flow = (Flow *)PyCFunction_GET_SELF(reader);
        __builtin_prefetch(flow);
        __builtin_prefetch(&flow->octets);
    }
}

PyDoc_STRVAR(serve_round_doc,
"serve_round($module, epoll, legs, /)\n--\n\n"
"Serves each leg whose descriptor is ready once, as wsgate.relay.pump.Pump does in Python.\n\n"
"epoll: the descriptor of the set\n"
"legs: a list with the leg of each descriptor, or None\n\n"
"Returns how many descriptors were ready.");

static PyObject *
fast_path_serve_round(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyList_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "serve_round() takes a descriptor and a list");
        return NULL;
    }
    const State *state = PyModule_GetState(module);
    const int epoll = PyObject_AsFileDescriptor(args[0]);
    if (epoll < 0) {
        return NULL;
    }
    struct epoll_event events[MAX_EVENTS];
    const int ready = epoll_wait(epoll, events, MAX_EVENTS, 0);
    if (ready < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    for (int i = 0; i < ready; i++) {
        fetch_ahead(state, args[1], events + i + 1, ready - i - 1);
        PyObject *leg = leg_of(args[1], events + i);
        if (leg == NULL) {
            continue;
        }
        Py_INCREF(leg);
        const enum left left = serve(state, leg, events[i].events);
        const bool goes_on =
            (left != RAISED || crash(state, leg)) && (left == NOTHING || look_again(state, epoll, leg, events + i));
        Py_DECREF(leg);
        if (!goes_on) {
            return NULL;
        }
    }
    return PyLong_FromLong(ready);
}

/* -- The types ------------------------------------------------------------------------------------------------------ */

static int
pump_traverse(Pump *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->buffer);
    return 0;
}

static int
pump_clear(Pump *self)
{
    Py_CLEAR(self->buffer);
    return 0;
}

static int
leg_traverse(Leg *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->reader);
    Py_VISIT(self->output);
    Py_VISIT(self->pending);
    Py_VISIT(self->waiting_frames);
    return 0;
}

static int
leg_clear(Leg *self)
{
    Py_CLEAR(self->reader);
    Py_CLEAR(self->output);
    Py_CLEAR(self->pending);
    Py_CLEAR(self->waiting_frames);
    return 0;
}

static int
flow_traverse(Flow *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->pump);
    Py_VISIT(self->source);
    Py_VISIT(self->sink);
    Py_VISIT(self->walk);
    Py_VISIT(self->carry);
    Py_VISIT(self->read_end);
    Py_VISIT(self->write_end);
    Py_VISIT(self->read_area);
    return 0;
}

static int
flow_clear(Flow *self)
{
    Py_CLEAR(self->pump);
    Py_CLEAR(self->source);
    Py_CLEAR(self->sink);
    Py_CLEAR(self->walk);
    Py_CLEAR(self->carry);
    Py_CLEAR(self->read_end);
    Py_CLEAR(self->write_end);
    Py_CLEAR(self->read_area);
    return 0;
}

static void
dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyTypeObject *base = type; /* the one of this file, whose fields are cleared here; a subclass clears its own */
    while (base->tp_dealloc != dealloc) {
        base = base->tp_base;
    }
    base->tp_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef pump_members[] = {
    {"buffer", T_OBJECT_EX, offsetof(Pump, buffer), 0, "what is read, and headroom before it"},
    {"headroom", T_PYSSIZET, offsetof(Pump, headroom), 0, "bytes"},
    {"now", T_DOUBLE, offsetof(Pump, now), 0, "when the current rounds began"},
    {0},
};

static PyMemberDef leg_members[] = {
    {"reader", T_OBJECT_EX, offsetof(Leg, reader), 0, "called when the socket is readable"},
    {"output", T_OBJECT_EX, offsetof(Leg, output), 0, "the state of the output"},
    {"pending", T_OBJECT_EX, offsetof(Leg, pending), 0, "bytes that the socket has not accepted yet"},
    {"waiting_frames", T_OBJECT_EX, offsetof(Leg, waiting_frames), 0, "own frames that wait for a frame boundary"},
    {"last_read", T_DOUBLE, offsetof(Leg, last_read), 0, "when the last bytes came"},
    {"interest", T_UINT, offsetof(Leg, interest), 0, "the events of the socket that are wanted"},
    {"drains", T_BOOL, offsetof(Leg, drains), 0, "whether a read of fewer bytes than asked has taken all"},
    {0},
};

static PyMemberDef flow_members[] = {
    {"pump", T_OBJECT_EX, offsetof(Flow, pump), 0, "the pump"},
    {"source", T_OBJECT_EX, offsetof(Flow, source), 0, "the leg that is read"},
    {"sink", T_OBJECT_EX, offsetof(Flow, sink), 0, "the leg that is written"},
    {"walk", T_OBJECT_EX, offsetof(Flow, walk), 0, "the walk over the source's frames"},
    {"_carry", T_OBJECT_EX, offsetof(Flow, carry), 0, "the unfinished end of the last read"},
    {"_read_end", T_OBJECT_EX, offsetof(Flow, read_end), 0, "what reads the source: a descriptor or a function"},
    {"_write_end", T_OBJECT_EX, offsetof(Flow, write_end), 0, "what writes the sink: a descriptor or a function"},
    {"read_area", T_OBJECT_EX, offsetof(Flow, read_area), 0, "the part of the pump's buffer that a read fills"},
    {"octets", T_ULONGLONG, offsetof(Flow, octets), 0, "bytes that came from the source"},
    {"octets_due", T_ULONGLONG, offsetof(Flow, octets_due), 0, "the bytes at which a rate limiter looks"},
    {"messages_due", T_ULONGLONG, offsetof(Flow, messages_due), 0, "the messages at which it looks"},
    {"_wrapped", T_ULONGLONG, offsetof(Flow, wrapped), 0, "frames that were made of what came"},
    {"last_moved", T_DOUBLE, offsetof(Flow, last_moved), 0, "when the last data was moved"},
    {0},
};

static PyType_Slot pump_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The fields of a pump that turns read.")},
    {Py_tp_traverse, pump_traverse},
    {Py_tp_clear, pump_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, pump_members},
    {0},
};

static PyType_Slot leg_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The fields of a leg that rounds and turns use.")},
    {Py_tp_traverse, leg_traverse},
    {Py_tp_clear, leg_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, leg_members},
    {0},
};

static PyType_Slot flow_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The fields of a flow that turns use, and the turns.")},
    {Py_tp_traverse, flow_traverse},
    {Py_tp_clear, flow_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, flow_members},
    {Py_tp_methods, flow_methods},
    {0},
};

enum { BASE_CLASS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE };

static PyType_Spec pump_spec = {"wsgate.relay._fast_path.PumpFields", sizeof(Pump), 0, BASE_CLASS, pump_slots};
static PyType_Spec leg_spec = {"wsgate.relay._fast_path.LegFields", sizeof(Leg), 0, BASE_CLASS, leg_slots};
static PyType_Spec flow_spec = {"wsgate.relay._fast_path.FlowFields", sizeof(Flow), 0, BASE_CLASS, flow_slots};

/* -- The module ----------------------------------------------------------------------------------------------------- */

static PyMethodDef fast_path_methods[] = {
    {"serve_round", (PyCFunction)(void (*)(void))fast_path_serve_round, METH_FASTCALL, serve_round_doc},
    {0},
};

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static bool
find_kernel(State *state)
{
    state->module = PyImport_ImportModule("wsgate.wire._kernel");
    PyObject *api = state->module == NULL ? NULL : PyObject_GetAttrString(state->module, "api");
    if (api == NULL) {
        return false;
    }
    state->kernel = PyCapsule_GetPointer(api, KERNEL_API);
    Py_DECREF(api);
    return state->kernel != NULL;
}

static bool
find_open(State *state)
{
    PyObject *states = PyImport_ImportModule("wsgate.relay.states");
    PyObject *output = states == NULL ? NULL : PyObject_GetAttrString(states, "Output");
    state->open = output == NULL ? NULL : PyObject_GetAttrString(output, "OPEN");
    Py_XDECREF(states);
    Py_XDECREF(output);
    return state->open != NULL;
}

static bool
make_names(State *state)
{
    return (state->pull = PyUnicode_InternFromString("pull")) != NULL &&
           (state->lose = PyUnicode_InternFromString("_lose")) != NULL &&
           (state->reach_end = PyUnicode_InternFromString("_reach_end")) != NULL &&
           (state->go_on = PyUnicode_InternFromString("_go_on")) != NULL &&
           (state->read_many = PyUnicode_InternFromString("_read_many")) != NULL &&
           (state->reach_due = PyUnicode_InternFromString("_reach_due")) != NULL &&
           (state->handle = PyUnicode_InternFromString("handle")) != NULL &&
           (state->owner = PyUnicode_InternFromString("owner")) != NULL &&
           (state->crash = PyUnicode_InternFromString("crash")) != NULL;
}

static int
fast_path_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (PyModule_AddIntConstant(module, "API", KERNEL_API_VERSION) < 0 || !find_kernel(state) || !find_open(state) ||
        !make_names(state)) {
        return -1;
    }
    state->pump = add_type(module, &pump_spec);
    state->leg = add_type(module, &leg_spec);
    state->flow = add_type(module, &flow_spec);
    return state->pump == NULL || state->leg == NULL || state->flow == NULL ? -1 : 0;
}

static int
fast_path_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->module);
    Py_VISIT(state->open);
    Py_VISIT(state->pump);
    Py_VISIT(state->leg);
    Py_VISIT(state->flow);
    return 0;
}

static int
fast_path_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->module);
    Py_CLEAR(state->open);
    Py_CLEAR(state->pump);
    Py_CLEAR(state->leg);
    Py_CLEAR(state->flow);
    PyObject **const names[] = {&state->pull,      &state->lose,      &state->reach_end, &state->go_on, &state->read_many,
                                &state->reach_due, &state->handle,    &state->owner,     &state->crash};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Py_CLEAR(*names[i]);
    }
    return 0;
}

static void
fast_path_free(void *module)
{
    fast_path_clear(module);
}

static PyModuleDef_Slot fast_path_slots[] = {
    {Py_mod_exec, fast_path_exec},
    {0},
};

static struct PyModuleDef fast_path = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fast_path",
    .m_doc = "Rounds of wsgate.relay.pump and turns of flows in C.",
    .m_size = sizeof(State),
    .m_methods = fast_path_methods,
    .m_slots = fast_path_slots,
    .m_traverse = fast_path_traverse,
    .m_clear = fast_path_clear,
    .m_free = fast_path_free,
};

PyMODINIT_FUNC
PyInit__fast_path(void)
{
    return PyModuleDef_Init(&fast_path);
}
