/* Which values do counts stand for? Histograms of float64, gathered from patterns, ordered and merged in C.
 *
 * A histogram is two columns: `values`, ascending, and `counts`, how often each occurs. twin_histogram.py holds the same
 * functions in numpy, and both give the same bits; here they spare `numel values` the import of numpy, which takes longer
 * than to count 256 MiB.
 */
#include "columns.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_PATTERNS 65536
#define F32_SHIFT 12
#define F64_SHIFT 44
#define F32_BINS (1 << 20)
#define MOST_SMALL (1 << 16) /* elements of a tensor whose values are all kept */

/* ---- out of patterns ---- */

static double of_half(uint32_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

static double of_f32(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return (double)x;
}

static PyObject *py_halves(PyObject *self, PyObject *args) {
    int is_bfloat;
    double *values;
    (void)self;
    if (!PyArg_ParseTuple(args, "p", &is_bfloat)) return NULL;
    PyObject *bytes = new_column(N_PATTERNS, 8, (void **)&values);
    for (uint32_t i = 0; bytes && i < N_PATTERNS; i++) values[i] = is_bfloat ? of_f32(i << 16) : of_half(i);
    return finished(bytes, N_PATTERNS, 8, "d");
}

static PyObject *py_occurring(PyObject *self, PyObject *work) {
    Column table;
    PyObject *bins = NULL, *counts = NULL;
    uint32_t *bin;
    int64_t *count;
    Py_ssize_t n = 0, at = 0;
    (void)self;
    if (!open_column(work, 4, &table)) {
        close_columns(&table, 1);
        return NULL;
    }
    Py_ssize_t size = table.n < F32_BINS ? table.n : F32_BINS;
    for (Py_ssize_t i = 0; i < size; i++) n += table.bin[i] != 0;
    bins = new_column(n, 4, (void **)&bin);
    counts = bins ? new_column(n, 8, (void **)&count) : NULL;
    for (Py_ssize_t i = 0; counts && i < size; i++)
        if (table.bin[i]) {
            bin[at] = (uint32_t)i;
            count[at++] = table.bin[i];
        }
    close_columns(&table, 1);
    if (!counts) {
        Py_XDECREF(bins);
        return NULL;
    }
    return Py_BuildValue("NN", finished(bins, n, 4, "I"), finished(counts, n, 8, "q"));
}

/* Patterns of F32 in the order of their values, by eleven bits at a time. */
static uint32_t *sorted_f32(uint32_t *from, uint32_t *to, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) from[i] ^= from[i] >> 31 ? 0xffffffff : 0x80000000;
    for (int shift = 0; shift < 33; shift += 11) {
        uint32_t starts[2049] = {0};
        for (Py_ssize_t i = 0; i < n; i++) starts[(from[i] >> shift & 2047) + 1]++;
        for (int i = 0; i < 2048; i++) starts[i + 1] += starts[i];
        for (Py_ssize_t i = 0; i < n; i++) to[starts[from[i] >> shift & 2047]++] = from[i];
        uint32_t *other = from;
        from = to;
        to = other;
    }
    for (Py_ssize_t i = 0; i < n; i++) from[i] ^= from[i] >> 31 ? 0x80000000 : 0xffffffff;
    return from;
}

static PyObject *py_distinct_f32(PyObject *self, PyObject *raw) {
    Column column;
    PyObject *values = NULL, *counts = NULL;
    double *value = NULL;
    int64_t *count = NULL;
    uint32_t used = 0, *work = NULL;
    Py_ssize_t n = 0;
    (void)self;
    if (!open_column(raw, 4, &column)) {
        close_columns(&column, 1);
        return NULL;
    }
    if (column.n > MOST_SMALL) {
        PyErr_SetString(PyExc_ValueError, "distinct_f32(bytes of 65,536 elements at most)");
    } else {
        work = malloc(8 * (size_t)column.n + 8);
        values = work ? new_column(column.n, 8, (void **)&value) : PyErr_NoMemory();
        counts = values ? new_column(column.n, 8, (void **)&count) : NULL;
    }
    if (counts) {
        memcpy(work, column.any, 4 * (size_t)column.n);
        uint32_t *bits = sorted_f32(work, work + column.n, column.n);
        for (Py_ssize_t i = 0; i < column.n; i++) {
            if ((bits[i] & 0x7fffffff) < 0x7f800000) used |= bits[i];
            if (i && bits[i] == bits[i - 1]) {
                count[n - 1]++;
            } else {
                value[n] = of_f32(bits[i]);
                count[n++] = 1;
            }
        }
    }
    free(work);
    close_columns(&column, 1);
    if (!counts) {
        Py_XDECREF(values);
        return NULL;
    }
    return Py_BuildValue("NNk", finished(values, n, 8, "d"), finished(counts, n, 8, "q"), (unsigned long)used);
}

static PyObject *py_of_f32_bins(PyObject *self, PyObject *args) {
    PyObject *o_bins, *o_counts, *values = NULL, *counts = NULL;
    long long zeros;
    int as_middles;
    Column in[2];
    double *value;
    int64_t *count;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOLp", &o_bins, &o_counts, &zeros, &as_middles)) return NULL;
    if (open_histogram(o_bins, o_counts, 4, in)) {
        values = new_column(in[0].n + 1, 8, (void **)&value);
        counts = values ? new_column(in[0].n + 1, 8, (void **)&count) : NULL;
    }
    Py_ssize_t n = in[0].n;
    if (counts) {
        int64_t left = zeros;
        for (Py_ssize_t i = 0; i < n; i++) {
            uint32_t bin = in[0].bin[i];
            value[i] = of_f32(bin << F32_SHIFT | (as_middles ? 1u << (F32_SHIFT - 1) : 0));
            count[i] = in[1].count[i];
            if (as_middles && !(bin & (F32_BINS / 2 - 1))) { /* the smallest numbers, and what is zero */
                int64_t taken = count[i] < left ? count[i] : left;
                count[i] -= taken;
                left -= taken;
            }
        }
        if (as_middles) {
            value[n] = 0;
            count[n++] = zeros;
        }
    }
    close_columns(in, 2);
    if (!counts) {
        Py_XDECREF(values);
        return NULL;
    }
    return Py_BuildValue("NN", finished(values, n, 8, "d"), finished(counts, n, 8, "q"));
}

/* ---- in order ---- */

typedef struct {
    double value;
    int64_t count;
} Pair;

static int by_value(const void *a, const void *b) {
    double x = ((const Pair *)a)->value, y = ((const Pair *)b)->value;
    return (x > y) - (x < y);
}

/* Patterns of floats ascend to the greatest, and go on with -0 downwards; integers go on with the least. */
static void sort(Pair *pairs, Py_ssize_t n) {
    Py_ssize_t first = 0;
    while (first < n && !signbit(pairs[first].value)) first++;
    int falls = 1, rises = 1, ascends = 1;
    for (Py_ssize_t i = 1; i < n; i++) {
        if (pairs[i - 1].value > pairs[i].value) ascends = 0;
        if (i < first ? pairs[i - 1].value > pairs[i].value : i > first && pairs[i - 1].value < pairs[i].value) falls = 0;
        if (i != first && pairs[i - 1].value > pairs[i].value) rises = 0;
    }
    for (Py_ssize_t i = first; i < n; i++) /* what has a sign may stand anywhere */
        if (!signbit(pairs[i].value)) falls = rises = 0;
    if (ascends) return;
    Pair *turned = falls || rises ? malloc((size_t)n * sizeof *turned) : NULL;
    if (!turned) {
        qsort(pairs, (size_t)n, sizeof *pairs, by_value);
        return;
    }
    for (Py_ssize_t i = first; i < n; i++) turned[falls ? n - 1 - i : i - first] = pairs[i];
    memcpy(turned + (n - first), pairs, (size_t)first * sizeof *pairs);
    memcpy(pairs, turned, (size_t)n * sizeof *pairs);
    free(turned);
}

static PyObject *py_gathered(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts, *values = NULL, *counts = NULL;
    Column in[2];
    Pair *pairs = NULL;
    double *value;
    int64_t *count, nan = 0, plus = 0, minus = 0;
    Py_ssize_t used = 0, n = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &o_values, &o_counts)) return NULL;
    if (open_histogram(o_values, o_counts, 8, in)) {
        for (Py_ssize_t i = 0; i < in[0].n; i++) used += in[1].count[i] != 0;
        pairs = malloc((size_t)(used + 1) * sizeof *pairs);
        if (!pairs) PyErr_NoMemory();
    }
    if (pairs) {
        used = 0;
        for (Py_ssize_t i = 0; i < in[0].n; i++) {
            double x = in[0].real[i];
            if (!in[1].count[i]) continue;
            if (isfinite(x)) pairs[used++] = (Pair){x, in[1].count[i]};
            else if (isnan(x)) nan += in[1].count[i];
            else if (x > 0) plus += in[1].count[i];
            else minus += in[1].count[i];
        }
        sort(pairs, used);
        values = new_column(used, 8, (void **)&value);
        counts = values ? new_column(used, 8, (void **)&count) : NULL;
    }
    for (Py_ssize_t i = 0; counts && i < used; i++) {
        if (n && pairs[i].value == value[n - 1]) { /* -0 and 0 above all */
            count[n - 1] += pairs[i].count;
        } else {
            value[n] = pairs[i].value + 0.0;
            count[n++] = pairs[i].count;
        }
    }
    free(pairs);
    close_columns(in, 2);
    if (!counts) {
        Py_XDECREF(values);
        return NULL;
    }
    return Py_BuildValue("NNLLL", finished(values, n, 8, "d"), finished(counts, n, 8, "q"), (long long)nan,
                         (long long)plus, (long long)minus);
}

/* Two columns that ascend as one, equal elements once with both counts. Each step takes an element, whatever they hold. */
#define MERGE(KIND, FIELD)                                                                      \
    do {                                                                                        \
        const KIND *a = in[0].FIELD, *b = in[2].FIELD;                                          \
        KIND *to = merged;                                                                      \
        while (i < in[0].n || j < in[2].n) {                                                    \
            int takes_a = j >= in[2].n || (i < in[0].n && !(a[i] > b[j]));                     \
            int takes_b = i >= in[0].n || (j < in[2].n && !(b[j] > a[i]));                     \
            to[n] = takes_a ? a[i] : b[j];                                                      \
            count[n++] = (takes_a ? in[1].count[i] : 0) + (takes_b ? in[3].count[j] : 0);       \
            i += takes_a;                                                                       \
            j += takes_b;                                                                       \
        }                                                                                       \
    } while (0)

static PyObject *merge(PyObject *args, Py_ssize_t itemsize, const char *format) {
    PyObject *o_a, *o_a_counts, *o_b, *o_b_counts, *elements = NULL, *counts = NULL;
    Column in[4];
    void *merged;
    int64_t *count;
    Py_ssize_t i = 0, j = 0, n = 0;
    if (!PyArg_ParseTuple(args, "OOOO", &o_a, &o_a_counts, &o_b, &o_b_counts)) return NULL;
    in[2].view.obj = in[3].view.obj = NULL;
    if (open_histogram(o_a, o_a_counts, itemsize, in) && open_histogram(o_b, o_b_counts, itemsize, in + 2)) {
        elements = new_column(in[0].n + in[2].n, itemsize, &merged);
        counts = elements ? new_column(in[0].n + in[2].n, 8, (void **)&count) : NULL;
    }
    if (counts) {
        if (itemsize == 8) MERGE(double, real);
        else MERGE(uint32_t, bin);
    }
    close_columns(in, 4);
    if (!counts) {
        Py_XDECREF(elements);
        return NULL;
    }
    return Py_BuildValue("NN", finished(elements, n, itemsize, format), finished(counts, n, 8, "q"));
}

static PyObject *py_merged(PyObject *self, PyObject *args) {
    (void)self;
    return merge(args, 8, "d");
}

static PyObject *py_joined(PyObject *self, PyObject *args) {
    (void)self;
    return merge(args, 4, "I");
}

static PyObject *py_added(PyObject *self, PyObject *args) {
    PyObject *o_a, *o_b, *bytes = NULL;
    Column in[2];
    int64_t *sum;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &o_a, &o_b)) return NULL;
    if (open_histogram(o_a, o_b, 8, in)) bytes = new_column(in[0].n, 8, (void **)&sum);
    for (Py_ssize_t i = 0; bytes && i < in[0].n; i++) sum[i] = in[0].count[i] + in[1].count[i];
    Py_ssize_t n = in[0].n;
    close_columns(in, 2);
    return bytes ? finished(bytes, n, 8, "q") : NULL;
}

static double coarse_f32(double x) {
    float narrow = (float)x;
    uint32_t bits;
    memcpy(&bits, &narrow, 4);
    if (bits & ((1 << F32_SHIFT) - 1)) bits = (bits >> F32_SHIFT << F32_SHIFT) | 1u << (F32_SHIFT - 1);
    return of_f32(bits);
}

static double coarse_f64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    if (bits & (((uint64_t)1 << F64_SHIFT) - 1)) bits = (bits >> F64_SHIFT << F64_SHIFT) | (uint64_t)1 << (F64_SHIFT - 1);
    memcpy(&x, &bits, 8);
    return x;
}

static PyObject *py_coarsened(PyObject *self, PyObject *args) {
    PyObject *o_values, *o_counts, *values = NULL, *counts = NULL;
    int is_f32;
    Column in[2];
    double *value;
    int64_t *count;
    Py_ssize_t n = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOp", &o_values, &o_counts, &is_f32)) return NULL;
    if (open_histogram(o_values, o_counts, 8, in)) {
        for (Py_ssize_t i = 0; i < in[0].n; i++) /* how many there will be, so that no more memory is taken */
            n += !i || (is_f32 ? coarse_f32(in[0].real[i]) != coarse_f32(in[0].real[i - 1])
                               : coarse_f64(in[0].real[i]) != coarse_f64(in[0].real[i - 1]));
        values = new_column(n, 8, (void **)&value);
        counts = values ? new_column(n, 8, (void **)&count) : NULL;
        n = 0;
    }
    for (Py_ssize_t i = 0; counts && i < in[0].n; i++) {
        double x = is_f32 ? coarse_f32(in[0].real[i]) : coarse_f64(in[0].real[i]);
        if (n && x == value[n - 1]) {
            count[n - 1] += in[1].count[i];
        } else {
            value[n] = x + 0.0;
            count[n++] = in[1].count[i];
        }
    }
    close_columns(in, 2);
    if (!counts) {
        Py_XDECREF(values);
        return NULL;
    }
    return Py_BuildValue("NN", finished(values, n, 8, "d"), finished(counts, n, 8, "q"));
}

PyMethodDef HISTOGRAM_METHODS[] = {
    {"halves", py_halves, METH_VARARGS, "The values of all patterns of BF16 (true) or F16."},
    {"occurring", py_occurring, METH_O, "The bins that sum_f32 left in work, and their counts."},
    {"distinct_f32", py_distinct_f32, METH_O, "The values of a few F32, their counts, and the bits that finite ones use."},
    {"of_f32_bins", py_of_f32_bins, METH_VARARGS, "The values that bins of F32 stand for, and their counts."},
    {"gathered", py_gathered, METH_VARARGS, "Values and counts in ascending order; NaN, +inf and -inf counted apart."},
    {"merged", py_merged, METH_VARARGS, "Two histograms as one."},
    {"joined", py_joined, METH_VARARGS, "Two lists of bins with their counts as one."},
    {"coarsened", py_coarsened, METH_VARARGS, "A histogram by the bins of F32 (true) or of F64."},
    {"added", py_added, METH_VARARGS, "The sums of two columns of counts."},
    {NULL, NULL, 0, NULL},
};
