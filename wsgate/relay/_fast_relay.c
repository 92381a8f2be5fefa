/* One read, one walk and one write in one call.

   A small message in Python costs more for the code between the system calls (arguments, views, look-ups) than for the
   system calls. This file has the path of relay_flow.py for a read that holds only data frames, all of which the sink
   accepts. Every other case is left to relay_flow.py, with what is known so far. Nothing waits here: the sockets do not
   block. The GIL is kept for the few microseconds that a read and a write take.

   A plain socket is given as its descriptor. A TLS connection is given as Python's function that reads or writes it,
   because OpenSSL is called through Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../wire/_kernel.h"

typedef struct {
    PyObject *module; /* wsgate.wire._kernel, which owns ``kernel`` */
    const KernelApi *kernel;
} State;

enum { TLS_RECORD = 16384 }; /* bytes, the most that one TLS record holds (RFC 8446 section 5.1) */

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
    if (size > room) {
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
        return 0; /* relay_flow.py's leg writes it record by record */
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
    return sent;
}

PyDoc_STRVAR(relay_once_doc,
"relay_once($module, walk, source, sink, buffer, start, /)\n--\n\n"
"Reads once from ``source`` into ``buffer[start:]``, walks over the bytes and sends them to ``sink``.\n\n"
"source: a descriptor, or a function (length, buffer) that reads\n"
"sink: a descriptor, or a function (data) that writes\n\n"
"Returns the number of bytes read if all of them were sent, 0 at the end of the stream. Otherwise returns a tuple: the\n"
"number of bytes read, where the walk stopped, the number of bytes sent. Raises the OSError of the read; a failed write\n"
"raises nothing.");

static PyObject *
fast_relay_once(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5) {
        return PyErr_Format(PyExc_TypeError, "relay_once() takes 5 arguments, not %zd", count);
    }
    const KernelApi *kernel = ((State *)PyModule_GetState(module))->kernel;
    if (!Py_IS_TYPE(args[0], kernel->frame_walk)) {
        return PyErr_Format(PyExc_TypeError, "relay_once() needs a compiled FrameWalk, not %.200s", Py_TYPE(args[0])->tp_name);
    }
    if (!PyByteArray_Check(args[3])) {
        return PyErr_Format(PyExc_TypeError, "relay_once() needs a bytearray, not %.200s", Py_TYPE(args[3])->tp_name);
    }
    const bool reads = PyCallable_Check(args[1]), writes = PyCallable_Check(args[2]);
    const int source = reads ? 0 : PyObject_AsFileDescriptor(args[1]);
    const int sink = writes || source < 0 ? 0 : PyObject_AsFileDescriptor(args[2]);
    if (source < 0 || sink < 0) {
        return NULL;
    }
    const Py_ssize_t start = PyLong_AsSsize_t(args[4]);
    if (start == -1 && PyErr_Occurred()) {
        return NULL;
    }
    const Py_ssize_t room = PyByteArray_GET_SIZE(args[3]) - start;
    if (start < 0 || room <= 0) {
        return PyErr_Format(PyExc_ValueError, "relay_once() to %zd in a buffer of %zd bytes", start,
                            PyByteArray_GET_SIZE(args[3]));
    }

    uint8_t *data = (uint8_t *)PyByteArray_AS_STRING(args[3]);
    const Py_ssize_t size =
        reads ? read_tls(args[1], data + start, room) : recv(source, data + start, (size_t)room, MSG_DONTWAIT);
    if (size < 0) {
        return reads ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    }
    if (size == 0) {
        return PyLong_FromLong(0);
    }
    Py_ssize_t stop;
    const int halt = kernel->walk_once(args[0], data, start, start + size, &stop);
    if (halt < 0) {
        return NULL;
    }
    Py_ssize_t sent = 0;
    if (halt == KERNEL_DONE) {
        sent = writes ? write_tls(args[2], data + start, size)
                      : send(sink, data + start, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == size) {
            return PyLong_FromSsize_t(size);
        }
        if (sent < 0 && writes) {
            return NULL;
        }
    }
    /* A failed write counts as 0 bytes: relay_flow.py tries it again and handles the error */
    return Py_BuildValue("nnn", size, stop, sent < 0 ? (Py_ssize_t)0 : sent);
}

static PyMethodDef fast_relay_methods[] = {
    {"relay_once", (PyCFunction)(void (*)(void))fast_relay_once, METH_FASTCALL, relay_once_doc},
    {0},
};

static int
fast_relay_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->module = PyImport_ImportModule("wsgate.wire._kernel");
    PyObject *api = state->module == NULL ? NULL : PyObject_GetAttrString(state->module, "api");
    if (api == NULL) {
        return -1;
    }
    state->kernel = PyCapsule_GetPointer(api, KERNEL_API);
    Py_DECREF(api);
    return state->kernel == NULL ? -1 : 0;
}

static int
fast_relay_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(((State *)PyModule_GetState(module))->module);
    return 0;
}

static int
fast_relay_clear(PyObject *module)
{
    Py_CLEAR(((State *)PyModule_GetState(module))->module);
    return 0;
}

static void
fast_relay_free(void *module)
{
    fast_relay_clear(module);
}

static PyModuleDef_Slot fast_relay_slots[] = {
    {Py_mod_exec, fast_relay_exec},
    {0},
};

static struct PyModuleDef fast_relay = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fast_relay",
    .m_doc = "One read, one walk and one write of wsgate.relay.relay_flow in C.",
    .m_size = sizeof(State),
    .m_methods = fast_relay_methods,
    .m_slots = fast_relay_slots,
    .m_traverse = fast_relay_traverse,
    .m_clear = fast_relay_clear,
    .m_free = fast_relay_free,
};

PyMODINIT_FUNC
PyInit__fast_relay(void)
{
    return PyModuleDef_Init(&fast_relay);
}
