/* What wsgate.wire._kernel offers to other compiled modules: the frame walk over a buffer of theirs. Include it after
   Python.h. */

#include <stdint.h>

#define KERNEL_API "wsgate.wire._kernel.api" /* the name of the capsule, which is the module's ``api`` */

/* Each compiled module has it as ``API``, and wsgate.wire.kernel wants the one that it knows. Raise both when what they
   offer each other, or Python, changes: files of an older install are then left alone. */
enum { KERNEL_API_VERSION = 3 };

enum { KERNEL_DONE }; /* the walk went over all there was */

typedef struct {
    PyTypeObject *frame_walk;
    /* Walks over ``data[start:end]``, which the caller owns. Returns the walk's halt, or -1 with an exception set. Sets
       ``stop`` to the position where it stopped. ``walk`` must be a ``frame_walk``. */
    int (*walk_once)(PyObject *walk, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t *stop);
    /* The same for a walk that unwraps: what it unwraps is moved down to ``data + start``. Sets ``out`` to its end. */
    int (*unwrap_once)(PyObject *walk, uint8_t *data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t *stop, Py_ssize_t *out);
    /* Returns how many payload bytes of the current data frame are still to come. */
    uint64_t (*left)(PyObject *walk);
    /* Returns how many data messages it has seen to their end. */
    uint64_t (*messages)(PyObject *walk);
} KernelApi;
