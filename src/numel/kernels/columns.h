/* How do columns of numbers come in from Python, and go back? As buffers, and as memoryviews of bytes of their own. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

typedef struct {
    Py_buffer view;
    Py_ssize_t n;
    union {
        const void *any;
        const double *real;
        const int64_t *count;
        const uint32_t *bin;
    };
} Column;

/* The elements of a buffer; 0 when it is none, or not of whole elements. Close it whatever comes back. */
static inline int open_column(PyObject *object, Py_ssize_t itemsize, Column *column) {
    column->view.obj = NULL;
    if (PyObject_GetBuffer(object, &column->view, PyBUF_SIMPLE)) return 0;
    column->any = column->view.buf;
    column->n = column->view.len / itemsize;
    if (column->n * itemsize == column->view.len) return 1;
    PyErr_SetString(PyExc_ValueError, "a column ends within an element");
    return 0;
}

/* Values and as many counts. */
static inline int open_histogram(PyObject *values, PyObject *counts, Py_ssize_t itemsize, Column columns[2]) {
    columns[0].view.obj = columns[1].view.obj = NULL;
    if (!open_column(values, itemsize, &columns[0]) || !open_column(counts, 8, &columns[1])) return 0;
    if (columns[0].n == columns[1].n) return 1;
    PyErr_SetString(PyExc_ValueError, "as many values as counts");
    return 0;
}

static inline void close_columns(Column *columns, int n) {
    for (int i = 0; i < n; i++)
        if (columns[i].view.obj) PyBuffer_Release(&columns[i].view);
}

static inline PyObject *new_column(Py_ssize_t n, Py_ssize_t itemsize, void **data) {
    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, n * itemsize);
    if (bytes) *data = PyByteArray_AsString(bytes);
    return bytes;
}

/* The first n elements as a memoryview that knows their type; takes the reference. */
static inline PyObject *finished(PyObject *bytes, Py_ssize_t n, Py_ssize_t itemsize, const char *format) {
    PyObject *view = NULL, *found = NULL;
    if (bytes && !PyByteArray_Resize(bytes, n * itemsize)) view = PyMemoryView_FromObject(bytes);
    if (view) found = PyObject_CallMethod(view, "cast", "s", format);
    Py_XDECREF(view);
    Py_XDECREF(bytes);
    return found;
}
