// Attention tile by tile, in registers: the C++ behind kernels/tiled.py. No headers of PyTorch: kernels/native.py builds
// this file, and hands over addresses and strides.
//
// One lane of a vector is one query. A panel is a few vectors of queries, turned: "dim query", the query as the fast
// axis. Then all of attention is one small matrix product, `multiply`, whose left factor is read number by number and
// needs no order in memory, and whose right factor is a panel:
//
//     scores "key query" = keys "key dim" · panel "dim query"        out "value query" += values "value key" · weights
//
// Keys and values are read where they lie. A key is a row of the left factor, so hidden keys (padding, blocks that are
// not listed) are left out of the list of keys that a tile of queries looks at, and cost nothing. What differs from
// query to query, the causal limit and the softmax's maximum and sum, is a vector.
//
// T computes: float or double. E is what the tensors hold: T, or bfloat16 under float. PAIRS: bfloat16 numbers are
// multiplied two at a time along the summed axis, two in the place of one float.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "problem.h"
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int BYTES = 64, WIDE = 4;  // of a vector; vectors in a panel, at most
#elif defined(__AVX__)
constexpr int BYTES = 32, WIDE = 2;
#else
constexpr int BYTES = 16, WIDE = 4;
#endif
constexpr int TILE = 64, FEW = 4;  // keys; queries that are worth no panel
constexpr double LOG2E = 1.4426950408889634, SLACK = 6;  // softmax lets weights grow to e⁶ before it rescales

// ---- Vectors

template <class T>
struct Simd {
    typedef T vec __attribute__((vector_size(BYTES)));
    typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> whole;
    typedef whole ints __attribute__((vector_size(BYTES)));
};
template <class T> using Vec = typename Simd<T>::vec;
template <class T> using Ints = typename Simd<T>::ints;
template <class T> constexpr int LANES = BYTES / sizeof(T);
template <int N> constexpr int ROWS = N == 4 ? 4 : N == 2 && BYTES == 32 ? 6 : 8;  // of the left factor, at a time
template <int N> constexpr int HALF = N == 4 ? 2 : 4;                               // where few are left; even, for PAIRS

#define INLINE __attribute__((always_inline)) static inline
#define EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < count; i++)
// Keeps GCC from reading the number again at each use: four loads in place of sixteen, a quarter more speed.
#if defined(__x86_64__)
#define IN_REGISTER(x) asm("" : "+v"(x))
#elif defined(__aarch64__)
#define IN_REGISTER(x) asm("" : "+w"(x))
#else
#define IN_REGISTER(x)
#endif

template <class T> static inline Vec<T> load(const T* p) {
    Vec<T> x;
    memcpy(&x, p, BYTES);
    return x;
}
template <class T> static inline void store(T* p, Vec<T> x) { memcpy(p, &x, BYTES); }
template <class T> static inline Vec<T> spread(T x) { return x - Vec<T>{}; }

template <class T>
static inline Vec<T> exp(Vec<T> x) {  // 2^(x log2 e) = 2^whole · 2^f
    constexpr bool SINGLE = sizeof(T) == 4;
    constexpr T MOST = SINGLE ? 128 : 1024, MAGIC = SINGLE ? 12582912. : 6755399441055744.;  // 1.5 · 2²³, 1.5 · 2⁵²
    constexpr T LN2 = 0.6931471805599453;
    x = x < (1 - MOST) * LN2 ? spread<T>((1 - MOST) * LN2) : x;  // NaN stays NaN
    x = x > MOST * LN2 ? spread<T>(MOST * LN2) : x;
    Vec<T> z = x * T(LOG2E);
    Vec<T> places = z + MAGIC, whole = places - MAGIC, y;  // the sum has no room for a fraction
    if (SINGLE) {  // 2^f: minimax on ±½ with error 9e-8, and exp(0) = 1
        Vec<T> f = z - whole;
        y = spread<T>(1.326472731e-3);
        for (double c : {9.671512991e-3, 5.550733581e-2, 2.402224243e-1, 6.931470037e-1, 1.}) y = y * f + T(c);
    } else {  // e^r for r = x − whole · ln 2: Taylor, error 4e-18
        Vec<T> r = x - whole * T(0.693147180369123816490) - whole * T(1.90821492927058770002e-10);
        y = spread<T>(1 / 6227020800.);
        for (double c : {1 / 479001600., 1 / 39916800., 1 / 3628800., 1 / 362880., 1 / 40320., 1 / 5040., 1 / 720.,
                         1 / 120., 1 / 24., 1 / 6., 1 / 2., 1., 1.})
            y = y * r + T(c);
    }
    constexpr int MANTISSA = SINGLE ? 23 : 52;  // exponents 0 and all ones are 0 and ∞
    Ints<T> power = ((Ints<T>)places + (typename Simd<T>::whole)(MOST - 1)) << MANTISSA;
    return y * (Vec<T>)power;
}

template <class T> static inline Vec<T> sigmoid(Vec<T> x) { return T(1) / (T(1) + exp<T>(-x)); }
template <class T> static inline Vec<T> larger(Vec<T> x, Vec<T> y) { return x > y ? x : y; }

template <class T>
static inline bool any(Ints<T> mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX__)
    return _mm256_movemask_ps((__m256)mask);
#else
    bool seen = false;
    for (int i = 0; i < LANES<T>; i++) seen |= mask[i] != 0;
    return seen;
#endif
}

struct Bf16 {
    uint16_t bits;
};
static inline float wide(Bf16 x) {
    uint32_t bits = uint32_t(x.bits) << 16;
    float y;
    memcpy(&y, &bits, 4);
    return y;
}
static inline Bf16 narrow(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return {uint16_t(x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16)};  // to the nearest, ties to even
}
template <class T> static inline void convert(T* to, const T* from, int64_t n) { memcpy(to, from, n * sizeof(T)); }
static inline void convert(float* to, const Bf16* from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = wide(from[i]);
}
static inline void convert(Bf16* to, const float* from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = narrow(from[i]);
}

template <class T, bool PAIRS>
static inline Vec<T> fma(Vec<T> x, Vec<T> y, Vec<T> total) {
    if constexpr (PAIRS) {
#if defined(__AVX512BF16__)
        return (Vec<T>)_mm512_dpbf16_ps((__m512)total, (__m512bh)x, (__m512bh)y);
#else  // for tests of this path on other machines
        Ints<T> low = {}, high = low + int32_t(0xffff0000);
        total = (Vec<T>)((Ints<T>)x << 16) * (Vec<T>)((Ints<T>)y << 16) + total;
        return (Vec<T>)((Ints<T>)x & high) * (Vec<T>)((Ints<T>)y & high) + total;
#endif
    }
    return x * y + total;
}

// Weights of two keys side by side in the place of one: "low high" of each lane.
template <class T>
static inline Vec<T> pair(Vec<T> low, Vec<T> high) {
#if defined(__AVX512BF16__)
    __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)low));
    __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)high));
    return (Vec<T>)_mm512_or_si512(a, _mm512_slli_epi32(b, 16));
#else
    for (int i = 0; i < LANES<T>; i++) {
        Bf16 both[2] = {narrow(low[i]), narrow(high[i])};
        T x;
        memcpy(&x, both, sizeof x);
        low[i] = x;
    }
    return low;
#endif
}

// sums "R N·lanes" = left "R steps" · right "steps N·lanes". Row m of left begins at rows[m], its numbers `step` apart.
template <class T, int N, bool PAIRS = false, int R>
INLINE void multiply(Vec<T> (&sums)[R][N], const T* const* rows, int64_t step, const T* right, int64_t right_step,
                     int64_t steps) {
    Vec<T> s[R][N];  // not `sums`, which might be memory: these stay in registers
    const T* left[R];
    EACH(m, R) left[m] = rows[m];
    EACH(m, R) EACH(n, N) s[m][n] = Vec<T>{};
    for (int64_t t = 0; t < steps; t++, right += right_step) {
        Vec<T> y[N];
        EACH(n, N) {
            Vec<T> x = load(right + n * LANES<T>);
            IN_REGISTER(x);
            y[n] = x;
        }
        EACH(m, R) {
            Vec<T> x = spread(left[m][t * step]);
            EACH(n, N) s[m][n] = fma<T, PAIRS>(x, y[n], s[m][n]);
        }
    }
    EACH(m, R) EACH(n, N) sums[m][n] = s[m][n];
}

// `call` for ROWS of a left factor at a time, for HALF as many where few are left
template <int N, class Call>
INLINE void in_steps(int64_t count, Call call) {
    int64_t j = 0;
    for (; j + HALF<N> < count; j += ROWS<N>) call(std::integral_constant<int, ROWS<N>>(), j);
    if (j < count) call(std::integral_constant<int, HALF<N>>(), j);
}

// out "rows N·lanes" += left · right, for any number of rows. Sums of one tile are added to the total as a whole: the
// rounding of many small steps stays small. Row m of left is `row` numbers after row m − 1; of out, `out_row(m)`.
template <class T, int N, bool PAIRS = false, class Out>
static inline void add_product(Out out_row, int64_t count, const T* left, int64_t row, int64_t step, const T* right,
                               int64_t right_step, int64_t steps) {
    constexpr int R = ROWS<N>;
    for (int64_t c = 0; c < count; c += R) {
        const T* rows[R];
        EACH(m, R) rows[m] = left + std::min(c + m, count - 1) * row;
        Vec<T> s[R][N];
        multiply<T, N, PAIRS>(s, rows, step, right, right_step, steps);
        for (int m = 0; m < std::min<int64_t>(R, count - c); m++) {
            T* out = out_row(c + m);
            EACH(n, N) store(out + n * LANES<T>, load(out + n * LANES<T>) + s[m][n]);
        }
    }
}

// ---- Turning squares of numbers

template <class V, size_t... I>
static inline void zip(V a, V b, V& low, V& high, std::index_sequence<I...>) {
    constexpr int L = sizeof...(I);
#if defined(__clang__)
    low = __builtin_shufflevector(a, b, (I / 2 + I % 2 * L)...);
    high = __builtin_shufflevector(a, b, (L / 2 + I / 2 + I % 2 * L)...);
#else
    typedef Ints<std::decay_t<decltype(a[0])>> Mask;
    low = __builtin_shuffle(a, b, Mask{(I / 2 + I % 2 * L)...});
    high = __builtin_shuffle(a, b, Mask{(L / 2 + I / 2 + I % 2 * L)...});
#endif
}

// out(j)[i] = in(i)[j]: one perfect shuffle for each doubling
template <class T, class In, class Out>
static inline void turn(In in, Out out) {
    constexpr int L = LANES<T>;
    Vec<T> x[L], y[L];
    EACH(i, L) x[i] = load(in(i));
    for (int step = 1; step < L; step *= 2) {
        EACH(i, L / 2) zip(x[i], x[i + L / 2], y[2 * i], y[2 * i + 1], std::make_index_sequence<L>());
        EACH(i, L) x[i] = y[i];
    }
    EACH(j, L) store(out(j), x[j]);
}

// ---- Memory of a thread, kept from call to call

struct alignas(64) Line {
    char bytes[64];
};
struct Arena {
    std::vector<std::vector<Line>> chunks;
    size_t chunk = 0, used = 0;
    void empty() { chunk = used = 0; }
    template <class T>
    T* take(int64_t count) {
        size_t lines = (count * sizeof(T) + 63) / 64 + 1;
        while (chunk < chunks.size() && used + lines > chunks[chunk].size()) chunk++, used = 0;
        if (chunk == chunks.size()) chunks.emplace_back(std::max<size_t>(lines, 1 << 13));
        used += lines;
        return reinterpret_cast<T*>(&chunks[chunk][used - lines]);
    }
    template <class T>
    T* zeros(int64_t count) {
        return static_cast<T*>(memset(take<T>(count), 0, count * sizeof(T)));
    }
};
static thread_local Arena arena;

static inline int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// ---- What a task works on

// Rows [row, row + rows) of key head `kv`: row r is query r % n_query of the r / n_query-th head of its group.
struct Tile {
    int64_t batch, kv, row, rows, cost;
};

static inline int64_t head_of(const Problem& p, const Tile& t, int64_t r) {
    return t.kv * int32_t(p.heads) / int32_t(p.kv_heads) + int32_t(t.row + r) / int32_t(p.n_query);
}

// Whether several scores have one number of a trained bias: thousands may, so that its gradient is summed in double.
static inline bool bias_is_shared(const Problem& p) {
    const int64_t sizes[] = {p.batch, p.heads, p.n_query, p.n_key};
    for (int i = 0; i < 4; i++)
        if (sizes[i] > 1 && p.dbias_strides[i] == 0) return true;
    return false;
}
static inline int64_t query_of(const Problem& p, const Tile& t, int64_t r) {
    return int32_t(t.row + r) % int32_t(p.n_query);  // 32-bit: a division is no small thing here
}
static inline int64_t position(const Problem& p, int64_t query) { return query + p.n_key - p.n_query; }

template <class E>
static inline const E* row_of(const void* x, const int64_t (&strides)[3], int64_t batch, int64_t head, int64_t token) {
    return static_cast<const E*>(x) + batch * strides[0] + head * strides[1] + token * strides[2];
}

// Tiles of at most `most` rows, those of one key head side by side; with a layout, none crosses its blocks. Where FEW are
// left beside whole vectors of `lanes`, they are a tile of their own.
static std::vector<Tile> tiles(const Problem& p, int64_t most, int64_t lanes = 1) {
    std::vector<Tile> found;
    int64_t group = p.heads / p.kv_heads, run = p.block ? p.n_query : group * p.n_query;
    for (int64_t batch = 0; batch < p.batch; batch++)
        for (int64_t kv = 0; kv < p.kv_heads; kv++)
            for (int64_t first = 0; first < group * p.n_query; first += run)
                for (int64_t start = 0; start < run; start += p.block ? p.block : run) {
                    int64_t end = p.block ? std::min(start + p.block, run) : run;
                    for (int64_t row = start, rows; row < end; row += rows) {
                        rows = std::min(most, end - row);
                        if (rows > lanes && rows % lanes <= FEW) rows -= rows % lanes;
                        Tile t{batch, kv, first + row, rows, 0};
                        int64_t keys = p.n_key;
                        if (p.block) {
                            int64_t head = p.layout_heads > 1 ? head_of(p, t, 0) : 0, i = row / p.block;
                            const int32_t* o = p.offsets + head * (up(p.n_query, p.block) / p.block + 1) + i;
                            keys = std::min<int64_t>(p.n_key, (o[1] - o[0]) * p.block);
                        }
                        bool whole = query_of(p, t, 0) + t.rows <= p.n_query;
                        if (p.causal && whole)
                            keys = std::min(keys, std::max<int64_t>(0, position(p, query_of(p, t, t.rows - 1)) + 1));
                        t.cost = t.rows * keys;
                        found.push_back(t);
                    }
                }
    return found;
}

// Positions of the keys that some row of the tile may see, ascending.
static const int32_t* visible(const Problem& p, const Tile& t, int64_t& count) {
    int64_t end = p.n_key;
    if (p.causal && query_of(p, t, 0) + t.rows <= p.n_query)
        end = std::min(end, std::max<int64_t>(0, position(p, query_of(p, t, t.rows - 1)) + 1));
    int32_t* keys = arena.take<int32_t>(end);
    const uint8_t* real = p.padding ? p.padding + t.batch * p.n_key : nullptr;
    count = 0;
    auto add = [&](int64_t from, int64_t to) {
        for (int64_t j = from; j < to; j++) {
            keys[count] = j;
            count += !real || real[j];
        }
    };
    if (!p.block) add(0, end);
    else {
        int64_t head = p.layout_heads > 1 ? head_of(p, t, 0) : 0, i = query_of(p, t, 0) / p.block;
        const int32_t* o = p.offsets + head * (up(p.n_query, p.block) / p.block + 1) + i;
        for (int64_t at = o[0]; at < o[1]; at++) add(p.indices[at] * p.block, std::min((p.indices[at] + 1) * p.block, end));
    }
    return keys;
}

// A few vectors of queries. Arrays of lanes, N · LANES long.
template <class T>
struct Panel {
    int64_t vectors, row, rows;           // its place in the tile
    T *q, *out, *highest, *sum;           // "word lane", "value lane", "lane"
    T *query, *slope;                     // positions; slope null without alibi
    int64_t low, high;                    // positions of its first and last query
    const T** bias;                       // of each lane, the address for key 0; null without
    T *grad, *lse, *delta, *dq;           // of the backward
    void** dbias;                         // of each lane, the address for key 0: of T, or where scores share, of double
};

// A row of `width` numbers as T, zeros up to whole vectors after it: where it lies, or copied.
template <class T, class E, bool PAIRS = false>
static const T* staged(const E* x, int64_t width) {
    if constexpr (std::is_same_v<T, E>)
        if (width % LANES<T> == 0) return x;
    int64_t words = PAIRS ? (width + 1) / 2 : width;
    T* room = arena.zeros<T>(up(words, LANES<T>));
    if constexpr (PAIRS) memcpy(room, x, width * sizeof(E));
    else convert(room, x, width);
    return room;
}

// out "width lane" from rows of width numbers, or zeros where there are none
template <class T>
static void turn_rows(T* out, std::vector<const T*>& rows, int64_t lanes, int64_t width) {
    const T* nothing = arena.zeros<T>(up(width, LANES<T>));
    rows.resize(lanes, nothing);
    for (int64_t l = 0; l < lanes; l += LANES<T>)
        for (int64_t c = 0; c < width; c += LANES<T>)
            turn<T>([&](int i) { return rows[l + i] + c; }, [&](int j) { return out + (c + j) * lanes + l; });
}

// The reverse: rows "lane up(width)"
template <class T>
static T* turned_back(const T* x, int64_t lanes, int64_t width) {
    int64_t room = up(width, LANES<T>);
    T* rows = arena.take<T>(lanes * room);
    for (int64_t l = 0; l < lanes; l += LANES<T>)
        for (int64_t c = 0; c < width; c += LANES<T>)
            turn<T>([&](int i) { return x + (c + i) * lanes + l; }, [&](int j) { return rows + (l + j) * room + c; });
    return rows;
}

template <class T, class E, bool PAIRS>
static std::vector<Panel<T>> panels(const Problem& p, const Tile& t) {
    std::vector<Panel<T>> found;
    int64_t words = PAIRS ? (p.dim + 1) / 2 : p.dim;
    for (int64_t row = 0; row < t.rows;) {
        int64_t left = t.rows - row, vectors = WIDE;
        while (vectors > 1 && (vectors - 1) * LANES<T> >= left) vectors /= 2;
        int64_t lanes = vectors * LANES<T>;
        Panel<T> x{};
        x.vectors = vectors, x.row = row, x.rows = std::min(left, lanes);
        x.q = arena.take<T>(up(words, LANES<T>) * lanes);
        x.query = arena.take<T>(lanes);
        x.slope = p.slopes ? arena.take<T>(lanes) : nullptr;
        x.bias = p.bias ? arena.take<const T*>(lanes) : nullptr;
        x.dbias = p.dbias ? arena.take<void*>(lanes) : nullptr;
        x.low = p.n_key, x.high = -p.n_query;
        std::vector<const T*> rows;
        for (int64_t l = 0; l < lanes; l++) {
            int64_t r = row + std::min(l, x.rows - 1), head = head_of(p, t, r), query = query_of(p, t, r);
            if (l < x.rows) rows.push_back(staged<T, E, PAIRS>(row_of<E>(p.q, p.q_strides, t.batch, head, query), p.dim));
            x.query[l] = position(p, query);
            x.low = std::min(x.low, position(p, query)), x.high = std::max(x.high, position(p, query));
            if (x.slope) x.slope[l] = static_cast<const T*>(p.slopes)[t.batch * p.slopes_stride + head];
            auto place = [&](const int64_t (&s)[4]) { return t.batch * s[0] + head * s[1] + query * s[2]; };
            if (x.bias) x.bias[l] = static_cast<const T*>(p.bias) + place(p.bias_strides);
            if (x.dbias && bias_is_shared(p)) x.dbias[l] = static_cast<double*>(p.dbias) + place(p.dbias_strides);
            else if (x.dbias) x.dbias[l] = static_cast<T*>(p.dbias) + place(p.dbias_strides);
        }
        turn_rows(x.q, rows, lanes, words);
        found.push_back(x);
        row += lanes;
    }
    return found;
}

// Keys or values of a range of positions as a left factor: row m at data + m · step.
template <class T>
struct Block {
    const T* data;
    int64_t step;
};

// Where they lie, if side by side; rows far apart would fall onto the same places of the cache, so they are copied, and
// so are rows of many numbers whose columns are to be read (`columns`).
template <class T, class E, bool PAIRS = false>
static Block<T> gathered(const void* x, const int64_t (&strides)[3], const Tile& t, const int32_t* keys, int64_t count,
                         int64_t width, T* room, bool columns = false) {
    int64_t words = PAIRS ? (width + 1) / 2 : width, step = words;
    if (columns && words * sizeof(T) % 512 == 0) step += 64 / sizeof(T);
    if constexpr (std::is_same_v<T, E>)
        if (strides[2] == step && keys[count - 1] - keys[0] == count - 1)
            return {row_of<E>(x, strides, t.batch, t.kv, keys[0]), step};
    for (int64_t j = 0; j < count; j++) {
        const E* row = row_of<E>(x, strides, t.batch, t.kv, keys[j]);
        if constexpr (PAIRS) {
            room[j * step + words - 1] = 0;
            memcpy(room + j * step, row, width * sizeof(E));
        } else convert(room + j * step, row, width);
    }
    return {room, step};
}

// Values for PAIRS: two keys side by side in the place of one, and nothing beside the last of an odd number.
template <class T>
static Block<T> paired(const void* x, const int64_t (&strides)[3], const Tile& t, const int32_t* keys, int64_t count,
                       int64_t width, T* room) {
    for (int64_t j = 0; j < count; j += 2) {
        const Bf16* low = row_of<Bf16>(x, strides, t.batch, t.kv, keys[j]);
        const Bf16* high = j + 1 < count ? row_of<Bf16>(x, strides, t.batch, t.kv, keys[j + 1]) : nullptr;
        for (int64_t c = 0; c < width; c++) {
            Bf16 both[2] = {low[c], high ? high[c] : Bf16{0}};
            memcpy(room + j / 2 * width + c, both, 4);
        }
    }
    return {room, width};
}

// ---- Scores and weights

// The bias of a tile of keys, "key lane", into room; null without one
template <class T>
static const T* bias_of(const Problem& p, const Panel<T>& x, const int32_t* keys, int64_t count, T* room) {
    if (!x.bias) return nullptr;
    int64_t lanes = x.vectors * LANES<T>, step = p.bias_strides[3], j = 0;
    if (step == 1 && keys[count - 1] - keys[0] == count - 1)
        for (int64_t l = 0, whole = count / LANES<T> * LANES<T>; l < lanes; l += LANES<T>)
            for (j = 0; j < whole; j += LANES<T>)
                turn<T>([&](int i) { return x.bias[l + i] + keys[j]; },
                        [&](int i) { return room + (j + i) * lanes + l; });
    for (; j < count; j++)
        for (int64_t l = 0; l < lanes; l++) room[j * lanes + l] = x.bias[l][keys[j] * step];
    return room;
}

// From products to scores. left: of the keys, those that there are; the rows after them see nothing.
template <class T, int N, int R>
INLINE void finish_scores(const Problem& p, const Panel<T>& x, Vec<T> (&s)[R][N], const int32_t* keys, int64_t left,
                          const T* bias, bool cut) {
    const Vec<T> hidden = spread(-std::numeric_limits<T>::infinity());
    EACH(m, R) EACH(n, N) s[m][n] = s[m][n] * T(p.scale) + T(p.shift);
    if (!bias && !x.slope && !cut && left >= R) return;
    for (int m = 0; m < R; m++) {
        T key = keys[std::min<int64_t>(m, left - 1)];
        EACH(n, N) {
            Vec<T> query = load(x.query + n * LANES<T>);
            if (bias && m < left) s[m][n] += load(bias + (m * N + n) * LANES<T>);
            if (x.slope) {
                Vec<T> far = query - key;
                s[m][n] -= load(x.slope + n * LANES<T>) * (far < 0 ? -far : far);
            }
            if (m >= left) s[m][n] = hidden;
            else if (cut) s[m][n] = key > query ? hidden : s[m][n];
        }
    }
}

// A lane has met a score far above its highest: make that the highest, and shrink what has been mixed so far.
template <class T, int N>
__attribute__((noinline)) static void rescale(const Panel<T>& x, const Vec<T>* tops, int64_t value) {
    EACH(n, N) {
        T *highest = x.highest + n * LANES<T>, *sum = x.sum + n * LANES<T>;
        Vec<T> old = load(highest), fresh = tops[n] > old + T(SLACK) ? tops[n] : old, keep = exp<T>(old - fresh);
        store(highest, fresh);
        store(sum, load(sum) * keep);
        for (int64_t c = 0; c < value; c++) {
            T* out = x.out + (c * N + n) * LANES<T>;
            store(out, load(out) * keep);
        }
    }
}

// Scores "key lane" of a tile become weights, in place: softmax's relative to exp(highest). tops: the highest scores.
template <class T, int N, bool PAIRS>
static inline void normalize(const Problem& p, const Panel<T>& x, T* scores, int64_t count, const Vec<T>* tops) {
    constexpr int ALL = N * LANES<T>;
    Vec<T> sums[N] = {}, highest[N] = {};
    if (p.softmax) {
        Ints<T> grown = {};
        EACH(n, N) grown |= tops[n] > load(x.highest + n * LANES<T>) + T(SLACK);
        if (__builtin_expect(any<T>(grown), 0)) rescale<T, N>(x, tops, p.value);
        EACH(n, N) highest[n] = load(x.highest + n * LANES<T>);
    }
    auto weight = [&](int64_t j, int n) {
        Vec<T> s = load(scores + j * ALL + n * LANES<T>);
        if (!p.softmax) return sigmoid<T>(s);
        s = exp<T>(s - highest[n]);
        sums[n] += s;
        return s;
    };
    for (int64_t j = 0; j < count; j += PAIRS ? 2 : 1) EACH(n, N) {
        Vec<T> w = weight(j, n);
        if constexpr (PAIRS) w = pair<T>(w, weight(j + 1, n));
        store(scores + (PAIRS ? j / 2 : j) * ALL + n * LANES<T>, w);
    }
    if (p.softmax) EACH(n, N) store(x.sum + n * LANES<T>, load(x.sum + n * LANES<T>) + sums[n]);
}

// ---- Forward

// The next tile's rows, asked for while this one is worked on: listed blocks lie anywhere, which no hardware foresees,
// and one query waits for memory most of its time.
struct Ahead {
    const char *k, *v;
    int64_t k_step, v_step, k_bytes, v_bytes, count;
    void fetch(int64_t from, int64_t to) const {
        for (int64_t j = from; j < std::min(to, count); j++) {
            for (int64_t i = 0; i < k_bytes; i += 64) __builtin_prefetch(k + j * k_step + i, 0, 2);
            for (int64_t i = 0; i < v_bytes; i += 64) __builtin_prefetch(v + j * v_step + i, 0, 2);
        }
    }
};

template <class E>
static Ahead ahead_of(const Problem& p, const Tile& t, const int32_t* keys, int64_t count) {
    if (count <= 0) return {};
    return {reinterpret_cast<const char*>(row_of<E>(p.k, p.k_strides, t.batch, t.kv, keys[0])),
            reinterpret_cast<const char*>(row_of<E>(p.v, p.v_strides, t.batch, t.kv, keys[0])),
            int64_t(p.k_strides[2] * sizeof(E)), int64_t(p.v_strides[2] * sizeof(E)), int64_t(p.dim * sizeof(E)),
            int64_t(p.value * sizeof(E)), std::min<int64_t>(count, TILE)};
}

// What a panel of queries takes from a tile of keys
template <class T, int N, bool PAIRS>
static void attend(const Problem& p, const Panel<T>& x, Block<T> k, Block<T> v, const int32_t* keys, int64_t count,
                   T* weights, const T* bias, const Ahead& ahead) {
    constexpr int ALL = N * LANES<T>;
    int64_t words = PAIRS ? (p.dim + 1) / 2 : p.dim;
    bool cut = p.causal && keys[count - 1] > x.low;
    Vec<T> tops[N];
    EACH(n, N) tops[n] = spread(std::numeric_limits<T>::lowest());
    in_steps<N>(count, [&](auto some, int64_t j) {
        constexpr int R = decltype(some)::value;
        ahead.fetch(j, j + R);
        const T* rows[R];
        EACH(m, R) rows[m] = k.data + std::min(j + m, count - 1) * k.step;
        Vec<T> s[R][N];
        multiply<T, N, PAIRS>(s, rows, 1, x.q, ALL, words);
        finish_scores<T, N>(p, x, s, keys + j, count - j, bias ? bias + j * ALL : nullptr, cut);
        EACH(m, R) EACH(n, N) {
            tops[n] = larger<T>(s[m][n], tops[n]);
            store(weights + (j + m) * ALL + n * LANES<T>, s[m][n]);
        }
    });
    normalize<T, N, PAIRS>(p, x, weights, count, tops);
    add_product<T, N, PAIRS>([&](int64_t c) { return x.out + c * ALL; }, p.value, v.data, 1, v.step, weights, ALL,
                             PAIRS ? (count + 1) / 2 : count);
}

// `call` with the number of vectors as a constant
template <class Call>
static inline void with_vectors(int64_t vectors, Call call) {
    if (vectors == 1) call(std::integral_constant<int, 1>());
    else if (vectors == 2) call(std::integral_constant<int, 2>());
    else if constexpr (WIDE == 4) call(std::integral_constant<int, 4>());
}

// Rows of a tile as the softmax leaves them, or a part of its keys: out "row up(value)", highest and sum "row".
template <class T>
struct Mixed {
    std::vector<T> out, highest, sum;
};

template <class T, class E>
static void write(const Problem& p, const Tile& t, int64_t r, const T* mixed, T highest, T total, T* room) {
    T inverse = !p.softmax ? 1 : total > 0 ? 1 / total : total == total ? 0 : total;
    int64_t row = (t.batch * p.heads + head_of(p, t, r)) * p.n_query + query_of(p, t, r);
    for (int64_t c = 0; c < p.value; c += LANES<T>) store(room + c, load(mixed + c) * inverse);
    convert(static_cast<E*>(p.out) + row * p.value, room, p.value);
    if (p.new_lse)
        static_cast<T*>(p.new_lse)[row] = total == 0 ? -std::numeric_limits<T>::infinity() : highest + std::log(total);
}

template <class T>
static inline T sum(Vec<T> x) {
    T total = 0;
    EACH(i, LANES<T>) total += x[i];
    return total;
}

// ---- Very few queries, where most lanes would be idle: here a lane is a number of the row

// Whether a backward may take this way as well. Scores are added up in another order, and a weight exp(score − lse) would
// be off by what the two sums differ: so both steps go it, or none, for all rows of a problem. Not with a layout, whose
// blocks end in few rows often: what is evaluated is what was trained.
static bool all_few(const Problem& p) { return p.heads / p.kv_heads * p.n_query <= FEW && !p.block; }

// Rows of a tile of keys: where they lie, if they are whole vectors of T, or copied
template <class T, class E>
struct FewRows {
    const T* at[TILE];
    T* room;
    int64_t width;

    explicit FewRows(int64_t width_) : room(nullptr), width(width_) {
        if (!std::is_same_v<T, E> || width % LANES<T>) room = arena.zeros<T>(TILE * up(width, LANES<T>));
    }
    void gather(const void* x, const int64_t (&strides)[3], const Tile& t, const int32_t* keys, int64_t size) {
        for (int64_t j = 0; j < size; j++) {
            const E* own = row_of<E>(x, strides, t.batch, t.kv, keys[j]);
            if (room) convert(room + j * up(width, LANES<T>), own, width);
            at[j] = room ? room + j * up(width, LANES<T>) : reinterpret_cast<const T*>(own);
        }
    }
};

// out[j] = x · rows[j]
template <class T>
static inline void few_products(const T* x, const T* const* rows, int64_t size, int64_t width, T* out,
                                const Ahead& ahead) {
    constexpr int L = LANES<T>;
    for (int64_t j = 0; j < size; j += L) {  // from here on a lane is a key
        T sums[L * L];
        for (int i = 0; i < L; i++) {
            const T* row = rows[std::min(j + i, size - 1)];
            ahead.fetch(j + i, j + i + 1);
            Vec<T> even = {}, odd = {};  // two chains of sums
            for (int64_t c = 0; c < width; c += 2 * L) {
                even += load(x + c) * load(row + c);
                if (c + L < width) odd += load(x + c + L) * load(row + c + L);
            }
            store(sums + i * L, even + odd);
        }
        turn<T>([&](int i) { return sums + i * L; }, [&](int i) { return sums + i * L; });
        Vec<T> s = {};
        EACH(i, L) s += load(sums + i * L);
        store(out + j, s);
    }
}

// From products to scores, for row r of a tile. Returns the highest of each lane, at least `tops`.
template <class T>
static Vec<T> few_scores(const Problem& p, const Tile& t, int64_t r, const int32_t* keys, int64_t size, T* scores,
                         Vec<T> tops) {
    constexpr int L = LANES<T>;
    int64_t head = head_of(p, t, r), query = query_of(p, t, r);
    T at = position(p, query), last = p.causal ? at : p.n_key - 1, places[L], biases[L] = {};
    const T* bias = static_cast<const T*>(p.bias);
    if (bias) bias += t.batch * p.bias_strides[0] + head * p.bias_strides[1] + query * p.bias_strides[2];
    T slope = p.slopes ? static_cast<const T*>(p.slopes)[t.batch * p.slopes_stride + head] : 0;
    for (int64_t j = 0; j < size; j += L) {
        for (int i = 0; i < L; i++) {
            places[i] = j + i < size ? keys[j + i] : p.n_key;
            if (bias && j + i < size) biases[i] = bias[keys[j + i] * p.bias_strides[3]];
        }
        Vec<T> place = load(places), far = at - place;
        Vec<T> s = load(scores + j) * T(p.scale) + T(p.shift) + load(biases) - slope * (far < 0 ? -far : far);
        s = place > last ? spread(-std::numeric_limits<T>::infinity()) : s;
        tops = larger<T>(s, tops);
        store(scores + j, s);
    }
    return tops;
}

// out "width" = keep · out + weights · rows. Sums of one tile are added to the total as a whole.
template <class T>
static inline void few_mixed(T* out, T keep, const T* weights, const T* const* rows, int64_t size, int64_t width) {
    constexpr int L = LANES<T>;
    auto mix = [&](auto vectors, int64_t c) {
        constexpr int N = decltype(vectors)::value;
        Vec<T> mixed[N] = {};
        for (int64_t j = 0; j < size; j++) EACH(i, N) mixed[i] += load(rows[j] + c + i * L) * weights[j];
        EACH(i, N) store(out + c + i * L, load(out + c + i * L) * keep + mixed[i]);
    };
    int64_t c = 0;
    for (; c + 8 * L <= width; c += 8 * L) mix(std::integral_constant<int, 8>(), c);
    for (; c + 4 * L <= width; c += 4 * L) mix(std::integral_constant<int, 4>(), c);
    for (; c < width; c += L) mix(std::integral_constant<int, 1>(), c);
}

// Takes what `forward` takes.
template <class T, class E>
static void forward_few(const Problem& p, const Tile& t, int64_t part, int64_t parts, Mixed<T>* kept) {
    arena.empty();
    constexpr int L = LANES<T>;
    int64_t count, dim = up(p.dim, L), value = up(p.value, L);
    const int32_t* keys = visible(p, t, count);
    int64_t begin = count * part / parts, end = count * (part + 1) / parts;
    T *q = arena.zeros<T>(t.rows * dim), *out = arena.zeros<T>(t.rows * value), *scores = arena.take<T>(TILE);
    FewRows<T, E> k(p.dim), v(p.value);
    T *room = arena.take<T>(value), *highest = arena.take<T>(t.rows), *total = arena.zeros<T>(t.rows);
    std::fill(highest, highest + t.rows, std::numeric_limits<T>::lowest());
    for (int64_t r = 0; r < t.rows; r++)
        convert(q + r * dim, row_of<E>(p.q, p.q_strides, t.batch, head_of(p, t, r), query_of(p, t, r)), p.dim);
    for (int64_t from = begin; from < end; from += TILE) {
        int64_t size = std::min<int64_t>(TILE, end - from);
        const int32_t* here = keys + from;
        Ahead ahead = ahead_of<E>(p, t, here + TILE, end - from - TILE);
        k.gather(p.k, p.k_strides, t, here, size);
        v.gather(p.v, p.v_strides, t, here, size);
        for (int64_t r = 0; r < t.rows; r++) {
            few_products(q + r * dim, k.at, size, dim, scores, r == 0 ? ahead : Ahead{});
            Vec<T> tops = few_scores(p, t, r, here, size, scores, spread(highest[r])), weights = {};
            T top = highest[r];
            EACH(i, L) top = std::max(top, tops[i]);
            T keep = p.softmax ? std::exp(highest[r] - top) : 1;
            highest[r] = top;
            for (int64_t j = 0; j < size; j += L) {
                Vec<T> s = load(scores + j), w = p.softmax ? exp<T>(s - top) : sigmoid<T>(s);
                weights += w;
                store(scores + j, w);
            }
            total[r] = total[r] * keep + sum<T>(weights);
            few_mixed(out + r * value, keep, scores, v.at, size, value);
        }
    }
    if (kept) *kept = {{out, out + t.rows * value}, {highest, highest + t.rows}, {total, total + t.rows}};
    for (int64_t r = 0; !kept && r < t.rows; r++) write<T, E>(p, t, r, out + r * value, highest[r], total[r], room);
}

// Takes what `backward` takes.
template <class T, class E>
static void backward_few(const Problem& p, const Tile& t, T* dk, T* dv) {
    arena.empty();
    constexpr int L = LANES<T>;
    int64_t count, dim = up(p.dim, L), value = up(p.value, L);
    const int32_t* keys = visible(p, t, count);
    T *q = arena.zeros<T>(t.rows * dim), *grad = arena.zeros<T>(t.rows * value), *dq = arena.zeros<T>(t.rows * dim);
    FewRows<T, E> k(p.dim), v(p.value);
    T *lse = arena.zeros<T>(t.rows), *delta = arena.zeros<T>(t.rows);
    T *weights = arena.take<T>(TILE), *slopes = arena.take<T>(TILE);
    for (int64_t r = 0; r < t.rows; r++) {
        int64_t head = head_of(p, t, r), query = query_of(p, t, r), row = (t.batch * p.heads + head) * p.n_query + query;
        convert(q + r * dim, row_of<E>(p.q, p.q_strides, t.batch, head, query), p.dim);
        convert(grad + r * value, row_of<E>(p.grad, p.grad_strides, t.batch, head, query), p.value);
        if (!p.softmax) continue;
        lse[r] = static_cast<const T*>(p.lse)[row];
        if (lse[r] == -std::numeric_limits<T>::infinity()) lse[r] = -lse[r];  // sees no key: weights 0
        const T* out = staged<T, E>(static_cast<const E*>(p.result) + row * p.value, p.value);
        for (int64_t c = 0; c < p.value; c++) delta[r] += out[c] * grad[r * value + c];
    }
    bool shared = bias_is_shared(p);
    for (int64_t from = 0; from < count; from += TILE) {
        int64_t size = std::min<int64_t>(TILE, count - from);
        const int32_t* here = keys + from;
        Ahead ahead = ahead_of<E>(p, t, here + TILE, count - from - TILE);
        k.gather(p.k, p.k_strides, t, here, size);
        v.gather(p.v, p.v_strides, t, here, size);
        for (int64_t r = 0; r < t.rows; r++) {
            const T *own = q + r * dim, *above = grad + r * value;
            few_products(own, k.at, size, dim, weights, r == 0 ? ahead : Ahead{});
            few_scores(p, t, r, here, size, weights, Vec<T>{});
            few_products(above, v.at, size, value, slopes, Ahead{});
            for (int64_t j = 0; j < size; j += L) {
                Vec<T> s = load(weights + j), w = p.softmax ? exp<T>(s - lse[r]) : sigmoid<T>(s), d = load(slopes + j);
                store(weights + j, w);
                store(slopes + j, w * (p.softmax ? d - delta[r] : (T(1) - w) * d));
            }
            if (p.dbias) {
                const int64_t* step = p.dbias_strides;
                int64_t place = t.batch * step[0] + head_of(p, t, r) * step[1] + query_of(p, t, r) * step[2];
                for (int64_t j = 0; j < size; j++) {
                    if (shared) static_cast<double*>(p.dbias)[place + here[j] * step[3]] += slopes[j];
                    else static_cast<T*>(p.dbias)[place + here[j] * step[3]] += slopes[j];
                }
            }
            few_mixed(dq + r * dim, T(1), slopes, k.at, size, dim);
            for (int64_t j = 0; j < size; j++) {
                T *to_k = dk + here[j] * dim, *to_v = dv + here[j] * value;
                for (int64_t c = 0; c < dim; c += L) store(to_k + c, load(to_k + c) + load(own + c) * slopes[j]);
                for (int64_t c = 0; c < value; c += L) store(to_v + c, load(to_v + c) + load(above + c) * weights[j]);
            }
        }
    }
    for (int64_t r = 0; r < t.rows; r++) {
        int64_t row = (t.batch * p.heads + head_of(p, t, r)) * p.n_query + query_of(p, t, r);
        for (int64_t c = 0; c < dim; c++) dq[r * dim + c] *= T(p.scale);
        convert(static_cast<E*>(p.dq) + row * p.dim, dq + r * dim, p.dim);
    }
}

// part: of `parts` equal ranges of the keys. kept: null, or where to leave the part for `merge`
template <class T, class E, bool PAIRS>
static void forward(const Problem& p, const Tile& t, int64_t part, int64_t parts, Mixed<T>* kept) {
    if (p.new_lse ? all_few(p) : t.rows <= FEW && !p.block) return forward_few<T, E>(p, t, part, parts, kept);
    arena.empty();
    int64_t count, room = up(p.value, LANES<T>), words = PAIRS ? (p.dim + 1) / 2 : p.dim;
    const int32_t* keys = visible(p, t, count);
    int64_t begin = count * part / parts, end = count * (part + 1) / parts;
    auto all = panels<T, E, PAIRS>(p, t);
    for (auto& x : all) {
        int64_t lanes = x.vectors * LANES<T>;
        x.out = arena.zeros<T>(room * lanes), x.sum = arena.zeros<T>(lanes), x.highest = arena.take<T>(lanes);
        std::fill(x.highest, x.highest + lanes, std::numeric_limits<T>::lowest());
    }
    constexpr int64_t ALL = WIDE * LANES<T>;
    T *weights = arena.take<T>((TILE + 16) * ALL), *biases = p.bias ? arena.take<T>((TILE + 16) * ALL) : nullptr;
    T *k_room = arena.take<T>(TILE * words), *v_room = arena.take<T>(TILE * (p.value + 16));
    for (int64_t from = begin; from < end; from += TILE) {
        int64_t size = std::min<int64_t>(TILE, end - from);
        const int32_t* here = keys + from;
        auto k = gathered<T, E, PAIRS>(p.k, p.k_strides, t, here, size, p.dim, k_room);
        Block<T> v;
        if constexpr (PAIRS) v = paired<T>(p.v, p.v_strides, t, here, size, p.value, v_room);
        else v = gathered<T, E>(p.v, p.v_strides, t, here, size, p.value, v_room, true);
        Ahead ahead = ahead_of<E>(p, t, here + TILE, end - from - TILE);
        for (auto& x : all) {
            int64_t seen = p.causal ? std::upper_bound(here, here + size, x.high) - here : size;
            if (seen == 0) continue;
            const T* bias = bias_of(p, x, here, seen, biases);
            with_vectors(x.vectors, [&](auto n) {
                attend<T, decltype(n)::value, PAIRS>(p, x, k, v, here, seen, weights, bias, ahead);
            });
            ahead.count = 0;
        }
    }
    T* row = arena.take<T>(room);
    for (auto& x : all) {
        const T* mixed = turned_back(x.out, x.vectors * LANES<T>, p.value);
        if (kept) {
            kept->out.insert(kept->out.end(), mixed, mixed + x.rows * room);
            kept->highest.insert(kept->highest.end(), x.highest, x.highest + x.rows);
            kept->sum.insert(kept->sum.end(), x.sum, x.sum + x.rows);
        } else
            for (int64_t r = 0; r < x.rows; r++) write<T, E>(p, t, x.row + r, mixed + r * room, x.highest[r], x.sum[r], row);
    }
}

// The parts of a tile's keys as one
template <class T, class E>
static void merge(const Problem& p, const Tile& t, const Mixed<T>* parts, int64_t count) {
    int64_t room = up(p.value, LANES<T>);
    std::vector<T> out(room), row(room);
    for (int64_t r = 0; r < t.rows; r++) {
        T highest = std::numeric_limits<T>::lowest(), total = 0;
        std::fill(out.begin(), out.end(), T(0));
        for (int64_t i = 0; i < count; i++) highest = std::max(highest, parts[i].highest[r]);
        for (int64_t i = 0; i < count; i++) {
            T keep = p.softmax ? std::exp(parts[i].highest[r] - highest) : 1;
            total += parts[i].sum[r] * keep;
            for (int64_t c = 0; c < p.value; c++) out[c] += parts[i].out[r * room + c] * keep;
        }
        write<T, E>(p, t, r, out.data(), highest, total, row.data());
    }
}

// ---- Threads

// GOMP_parallel of PyTorch's own OpenMP, set by native.py: its threads are awake already. Otherwise std::thread.
static void (*team)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
extern "C" void use_team(void* parallel) { team = reinterpret_cast<decltype(team)>(parallel); }

// Tasks in order, on as many threads as there are. Each writes what no other does, so the bits are always the same.
template <class Task>
static void run(int64_t threads, int64_t count, Task task) {
    std::atomic<int64_t> next{0};
    auto work = [&] {
        for (int64_t i; (i = next++) < count;) task(i);
    };
    threads = std::min(threads, count);
    if (threads <= 1) return work();
    if (team) return team([](void* w) { (*static_cast<decltype(work)*>(w))(); }, &work, threads, 0);
    std::vector<std::thread> helpers;
    try {
        for (int64_t i = 1; i < threads; i++) helpers.emplace_back(work);
    } catch (...) {  // no more threads to be had: those that run do the work
    }
    work();
    for (auto& helper : helpers) helper.join();
}

// Large tiles share what they read; small ones keep all threads busy.
static int64_t rows_of_a_tile(const Problem& p, int64_t most) {
    int64_t rows = p.batch * p.heads * p.n_query;
    while (most > WIDE * LANES<float> && rows < 4 * p.threads * most && p.threads > 1) most /= 2;
    return most;
}

template <class T, class E, bool PAIRS>
static void forward_all(const Problem& p) {
    auto all = tiles(p, rows_of_a_tile(p, 128), p.new_lse ? 1 : LANES<T>);
    std::stable_sort(all.begin(), all.end(), [](const Tile& a, const Tile& b) { return a.cost > b.cost; });
    int64_t count = all.size(), parts = 1;
    if (count < 2 * p.threads && p.threads > 1) parts = std::max<int64_t>(1, std::min(2 * p.threads / count, p.n_key / 512));
    if (parts == 1) return run(p.threads, count, [&](int64_t i) { forward<T, E, PAIRS>(p, all[i], 0, 1, nullptr); });
    std::vector<Mixed<T>> kept(count * parts);
    run(p.threads, count * parts,
        [&](int64_t i) { forward<T, E, PAIRS>(p, all[i / parts], i % parts, parts, &kept[i]); });
    run(p.threads, count, [&](int64_t i) { merge<T, E>(p, all[i], &kept[i * parts], parts); });
}

// ---- Backward

// P and dS of a panel for a tile of keys, into columns of "key `wide`", and its share of dq
template <class T, int N>
static void differentiate(const Problem& p, const Panel<T>& x, Block<T> k, Block<T> v, const int32_t* keys,
                          int64_t count, T* weights, T* slopes, int64_t wide, const T* bias) {
    constexpr int ALL = N * LANES<T>;
    bool cut = p.causal && keys[count - 1] > x.low;
    in_steps<N>(count, [&](auto some, int64_t j) {
        constexpr int R = decltype(some)::value;
        const T* rows[R];
        EACH(m, R) rows[m] = k.data + std::min(j + m, count - 1) * k.step;
        Vec<T> s[R][N];
        multiply<T, N>(s, rows, 1, x.q, ALL, p.dim);
        finish_scores<T, N>(p, x, s, keys + j, count - j, bias ? bias + j * ALL : nullptr, cut);
        EACH(m, R) EACH(n, N) {
            s[m][n] = p.softmax ? exp<T>(s[m][n] - load(x.lse + n * LANES<T>)) : sigmoid<T>(s[m][n]);
            store(weights + (j + m) * wide + n * LANES<T>, s[m][n]);
        }
        EACH(m, R) rows[m] = v.data + std::min(j + m, count - 1) * v.step;
        multiply<T, N>(s, rows, 1, x.grad, ALL, p.value);
        EACH(m, R) EACH(n, N) {
            Vec<T> w = load(weights + (j + m) * wide + n * LANES<T>);
            w *= p.softmax ? s[m][n] - load(x.delta + n * LANES<T>) : (T(1) - w) * s[m][n];
            store(slopes + (j + m) * wide + n * LANES<T>, w);
        }
    });
    bool shared = bias_is_shared(p);
    for (int64_t l = 0, end; x.dbias && l < x.rows; l = end) {  // queries that share a number are added up before
        for (end = l + 1; end < x.rows && x.dbias[end] == x.dbias[l];) end++;
        for (int64_t j = 0; j < count; j++) {
            double total = 0;
            for (int64_t i = l; i < end; i++) total += slopes[j * wide + i];
            if (shared) static_cast<double*>(x.dbias[l])[keys[j] * p.dbias_strides[3]] += total;
            else static_cast<T*>(x.dbias[l])[keys[j]] += total;
        }
    }
    add_product<T, N>([&](int64_t c) { return x.dq + c * ALL; }, p.dim, k.data, 1, k.step, slopes, wide, count);
}

// Gradients of a tile of queries: dq, and what it adds to dk "key up(dim)" and dv "key up(value)".
template <class T, class E>
static void backward(const Problem& p, const Tile& t, T* dk, T* dv) {
    if (all_few(p)) return backward_few<T, E>(p, t, dk, dv);
    arena.empty();
    constexpr int L = LANES<T>;
    int64_t count, dim_room = up(p.dim, L), value_room = up(p.value, L), wide = up(t.rows, WIDE * L);
    const int32_t* keys = visible(p, t, count);
    auto all = panels<T, E, false>(p, t);
    T *q_rows = arena.zeros<T>(wide * dim_room), *grad_rows = arena.zeros<T>(wide * value_room);
    for (auto& x : all) {
        int64_t lanes = x.vectors * L;
        x.grad = arena.take<T>(value_room * lanes), x.dq = arena.zeros<T>(dim_room * lanes);
        x.lse = arena.zeros<T>(lanes), x.delta = arena.zeros<T>(lanes);
        std::vector<const T*> rows;
        for (int64_t l = 0; l < x.rows; l++) {
            int64_t r = x.row + l, head = head_of(p, t, r), query = query_of(p, t, r);
            T *own = q_rows + r * dim_room, *grad = grad_rows + r * value_room;
            convert(own, row_of<E>(p.q, p.q_strides, t.batch, head, query), p.dim);
            convert(grad, row_of<E>(p.grad, p.grad_strides, t.batch, head, query), p.value);
            rows.push_back(grad);
            if (!p.softmax) continue;
            int64_t row = (t.batch * p.heads + head) * p.n_query + query;
            T lse = static_cast<const T*>(p.lse)[row];
            x.lse[l] = lse == -std::numeric_limits<T>::infinity() ? -lse : lse;  // sees no key: weights 0
            const T* out = staged<T, E>(static_cast<const E*>(p.result) + row * p.value, p.value);
            for (int64_t c = 0; c < p.value; c++) x.delta[l] += out[c] * grad[c];
        }
        turn_rows(x.grad, rows, lanes, p.value);
    }
    T *weights = arena.take<T>((TILE + 16) * wide), *slopes = arena.take<T>((TILE + 16) * wide);
    T* biases = p.bias ? arena.take<T>((TILE + 16) * WIDE * L) : nullptr;
    T *k_room = arena.take<T>(TILE * (p.dim + 16)), *v_room = arena.take<T>(TILE * p.value);
    for (int64_t from = 0; from < count; from += TILE) {
        int64_t size = std::min<int64_t>(TILE, count - from);
        const int32_t* here = keys + from;
        auto k = gathered<T, E>(p.k, p.k_strides, t, here, size, p.dim, k_room, true);
        auto v = gathered<T, E>(p.v, p.v_strides, t, here, size, p.value, v_room);
        memset(weights, 0, size * wide * sizeof(T));
        memset(slopes, 0, size * wide * sizeof(T));
        for (auto& x : all) {
            int64_t seen = p.causal ? std::upper_bound(here, here + size, x.high) - here : size;
            if (seen == 0) continue;
            const T* bias = bias_of(p, x, here, seen, biases);
            with_vectors(x.vectors, [&](auto n) {
                differentiate<T, decltype(n)::value>(p, x, k, v, here, seen, weights + x.row, slopes + x.row, wide, bias);
            });
        }
        auto add = [&](T* sums, int64_t room, const T* left, const T* right) {
            int64_t c = 0;
            for (; c + WIDE * L <= room; c += WIDE * L)
                add_product<T, WIDE>([&](int64_t j) { return sums + here[j] * room + c; }, size, left, wide, 1,
                                     right + c, room, t.rows);
            for (; c < room; c += L)
                add_product<T, 1>([&](int64_t j) { return sums + here[j] * room + c; }, size, left, wide, 1, right + c,
                                  room, t.rows);
        };
        add(dv, value_room, weights, grad_rows);
        add(dk, dim_room, slopes, q_rows);
    }
    for (auto& x : all) {
        T* mixed = turned_back(x.dq, x.vectors * L, p.dim);
        for (int64_t l = 0; l < x.rows; l++) {
            int64_t r = x.row + l, row = (t.batch * p.heads + head_of(p, t, r)) * p.n_query + query_of(p, t, r);
            for (int64_t c = 0; c < p.dim; c++) mixed[l * dim_room + c] *= T(p.scale);
            convert(static_cast<E*>(p.dq) + row * p.dim, mixed + l * dim_room, p.dim);
        }
    }
}

// The tiles of one key head are cut into parts of about equal cost, each with its own dk and dv, added up at the end.
// A trained bias that several heads share is added to by all of them: they take turns, and the parts share no query.
template <class T, class E>
static void backward_all(const Problem& p) {
    constexpr int L = LANES<T>;
    auto all = tiles(p, rows_of_a_tile(p, 64));
    int64_t heads = p.batch * p.kv_heads, each = all.size() / heads, turns = 1, group = p.heads / p.kv_heads;
    const int64_t* s = p.dbias_strides;
    bool shared = p.dbias && ((p.batch > 1 && s[0] == 0) || (p.heads > 1 && s[1] == 0));
    if (shared) turns = heads;
    int64_t parts = std::min(each, (2 * p.threads + heads / turns - 1) / (heads / turns));
    if (p.threads == 1 || (p.dbias && ((p.n_query > 1 && s[2] == 0) || (group > 1 && s[1] == 0)))) parts = 1;
    int64_t dim_room = up(p.dim, L), value_room = up(p.value, L), size = p.n_key * (dim_room + value_room);
    std::vector<int64_t> starts(heads * (parts + 1));
    for (int64_t h = 0; h < heads; h++) {
        int64_t total = 0, seen = 0, part = 1;
        for (int64_t i = 0; i < each; i++) total += all[h * each + i].cost;
        for (int64_t i = 0; i < each; i++) {
            seen += all[h * each + i].cost;
            while (part < parts && seen * parts >= total * part) starts[h * (parts + 1) + part++] = i + 1;
        }
        starts[h * (parts + 1) + parts] = each;
    }
    bool direct = parts == 1 && std::is_same_v<T, E> && dim_room == p.dim && value_room == p.value;
    std::vector<T> sums(parts == 1 ? 0 : heads * parts * size);
    auto add_up = [&](int64_t h, const T* sums) {
        std::vector<T> row(std::max(dim_room, value_room));
        for (int64_t j = 0; j < p.n_key; j++) {
            auto write_row = [&](void* out, int64_t width, int64_t room, int64_t offset, T factor) {
                std::fill(row.begin(), row.end(), T(0));
                for (int64_t part = 0; part < parts; part++)
                    for (int64_t c = 0; c < width; c++) row[c] += sums[part * size + offset + j * room + c];
                for (int64_t c = 0; c < width; c++) row[c] *= factor;
                convert(static_cast<E*>(out) + (h * p.n_key + j) * width, row.data(), width);
            };
            write_row(p.dk, p.dim, dim_room, 0, T(p.scale));
            write_row(p.dv, p.value, value_room, p.n_key * dim_room, 1);
        }
    };
    auto part_of = [&](int64_t h, int64_t part) {
        static thread_local std::vector<T> own;  // of one head after the other, where it is not cut
        T *dk, *dv;
        if (direct) {
            dk = static_cast<T*>(p.dk) + h * p.n_key * p.dim, dv = static_cast<T*>(p.dv) + h * p.n_key * p.value;
            memset(dk, 0, p.n_key * p.dim * sizeof(T)), memset(dv, 0, p.n_key * p.value * sizeof(T));
        } else {
            if (parts == 1) own.assign(size, T(0));
            dk = parts == 1 ? own.data() : &sums[(h * parts + part) * size], dv = dk + p.n_key * dim_room;
        }
        const int64_t* at = &starts[h * (parts + 1) + part];
        for (int64_t i = at[0]; i < at[1]; i++) backward<T, E>(p, all[h * each + i], dk, dv);
        if (direct)
            for (int64_t i = 0; i < p.n_key * p.dim; i++) dk[i] *= T(p.scale);
        else if (parts == 1) add_up(h, dk);
    };
    run(p.threads, heads / turns * parts, [&](int64_t i) {
        for (int64_t turn = 0; turn < turns; turn++) part_of(turns > 1 ? turn : i / parts, i % parts);
    });
    if (parts > 1) run(p.threads, heads, [&](int64_t h) { add_up(h, &sums[h * parts * size]); });
}

// ---- From Python

// Whether the layout's lists point at blocks that exist: they may have been changed since they were made.
static bool inside(const Problem& p) {
    if (!p.block) return true;
    int64_t rows = up(p.n_query, p.block) / p.block + 1, columns = up(p.n_key, p.block) / p.block;
    for (int64_t h = 0; h < p.layout_heads; h++)
        for (int64_t i = 0; i < rows; i++) {
            int64_t at = p.offsets[h * rows + i], before = i ? p.offsets[h * rows + i - 1] : at;
            if (at < before || at < 0 || at > p.listed) return false;
        }
    return std::all_of(p.indices, p.indices + p.listed, [&](int32_t j) { return 0 <= j && j < columns; });
}

extern "C" int64_t lanes() { return LANES<float>; }
extern "C" int64_t size_of_problem() { return sizeof(Problem); }
extern "C" int64_t has_half() {
#if defined(__AVX512BF16__) || defined(EMULATE_PAIRS)
    return 1;
#else
    return 0;
#endif
}
// 0, or 1 where the layout points outside of its blocks
extern "C" int64_t attention_forward(const Problem* p) {
    if (!inside(*p)) return 1;
    if (p->kind == 0) forward_all<float, float, false>(*p);
    else if (p->kind == 1) forward_all<double, double, false>(*p);
#if defined(__AVX512BF16__) || defined(EMULATE_PAIRS)
    else forward_all<float, Bf16, true>(*p);
#else
    else forward_all<float, Bf16, false>(*p);
#endif
    return 0;
}
extern "C" int64_t attention_backward(const Problem* p) {
    if (!inside(*p)) return 1;
    if (p->kind == 0) backward_all<float, float>(*p);
    else if (p->kind == 1) backward_all<double, double>(*p);
    else backward_all<float, Bf16>(*p);
    return 0;
}
