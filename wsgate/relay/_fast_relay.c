/* One read, one walk and one write, without a step of Python's between them.

   What a small message costs in Python is not the system calls but what stands between: arguments, views, look-ups. This
   is the path in flow.py of a read that holds nothing but data to pass on, of which the socket takes all; whatever else
   comes is left to flow.py, with all that is known so far. Nothing waits here: the sockets do not block. The
   interpreter's lock is kept for the few microseconds that a read and a write take.

   A plain socket is its descriptor. Of a TLS connection it is what reads, or writes: OpenSSL is Python's. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../wire/_kernel.h"

typedef struct {
    PyObject *module; /* wsgate.wire._kernel, in which ``kernel`` is */
    const KernelApi *kernel;
} State;

enum { RECORD = 16384 }; /* bytes, the most that one record of TLS holds (RFC 8446 section 5.1) */

/* How many bytes of one record came; -1 with an exception. */
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

/* How many bytes were taken; -1 with an exception that is no fault of the peer's. */
static Py_ssize_t
write_tls(PyObject *write, uint8_t *data, Py_ssize_t size)
{
    if (size > RECORD) {
        return 0; /* flow.py's leg writes it record by record */
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

PyDoc_STRVAR(carry_doc,
"carry($module, walk, source, sink, buffer, start, /)\n--\n\n"
"Read once from ``source`` into ``buffer[start:]``, walk over what came, send it to ``sink``. Each is a descriptor, or\n"
"what reads (length, buffer) or writes (data) there.\n\n"
"How many bytes came, 0 at the end of the stream, where nothing is left to do. Else a tuple: that number, where the\n"
"walk stopped, how many bytes the sink has taken. Raises the OSError of the read; a write that fails is no exception.");

static PyObject *
fast_relay_carry(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5) {
        return PyErr_Format(PyExc_TypeError, "carry() takes 5 arguments, not %zd", count);
    }
    const KernelApi *kernel = ((State *)PyModule_GetState(module))->kernel;
    if (!Py_IS_TYPE(args[0], kernel->frame_walk)) {
        return PyErr_Format(PyExc_TypeError, "carry() needs a compiled FrameWalk, not %.200s", Py_TYPE(args[0])->tp_name);
    }
    if (!PyByteArray_Check(args[3])) {
        return PyErr_Format(PyExc_TypeError, "carry() needs a bytearray, not %.200s", Py_TYPE(args[3])->tp_name);
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
        return PyErr_Format(PyExc_ValueError, "carry() to %zd in a buffer of %zd bytes", start,
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
    /* A sink that has failed fails again, before flow.py, which knows what that means */
    return Py_BuildValue("nnn", size, stop, sent < 0 ? (Py_ssize_t)0 : sent);
}

static PyMethodDef fast_relay_methods[] = {
    {"carry", (PyCFunction)(void (*)(void))fast_relay_carry, METH_FASTCALL, carry_doc},
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
    .m_doc = "One read, one walk and one write of wsgate.relay.flow, compiled.",
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
