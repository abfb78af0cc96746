/* How often does each bit pattern occur, and what are the power sums? The inner loops of `numel values` in C.
 *
 * One pass over the bytes of a tensor, out of a file (pread into one buffer that is used again and again: no page of new
 * memory, no mapping that dies with SIGBUS when the file shrinks) or out of memory, with the GIL released. twin.py holds
 * the same functions in numpy, and both give the same bits: the sums of F32 go over sixteen lanes in a fixed order, and
 * the compiler must not fuse a multiplication and an addition (-ffp-contract=off).
 *
 * Why four tables: two equal patterns behind each other wait for the same counter, which slows one table down sevenfold on
 * pruned or ternary weights. They are 64 bytes apart in the cache, or equal patterns would meet in the same set. Where a
 * sample shows no repeats, all four are one.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if !defined(__GNUC__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numel counts in numpy here"
#endif

#define VERSION 4 /* kernels/__init__.py asks for it */
#define N_PATTERNS 65536
#define TABLE (N_PATTERNS + 16) /* 64 bytes of padding */
#define READ_NBYTES (1 << 18)   /* of the buffer: 64 KiB to 1 MiB read equally fast, and this leaves room in L2 */
#define F32_SHIFT 12            /* sign, exponent and 11 bits of the fraction */
#define F32_BINS (1 << 20)
#define BLOCK (1 << 18) /* elements whose sums are added up in lanes; the blocks are joined exactly */
#define LANES 16
#define SHORT 16    /* elements of a lane that are added up plainly; what their sum joins keeps what rounding loses */
#define N_SUMS 11   /* of a block: d, d2, |x|, each with what rounding lost; d3, d4 (d = x - pivot), least, greatest, unit */
#define N_TALLIES 5 /* bits used, zeros, NaN, +inf, -inf */
#define AHEAD 4096  /* bytes: the hardware does not prefetch far enough past a loop that stores at random */

#define WORK_COUNT (4 * TABLE * 4 + READ_NBYTES)
#define WORK_F32 (F32_BINS * 4 + READ_NBYTES)

/* ---- where the bytes come from ---- */

typedef struct {
    int fd; /* -1: memory */
    const uint8_t *memory;
    uint8_t *buffer;
    int64_t offset;
    int64_t left;
} Bytes;

/* The next bytes, as many as the buffer holds; *nbytes is 0 at the end, -1 after an error. */
static const uint8_t *next_bytes(Bytes *from, int64_t *nbytes) {
    int64_t want = from->left < READ_NBYTES ? from->left : READ_NBYTES, got = 0;
    if (from->fd < 0) {
        const uint8_t *at = from->memory + from->offset;
        from->offset += want;
        from->left -= want;
        *nbytes = want;
        return at;
    }
    while (got < want) {
        ssize_t n = pread(from->fd, from->buffer + got, (size_t)(want - got), (off_t)(from->offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            *nbytes = -1;
            return NULL;
        }
        if (n == 0) break;
        got += n;
    }
    from->offset += got;
    from->left -= got;
    if (got < want) from->left = 0; /* the file ended */
    *nbytes = got;
    return from->buffer;
}

/* ---- 8 and 16 bits ---- */

static inline uint64_t load64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

#define COUNT4(w)                      \
    do {                               \
        t0[(uint16_t)(w)]++;           \
        t1[(uint16_t)((w) >> 16)]++;   \
        t2[(uint16_t)((w) >> 32)]++;   \
        t3[(uint16_t)((w) >> 48)]++;   \
    } while (0)

#define SAMPLE 4096 /* bytes */

/* Whether equal patterns stand near each other, so that one table would wait for its own counters. */
static int has_repeats(const uint8_t *p, int64_t nbytes) {
    uint16_t v[SAMPLE / 2];
    int n = (int)((nbytes < SAMPLE ? nbytes : SAMPLE) / 2), found = 0;
    memcpy(v, p, 2 * (size_t)n);
    for (int apart = 1; apart <= 4; apart++)
        for (int i = 0; i + apart < n; i++) found += v[i] == v[i + apart];
    return found > n / 16;
}

static void count16(const uint8_t *p, int64_t nbytes, uint32_t *tables) {
    int step = has_repeats(p, nbytes) ? TABLE : 0; /* one table stays in the nearest cache: float16 counts twice as fast */
    uint32_t *t0 = tables, *t1 = tables + step, *t2 = tables + 2 * step, *t3 = tables + 3 * step;
    const uint8_t *end = p + (nbytes & ~(int64_t)63);
    for (; p < end; p += 64) {
        uint64_t w[8];
        __builtin_prefetch(p + AHEAD);
        memcpy(w, p, 64);
        uint64_t differ = w[0] ^ (w[0] << 16 | w[0] >> 48);
        for (int i = 1; i < 8; i++) differ |= w[0] ^ w[i];
        if (!differ) {
            t0[(uint16_t)w[0]] += 32;
            continue;
        }
        for (int i = 0; i < 8; i++) COUNT4(w[i]);
    }
    for (int64_t i = 0; i + 2 <= (nbytes & 63); i += 2) t0[p[i] | (uint32_t)p[i + 1] << 8]++;
}

#define FEW (1 << 18) /* bytes: to clear and add up four tables would take longer than to count them */

/* The same for a small tensor, into the result itself. */
static int64_t count_few(Bytes *from, int itemsize, uint64_t *counts) {
    int64_t done = 0, nbytes;
    while (from->left > 0) {
        const uint8_t *p = next_bytes(from, &nbytes);
        if (nbytes < 0) return -1;
        if (nbytes == 0) break;
        if (itemsize == 1)
            for (int64_t i = 0; i < nbytes; i++) counts[p[i]]++;
        else
            for (int64_t i = 0; i + 2 <= nbytes; i += 2) counts[p[i] | (uint32_t)p[i + 1] << 8]++;
        done += nbytes;
    }
    return done;
}

/* Adds the patterns of `from` to `counts` (256 or 65,536 of 64 bits); the bytes read, -1 after an error. */
static int64_t count(Bytes *from, int itemsize, uint32_t *tables, uint64_t *counts) {
    int64_t done = 0, nbytes;
    if (from->left <= FEW) return count_few(from, itemsize, counts);
    memset(tables, 0, 4 * TABLE * sizeof *tables);
    while (from->left > 0) {
        const uint8_t *p = next_bytes(from, &nbytes);
        if (nbytes < 0) return -1;
        if (nbytes == 0) break;
        count16(p, nbytes, tables);
        if (nbytes & 1) {
            if (itemsize == 1) counts[p[nbytes - 1]]++;
        }
        done += nbytes;
    }
    for (int i = 0; i < N_PATTERNS; i++) {
        uint64_t n = (uint64_t)tables[i] + tables[i + TABLE] + tables[i + 2 * TABLE] + tables[i + 3 * TABLE];
        if (itemsize == 2) {
            counts[i] += n;
        } else if (n) { /* a pair of bytes */
            counts[i & 255] += n;
            counts[i >> 8] += n;
        }
    }
    return done;
}

/* ---- F32: 20 bits of the pattern, and sums of powers about a pivot ---- */

typedef double vd __attribute__((vector_size(64)));
typedef float vf __attribute__((vector_size(64)));
typedef float vh __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));

typedef struct {
    vd d1[2], lost1[2], d2[2], lost2[2], size[2], lost_size[2], d3[2], d4[2];
    vf least, greatest;
} Lanes;

typedef struct {
    uint32_t used;
    uint64_t zeros, nan, plus_inf, minus_inf;
} Tally;

/* sum + x, and what its rounding lost: together they are exact (Knuth, "The Art of Computer Programming", 4.2.2) */
#define ADD(KIND, sum, lost, x)                                 \
    do {                                                        \
        KIND before = (sum), more = (x), after = before + more; \
        KIND part = after - before;                             \
        (lost) += (before - (after - part)) + (more - part);    \
        (sum) = after;                                          \
    } while (0)

/* The sums of a few elements of each lane join the exact ones, and begin anew. */
#define JOIN(l, few1, few2, few_sizes)                         \
    for (int h = 0; h < 2; h++) {                              \
        ADD(vd, (l).d1[h], (l).lost1[h], few1[h]);             \
        ADD(vd, (l).d2[h], (l).lost2[h], few2[h]);             \
        ADD(vd, (l).size[h], (l).lost_size[h], few_sizes[h]);  \
        few1[h] = few2[h] = few_sizes[h] = (vd){0};            \
    }

static void reset(Lanes *lanes) {
    memset(lanes, 0, sizeof *lanes);
    for (int i = 0; i < LANES; i++) {
        lanes->least[i] = INFINITY;
        lanes->greatest[i] = -INFINITY;
    }
}

/* Elements one by one, lane after lane from the first: the tail of a block, and what holds a NaN or an infinity. */
static void add_slowly(const uint8_t *p, int64_t n, double pivot, Lanes *lanes, Tally *tally) {
    vd d1[2] = {{0}}, d2[2] = {{0}}, sizes[2] = {{0}};
    for (int64_t i = 0; i < n; i++) {
        if (i && i % (SHORT * LANES) == 0) JOIN(*lanes, d1, d2, sizes)
        uint32_t bits;
        float x;
        int lane = (int)(i % LANES), half = lane / 8, at = lane % 8;
        memcpy(&bits, p + 4 * i, 4);
        memcpy(&x, &bits, 4);
        uint32_t size = bits & 0x7fffffff;
        if (size >= 0x7f800000) {
            if (size > 0x7f800000) tally->nan++;
            else if (bits >> 31) tally->minus_inf++;
            else tally->plus_inf++;
            continue;
        }
        double d = (double)x - pivot, dd = d * d;
        d1[half][at] += d;
        d2[half][at] += dd;
        lanes->d3[half][at] += dd * d;
        lanes->d4[half][at] += dd * dd;
        sizes[half][at] += fabs((double)x);
        if (x < lanes->least[lane]) lanes->least[lane] = x;
        if (x > lanes->greatest[lane]) lanes->greatest[lane] = x;
        tally->used |= bits;
        tally->zeros += size == 0;
    }
    JOIN(*lanes, d1, d2, sizes)
}

/* Where `mask` holds `a`, else `b`: vectors have no ?: in C. */
#define CHOOSE(mask, a, b) ((vf)(((mask) & (vi)(a)) | (~(mask) & (vi)(b))))

/* A multiple of 16 elements, at most 4,096: counted and summed in one go. 1 when one of them is not finite: then the
 * patterns are counted and the sums are not to be used. */
static inline __attribute__((always_inline)) int add_quickly(
    const uint8_t *p, int64_t n, double pivot, uint32_t *table, Lanes *to, Tally *tally) {
    Lanes l = *to;
    vd about;
    for (int i = 0; i < 8; i++) about[i] = pivot;
    vu used = {0};
    vi zeros = {0}, odd = {0};
    vd d1[2] = {{0}}, d2[2] = {{0}}, sizes[2] = {{0}};
    for (int64_t i = 0; i < n; i += LANES, p += 64) {
        vu bits;
        vf x;
        vh half[2], size_half[2];
        __builtin_prefetch(p + AHEAD);
        memcpy(&bits, p, 64);
        memcpy(&x, p, 64);
        memcpy(half, p, 64);
        vu size = bits & 0x7fffffff;
        memcpy(size_half, &size, 64);
        for (int j = 0; j < LANES / 2; j++) { /* loaded once more: bins that go through a vector and back take 1.4 times as long */
            uint64_t two = load64(p + 8 * j);
            table[(uint32_t)two >> F32_SHIFT]++;
            table[two >> (32 + F32_SHIFT)]++;
        }
        used |= bits;
        odd |= (vi)size >= 0x7f800000;
        zeros -= (vi)size == 0;
        l.least = CHOOSE(x < l.least, x, l.least);
        l.greatest = CHOOSE(x > l.greatest, x, l.greatest);
        for (int h = 0; h < 2; h++) {
            vd v = __builtin_convertvector(half[h], vd), size_of = __builtin_convertvector(size_half[h], vd);
            vd d = v - about, dd = d * d;
            d1[h] += d;
            d2[h] += dd;
            l.d3[h] += dd * d;
            l.d4[h] += dd * dd;
            sizes[h] += size_of;
        }
        if ((i / LANES + 1) % SHORT == 0 || i + LANES == n) JOIN(l, d1, d2, sizes)
    }
    uint32_t bits = 0;
    uint64_t nothing = 0;
    int32_t any = 0;
    for (int j = 0; j < LANES; j++) {
        bits |= used[j];
        nothing += (uint64_t)zeros[j];
        any |= odd[j];
    }
    if (any) return 1;
    *to = l;
    tally->used |= bits;
    tally->zeros += nothing;
    return 0;
}

typedef int (*Quick)(const uint8_t *, int64_t, double, uint32_t *, Lanes *, Tally *);

static int quick_plain(const uint8_t *p, int64_t n, double pivot, uint32_t *table, Lanes *lanes, Tally *tally) {
    return add_quickly(p, n, pivot, table, lanes, tally);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static int quick_avx2(
    const uint8_t *p, int64_t n, double pivot, uint32_t *table, Lanes *lanes, Tally *tally) {
    return add_quickly(p, n, pivot, table, lanes, tally);
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static int quick_avx512(
    const uint8_t *p, int64_t n, double pivot, uint32_t *table, Lanes *lanes, Tally *tally) {
    return add_quickly(p, n, pivot, table, lanes, tally);
}
#endif

static Quick quick = quick_plain;
static const char *level = "plain";

static void choose_level(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        quick = quick_avx512;
        level = "avx512";
    } else if (__builtin_cpu_supports("avx2")) {
        quick = quick_avx2;
        level = "avx2";
    }
#endif
}

static double folded(const vd sums[2]) {
    double lane[LANES];
    memcpy(lane, sums, sizeof lane);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* The same, and what rounding lost. */
static void fold(const vd sums[2], const vd losses[2], double *to) {
    double lane[LANES], lost[LANES];
    memcpy(lane, sums, sizeof lane);
    memcpy(lost, losses, sizeof lost);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) {
            lost[i] += lost[i + half];
            ADD(double, lane[i], lost[i], lane[i + half]);
        }
    to[0] = lane[0];
    to[1] = lost[0];
}

static void close_block(Lanes *lanes, double *sums) {
    fold(lanes->d1, lanes->lost1, sums);
    fold(lanes->d2, lanes->lost2, sums + 2);
    fold(lanes->size, lanes->lost_size, sums + 4);
    sums[6] = folded(lanes->d3);
    sums[7] = folded(lanes->d4);
    float least = lanes->least[0], greatest = lanes->greatest[0];
    for (int i = 1; i < LANES; i++) {
        if (lanes->least[i] < least) least = lanes->least[i];
        if (lanes->greatest[i] > greatest) greatest = lanes->greatest[i];
    }
    sums[8] = least;
    sums[9] = greatest;
    sums[10] = 0; /* the unit is 2^0 */
    reset(lanes);
}

#define GROUP 4096 /* elements: a NaN has so many summed again */

static int64_t sum_f32(Bytes *from, double pivot, uint32_t *table, double *sums, Tally *tally) {
    int64_t done = 0, in_block = 0, nbytes;
    Lanes lanes;
    reset(&lanes);
    while (from->left > 0) {
        const uint8_t *p = next_bytes(from, &nbytes);
        if (nbytes < 0) return -1;
        if (nbytes == 0) break;
        int64_t n = nbytes / 4;
        for (int64_t i = 0; i < n;) {
            int64_t m = n - i < GROUP ? n - i : GROUP, whole = m & ~(int64_t)(LANES - 1);
            if (whole && quick(p + 4 * i, whole, pivot, table, &lanes, tally))
                add_slowly(p + 4 * i, whole, pivot, &lanes, tally);
            if (m > whole) { /* the end of the tensor */
                add_slowly(p + 4 * (i + whole), m - whole, pivot, &lanes, tally);
                for (int64_t k = i + whole; k < i + m; k++) {
                    uint32_t bits;
                    memcpy(&bits, p + 4 * k, 4);
                    table[bits >> F32_SHIFT]++;
                }
            }
            i += m;
            in_block += m;
            if (in_block == BLOCK) {
                close_block(&lanes, sums);
                sums += N_SUMS;
                in_block = 0;
            }
        }
        done += nbytes;
    }
    if (in_block) close_block(&lanes, sums);
    return done;
}

/* ---- what Python calls ---- */

static int fail(PyObject *kind, const char *message) {
    PyErr_SetString(kind, message);
    return -1;
}

/* `source` is a file's number, or something with bytes that stays where it is (view). */
static int take(PyObject *source, int64_t offset, int64_t nbytes, uint8_t *buffer, Bytes *from, Py_buffer *view) {
    from->fd = -1;
    from->memory = NULL;
    from->buffer = buffer;
    from->offset = offset;
    from->left = nbytes;
    view->obj = NULL;
    if (offset < 0 || nbytes < 0) return fail(PyExc_ValueError, "a range has no negative numbers");
    if (PyLong_Check(source)) {
        from->fd = (int)PyLong_AsLong(source);
        if (from->fd == -1 && PyErr_Occurred()) return -1;
        return from->fd < 0 ? fail(PyExc_ValueError, "the file is closed") : 0;
    }
    if (PyObject_GetBuffer(source, view, PyBUF_SIMPLE)) return -1;
    from->memory = view->buf;
    if (offset > view->len - nbytes) return fail(PyExc_ValueError, "the range is longer than the bytes");
    return 0;
}

static void release(Py_buffer *views, int n) {
    for (int i = 0; i < n; i++)
        if (views[i].obj) PyBuffer_Release(&views[i]);
}

static PyObject *py_count(PyObject *self, PyObject *args) {
    PyObject *source, *o_work, *o_counts;
    long long offset, nbytes, done = -1;
    int itemsize;
    Py_buffer views[3] = {{0}};
    Bytes from;
    (void)self;
    if (!PyArg_ParseTuple(args, "OLLiOO", &source, &offset, &nbytes, &itemsize, &o_work, &o_counts)) return NULL;
    if (PyObject_GetBuffer(o_work, &views[0], PyBUF_WRITABLE)) goto end;
    if (PyObject_GetBuffer(o_counts, &views[1], PyBUF_WRITABLE)) goto end;
    if ((itemsize != 1 && itemsize != 2) || views[0].len < WORK_COUNT || nbytes > ((int64_t)1 << 32) ||
        views[1].len < (itemsize == 1 ? 256 : N_PATTERNS) * 8) {
        fail(PyExc_ValueError, "count(source, offset, nbytes <= 4 GiB, 1 or 2, work, counts): too small, or too large");
        goto end;
    }
    uint32_t *tables = views[0].buf;
    if (take(source, offset, nbytes, (uint8_t *)(tables + 4 * TABLE), &from, &views[2])) goto end;
    Py_BEGIN_ALLOW_THREADS;
    done = count(&from, itemsize, tables, views[1].buf);
    Py_END_ALLOW_THREADS;
    if (done < 0) PyErr_SetFromErrno(PyExc_OSError);
end:
    release(views, 3);
    return done < 0 ? NULL : PyLong_FromLongLong(done);
}

static PyObject *py_sum_f32(PyObject *self, PyObject *args) {
    PyObject *source, *o_work, *o_sums;
    long long offset, nbytes, done = -1;
    double pivot;
    Py_buffer views[3] = {{0}};
    Bytes from;
    Tally tally = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OLLdOO", &source, &offset, &nbytes, &pivot, &o_work, &o_sums)) return NULL;
    if (PyObject_GetBuffer(o_work, &views[0], PyBUF_WRITABLE)) goto end;
    if (PyObject_GetBuffer(o_sums, &views[1], PyBUF_WRITABLE)) goto end;
    if (views[0].len < WORK_F32 || nbytes % 4 || nbytes > ((int64_t)1 << 33) ||
        views[1].len < (nbytes / 4 + BLOCK - 1) / BLOCK * N_SUMS * 8) {
        fail(PyExc_ValueError, "sum_f32(source, offset, nbytes <= 8 GiB, pivot, work, sums): too small, or too large");
        goto end;
    }
    uint32_t *table = views[0].buf;
    if (take(source, offset, nbytes, (uint8_t *)(table + F32_BINS), &from, &views[2])) goto end;
    Py_BEGIN_ALLOW_THREADS;
    memset(table, 0, F32_BINS * sizeof *table);
    done = sum_f32(&from, pivot, table, views[1].buf, &tally);
    Py_END_ALLOW_THREADS;
    if (done < 0) PyErr_SetFromErrno(PyExc_OSError);
end:
    release(views, 3);
    if (done < 0) return NULL;
    return Py_BuildValue("LkKKKK", done, (unsigned long)tally.used, tally.zeros, tally.nan, tally.plus_inf,
                         tally.minus_inf);
}

extern PyMethodDef HISTOGRAM_METHODS[], SUMMARY_METHODS[]; /* of histogram.c and summary.c */

static PyMethodDef METHODS[] = {
    {"count", py_count, METH_VARARGS, "Add how often each pattern of 8 or 16 bits occurs to counts; the bytes read."},
    {"sum_f32", py_sum_f32, METH_VARARGS, "Count 20 bits of each F32 and sum powers; the bytes read, and tallies."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "numel.kernels.native", NULL, -1, METHODS, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit_native(void) {
    choose_level();
    PyObject *module = PyModule_Create(&MODULE);
    if (module && (PyModule_AddStringConstant(module, "LEVEL", level) || PyModule_AddIntConstant(module, "VERSION", VERSION) ||
                   PyModule_AddFunctions(module, HISTOGRAM_METHODS) || PyModule_AddFunctions(module, SUMMARY_METHODS))) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
