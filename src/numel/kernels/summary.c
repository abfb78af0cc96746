/* What does a histogram say? Ranks, counts beyond an edge, entropy, what int8 loses, and exact sums of powers, in C.
 *
 * twin_histogram.py holds the same functions in numpy, and both give the same bits.
 */
#include "columns.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef __SIZEOF_INT128__
#error "numel counts in numpy here"
#endif

#define N_SUMS 5 /* x, x2, x3, x4, |x| */

static PyObject *py_total(PyObject *self, PyObject *counts) {
    Column in;
    long long sum = 0;
    (void)self;
    int is_open = open_column(counts, 8, &in);
    for (Py_ssize_t i = 0; is_open && i < in.n; i++) sum += in.count[i];
    close_columns(&in, 1);
    return is_open ? PyLong_FromLongLong(sum) : NULL;
}

static PyObject *py_at_ranks(PyObject *self, PyObject *args) {
    PyObject *o_counts, *o_ranks, *found = NULL;
    Column in[2];
    (void)self;
    in[1].view.obj = NULL;
    if (!PyArg_ParseTuple(args, "OO", &o_counts, &o_ranks)) return NULL;
    int64_t *ends = NULL;
    if (open_column(o_counts, 8, &in[0]) && open_column(o_ranks, 8, &in[1])) {
        ends = malloc(8 * (size_t)in[0].n + 8);
        found = ends ? PyList_New(in[1].n) : PyErr_NoMemory();
    }
    if (found) {
        int64_t sum = 0;
        for (Py_ssize_t i = 0; i < in[0].n; i++) ends[i] = sum += in[0].count[i];
        for (Py_ssize_t k = 0; k < in[1].n; k++) {
            Py_ssize_t low = 0, high = in[0].n;
            while (low < high) {
                Py_ssize_t middle = (low + high) / 2;
                if (ends[middle] > in[1].count[k]) high = middle;
                else low = middle + 1;
            }
            PyList_SetItem(found, k, PyLong_FromSsize_t(low));
        }
    }
    free(ends);
    close_columns(in, 2);
    return found;
}

static PyObject *py_n_below(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts, *o_edges, *found = NULL;
    Column in[3];
    (void)self;
    in[2].view.obj = NULL;
    if (!PyArg_ParseTuple(args, "OOO", &o_values, &o_counts, &o_edges)) return NULL;
    if (open_histogram(o_values, o_counts, 8, in) && open_column(o_edges, 8, &in[2])) found = PyList_New(in[2].n);
    long long sum = 0;
    for (Py_ssize_t k = 0, i = 0; found && k < in[2].n; k++) {
        while (i < in[0].n && in[0].real[i] < in[2].real[k]) sum += in[1].count[i++];
        PyList_SetItem(found, k, PyLong_FromLongLong(sum));
    }
    close_columns(in, 3);
    return found;
}

static PyObject *py_n_beyond(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts;
    double middle, distance;
    Column in[2];
    long long n = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOdd", &o_values, &o_counts, &middle, &distance)) return NULL;
    int is_open = open_histogram(o_values, o_counts, 8, in);
    for (Py_ssize_t i = 0; is_open && i < in[0].n; i++)
        if (fabs(in[0].real[i] - middle) > distance) n += in[1].count[i];
    close_columns(in, 2);
    return is_open ? PyLong_FromLongLong(n) : NULL;
}

static PyObject *py_entropy_terms(PyObject *self, PyObject *args) {
    PyObject *o_counts, *bytes = NULL;
    long long n;
    Column in;
    double *term;
    (void)self;
    if (!PyArg_ParseTuple(args, "OL", &o_counts, &n)) return NULL;
    if (open_column(o_counts, 8, &in)) bytes = new_column(in.n, 8, (void **)&term);
    for (Py_ssize_t i = 0; bytes && i < in.n; i++) {
        double share = (double)in.count[i] / (double)n;
        term[i] = share * log2(share);
    }
    close_columns(&in, 1);
    return bytes ? finished(bytes, in.n, 8, "d") : NULL;
}

static PyObject *py_int8_terms(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts, *lost = NULL, *kept = NULL;
    double step, *gone, *left;
    Column in[2];
    (void)self;
    if (!PyArg_ParseTuple(args, "OOd", &o_values, &o_counts, &step)) return NULL;
    if (open_histogram(o_values, o_counts, 8, in)) {
        lost = new_column(in[0].n, 8, (void **)&gone);
        kept = lost ? new_column(in[0].n, 8, (void **)&left) : NULL;
    }
    Py_ssize_t n = in[0].n;
    for (Py_ssize_t i = 0; kept && i < n; i++) {
        double x = in[0].real[i], noise = (x - rint(x / step) * step) / step, size = x / step;
        gone[i] = (double)in[1].count[i] * noise * noise;
        left[i] = (double)in[1].count[i] * size * size;
    }
    close_columns(in, 2);
    if (!kept) {
        Py_XDECREF(lost);
        return NULL;
    }
    return Py_BuildValue("NN", finished(lost, n, 8, "d"), finished(kept, n, 8, "d"));
}

/* ---- sums of powers, exactly ---- */

typedef unsigned __int128 Wide;

static PyObject *big(Wide x, int is_negative) {
    PyObject *high = PyLong_FromUnsignedLongLong((uint64_t)(x >> 64)), *low = PyLong_FromUnsignedLongLong((uint64_t)x);
    PyObject *bits = PyLong_FromLong(64), *shifted = NULL, *found = NULL;
    if (high && low && bits) shifted = PyNumber_Lshift(high, bits);
    if (shifted) found = PyNumber_Or(shifted, low);
    if (found && is_negative) {
        PyObject *turned = PyNumber_Negative(found);
        Py_DECREF(found);
        found = turned;
    }
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(bits);
    Py_XDECREF(shifted);
    return found;
}

/* Adds (which sum, exponent, integer) for each sum of one run of equal exponents. */
static int append_sums(PyObject *found, const Wide sums[N_SUMS], int exponent, int is_negative) {
    for (int k = 0; k < N_SUMS; k++) {
        int power = k < 4 ? k + 1 : 1;
        PyObject *one = Py_BuildValue("iiN", k, power * exponent, big(sums[k], is_negative && (k == 0 || k == 2)));
        if (!one || PyList_Append(found, one)) {
            Py_XDECREF(one);
            return -1;
        }
        Py_DECREF(one);
    }
    return 0;
}

static int n_bits(uint64_t x) { return x ? 64 - __builtin_clzll(x) : 0; }

/* |x| = mantissa * 2^exponent */
static uint64_t mantissa_of(double x, int *exponent) {
    uint64_t bits, fraction;
    memcpy(&bits, &x, 8);
    int biased = bits >> 52 & 2047;
    fraction = bits & (((uint64_t)1 << 52) - 1);
    *exponent = biased ? biased - 1075 : -1074;
    return biased ? fraction | (uint64_t)1 << 52 : fraction;
}

static PyObject *sums_of(const double *values, const int64_t *counts, Py_ssize_t n) {
    uint64_t common = 0, total = 0;
    int exponent;
    for (Py_ssize_t i = 0; i < n; i++) {
        common |= mantissa_of(values[i], &exponent);
        total += (uint64_t)counts[i];
    }
    int spare = common ? __builtin_ctzll(common) : 0; /* a bfloat16 needs 8 bits of the 53 */
    if (4 * (n_bits(common) - spare) + n_bits(total) > 126) Py_RETURN_NONE;
    PyObject *found = PyList_New(0);
    Wide sums[N_SUMS] = {0};
    int before = 0, was_negative = 0, any = 0;
    for (Py_ssize_t i = 0; found && i < n; i++) {
        if (values[i] == 0 || !counts[i]) continue;
        uint64_t m = mantissa_of(values[i], &exponent) >> spare;
        int is_negative = values[i] < 0;
        if (any && (exponent != before || is_negative != was_negative)) {
            if (append_sums(found, sums, before + spare, was_negative)) Py_CLEAR(found);
            memset(sums, 0, sizeof sums);
        }
        before = exponent, was_negative = is_negative, any = 1;
        Wide term = (Wide)m * (uint64_t)counts[i];
        sums[4] += term;
        for (int k = 0; k < 4; k++, term *= m) sums[k] += term;
    }
    if (found && any && append_sums(found, sums, before + spare, was_negative)) Py_CLEAR(found);
    return found;
}

static PyObject *py_power_sums(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts, *found = NULL;
    Column in[2];
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &o_values, &o_counts)) return NULL;
    if (open_histogram(o_values, o_counts, 8, in)) found = sums_of(in[0].real, in[1].count, in[0].n);
    close_columns(in, 2);
    return found;
}

PyMethodDef SUMMARY_METHODS[] = {
    {"total", py_total, METH_O, "The sum of counts."},
    {"at_ranks", py_at_ranks, METH_VARARGS, "At which index of a histogram each rank lies."},
    {"n_below", py_n_below, METH_VARARGS, "How many values are less than each of ascending edges."},
    {"n_beyond", py_n_beyond, METH_VARARGS, "How many values are further than a distance from a middle."},
    {"entropy_terms", py_entropy_terms, METH_VARARGS, "p log2 p of each share p of n."},
    {"int8_terms", py_int8_terms, METH_VARARGS, "The squares lost and kept by rounding to steps, in steps."},
    {"power_sums", py_power_sums, METH_VARARGS, "Exact sums as (which, exponent, integer); None for too many bits."},
    {NULL, NULL, 0, NULL},
};
