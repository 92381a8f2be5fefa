/* The lines of header fields, split: headers.split_fields in C. tests/wire/test_headers.py runs on both.

   It trusts nothing that the caller should have checked: a line without a colon or without CR LF at its end is a
   ValueError. Include it after Python.h and string.h. */

static bool
is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Returns a name in lower case: itself, if it is. */
static PyObject *
in_lower_case(PyObject *name)
{
    const char *const written = PyBytes_AS_STRING(name);
    const Py_ssize_t size = PyBytes_GET_SIZE(name);
    Py_ssize_t capital = 0;
    while (capital < size && (written[capital] < 'A' || written[capital] > 'Z')) {
        capital++;
    }
    if (capital == size) {
        return Py_NewRef(name);
    }
    PyObject *lower = PyBytes_FromStringAndSize(NULL, size); /* a new object: Python shares those of one byte */
    if (lower == NULL) {
        return NULL;
    }
    char *const bytes = PyBytes_AS_STRING(lower);
    for (Py_ssize_t i = 0; i < size; i++) {
        const char byte = written[i];
        bytes[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
    }
    return lower;
}

/* Appends a pair to a list. */
static bool
append_pair(PyObject *list, PyObject *name, PyObject *value)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    const bool done = pair != NULL && PyList_Append(list, pair) == 0;
    Py_XDECREF(pair);
    return done;
}

/* Appends a value to those of its name. */
static bool
append_value(PyObject *by_name, PyObject *name, PyObject *value)
{
    PyObject *values = PyDict_GetItemWithError(by_name, name);
    if (values != NULL) {
        return PyList_Append(values, value) == 0;
    }
    if (PyErr_Occurred()) {
        return false;
    }
    values = PyList_New(1);
    if (values == NULL) {
        return false;
    }
    PyList_SET_ITEM(values, 0, Py_NewRef(value));
    const bool done = PyDict_SetItem(by_name, name, values) == 0;
    Py_DECREF(values);
    return done;
}

static bool
append_field(PyObject *raw, PyObject *lower, PyObject *by_name, PyObject *name, PyObject *value)
{
    PyObject *small = in_lower_case(name);
    const bool done = small != NULL && append_pair(raw, name, value) && append_pair(lower, small, value) &&
                      append_value(by_name, small, value);
    Py_XDECREF(small);
    return done;
}

/* Splits ``at`` to ``end``. Returns false with an exception set. */
static bool
split_lines(const char *at, const char *end, PyObject *raw, PyObject *lower, PyObject *by_name)
{
    while (at < end) {
        const char *const line_end = memchr(at, '\r', (size_t)(end - at));
        const char *const colon = line_end == NULL ? NULL : memchr(at, ':', (size_t)(line_end - at));
        if (colon == NULL || end - line_end < 2 || line_end[1] != '\n') {
            PyErr_SetString(PyExc_ValueError, "a line of a head without a colon, or without its end");
            return false;
        }
        const char *from = colon + 1, *to = line_end;
        while (from < to && is_blank(*from)) {
            from++;
        }
        while (from < to && is_blank(to[-1])) {
            to--;
        }
        PyObject *name = PyBytes_FromStringAndSize(at, colon - at);
        PyObject *value = name == NULL ? NULL : PyBytes_FromStringAndSize(from, to - from);
        const bool done = value != NULL && append_field(raw, lower, by_name, name, value);
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (!done) {
            return false;
        }
        at = line_end + 2;
    }
    return true;
}

PyDoc_STRVAR(split_fields_doc,
"split_fields($module, lines, /)\n--\n\n"
"Returns the fields of a head's lines: with names as written, with names in lower case, and their values by name.");

static PyObject *
split_fields(PyObject *Py_UNUSED(module), PyObject *lines)
{
    char *at;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(lines, &at, &size) < 0) {
        return NULL;
    }
    PyObject *raw = PyList_New(0), *lower = PyList_New(0), *by_name = PyDict_New();
    PyObject *found = NULL;
    if (raw != NULL && lower != NULL && by_name != NULL && split_lines(at, at + size, raw, lower, by_name)) {
        found = PyTuple_Pack(3, raw, lower, by_name);
    }
    Py_XDECREF(raw);
    Py_XDECREF(lower);
    Py_XDECREF(by_name);
    return found;
}
