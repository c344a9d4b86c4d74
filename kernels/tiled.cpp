// Attention tile by tile, in registers: the C++ behind kernels/tiled.py. No headers of PyTorch; kernels/native.py packs
// the tensors, builds this file and calls it.
//
// Everything is one small matrix product, `multiply`: 4 rows by N vectors of accumulators, one number of the left
// factor spread over a vector at each step. Keys lie in panels of N vectors with the key as the fast axis, so a strip of
// scores is 4 queries × one panel; it is normalized before it leaves the registers, and its weights are the left factor
// of the next product.
//
// half: q, k and v are bfloat16 and travel in pairs along the summed axis, two in the place of one float.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <thread>
#include <vector>
#ifdef __AVX512F__
#include <immintrin.h>
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#ifdef __AVX512F__
constexpr int WIDE = 4;  // vectors of accumulators per row: 16 of 32 registers
#else
constexpr int WIDE = 2;
#endif
constexpr int STRIP = 4, TILE = 64;        // queries
constexpr int PANEL = WIDE * LANES;        // keys, at most
constexpr float HIDDEN = -1e30f;           // a score whose weight is 0, yet finite: −∞ − (−∞) is no number
constexpr float SLACK = 6;                 // softmax lets weights grow to e⁶ before it rescales
constexpr float LOG2E = 1.44269504088896f;

extern "C" struct Problem {
    // forward: q "batch head query dim", keys "batch kv_head panel dim key", values "batch kv_head key value"
    const float *q, *keys, *values, *hide, *slopes;  // hide "batch key": 0 or HIDDEN; slopes "batch head"
    const uint8_t* full;                             // "batch panel": 0 no key is visible, 1 some, 2 all
    const int32_t *offsets, *indices, *offsets_t, *indices_t;  // the layout's rows and columns; null when dense
    float *out, *lse;                                // out starts as zeros
    // backward: values "batch kv_head panel value key", rows "batch kv_head key dim", grad like out, delta like lse
    const float *rows, *grad, *delta;
    float *dq, *dk, *dv;  // zeros; dq "part batch head query dim"
    int64_t bytes[18], wanted;  // of each pointer above, in order; what `misfit` wanted of the one that it names
    int64_t batch, heads, kv_heads, n_query, n_key, dim, value;  // dim: of a query row in floats or pairs
    int64_t q_block, q_blocks, q_room, q_rows;  // queries per block, the rows that hold them, and those of all blocks
    int64_t k_block, k_blocks, panels, width;  // keys per block, its panels, and vectors in a panel: 1, 2 or WIDE
    int64_t layout_heads, listed, batched_keys, batched_slopes, causal, softmax, half, parts, threads;
    float scale, shift;
};

// Keeps GCC from reading the number again at each use: four loads in place of sixteen, a quarter more speed.
#if defined(__x86_64__)
#define IN_REGISTER(x) asm("" : "+v"(x))
#elif defined(__aarch64__)
#define IN_REGISTER(x) asm("" : "+w"(x))
#else
#define IN_REGISTER(x)
#endif
#define EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < count; i++)

static inline vec load(const float* p) { return *(const vec*)p; }
static inline void store(float* p, vec x) { *(vec*)p = x; }
static inline vec spread(float x) { return x - vec{}; }

static inline vec exp(vec x) {  // 2^(x log2 e) = 2^whole · 2^f
    x *= LOG2E;
#ifdef __AVX512F__
    vec whole = (vec)_mm512_roundscale_ps((__m512)x, 0);
#else
    x = x < -127.f ? spread(-127.f) : x;
    x = x > 128.f ? spread(128.f) : x;
    vec whole = (x + 12582912.f) - 12582912.f;  // 1.5 · 2²³: the sum has no room for a fraction
#endif
    vec f = x - whole;
    vec y = spread(1.326472731e-3f);  // 2^f: minimax on ±½ with error 9e-8, and exp(0) = 1
    y = y * f + 9.671512991e-3f;
    y = y * f + 5.550733581e-2f;
    y = y * f + 2.402224243e-1f;
    y = y * f + 6.931470037e-1f;
    y = y * f + 1.f;
#ifdef __AVX512F__
    return (vec)_mm512_scalef_ps((__m512)y, (__m512)whole);
#else
    return y * (vec)((__builtin_convertvector(whole, ivec) + 127) << 23);  // exponents 0 and 255 are 0 and ∞
#endif
}

static inline vec larger(vec x, vec y) {
#ifdef __AVX512F__
    return (vec)_mm512_max_ps((__m512)x, (__m512)y);
#else
    return x > y ? x : y;
#endif
}

static inline bool exceeds(vec x, float limit) {
#ifdef __AVX512F__
    return _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(limit), _CMP_GT_OQ);
#else
    bool seen = false;
    for (int i = 0; i < LANES; i++) seen |= x[i] > limit;
    return seen;
#endif
}

static inline float sum(vec x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}

template <bool HALF>
static inline vec fma(vec x, vec y, vec total) {
#ifdef __AVX512BF16__
    if (HALF) return (vec)_mm512_dpbf16_ps((__m512)total, (__m512bh)x, (__m512bh)y);
#endif
    return x * y + total;
}

// out "4 N" = a "4 steps" · b "steps N"
template <int N, bool HALF>
static inline void multiply(vec (&out)[STRIP][N], const float* a, int64_t row, int64_t step, const float* b,
                            int64_t b_step, int64_t steps) {
    vec sums[STRIP][N];  // not `out`, which might be memory: these stay in registers
    EACH(m, STRIP) EACH(n, N) sums[m][n] = vec{};
    const float* rows[STRIP];
    EACH(m, STRIP) rows[m] = a + m * row;
    for (int64_t t = 0; t < steps; t++, b += b_step) {
        vec y[N];
        EACH(n, N) {
            y[n] = load(b + n * LANES);
            IN_REGISTER(y[n]);
        }
        EACH(m, STRIP) {
            vec x = spread(rows[m][t * step]);
            EACH(n, N) sums[m][n] = fma<HALF>(x, y[n], sums[m][n]);
        }
    }
    EACH(m, STRIP) EACH(n, N) out[m][n] = sums[m][n];
}

// Sums of one tile are added to the total as a whole: the rounding of many small steps stays small.
template <int N, bool HALF>
static inline void add_vectors(float* out, int64_t width, const float* a, int64_t row, int64_t step, const float* b,
                               int64_t b_step, int64_t steps) {
    vec sums[STRIP][N];
    multiply<N, HALF>(sums, a, row, step, b, b_step, steps);
    EACH(m, STRIP) EACH(n, N) store(out + m * width + n * LANES, load(out + m * width + n * LANES) + sums[m][n]);
}

// out "4 width" += a "4 steps" · b "steps width"
template <bool HALF>
static inline void add_product(float* out, int64_t width, const float* a, int64_t row, int64_t step, const float* b,
                               int64_t steps) {
    int64_t c = 0;
    for (; c + PANEL <= width; c += PANEL)
        add_vectors<WIDE, HALF>(out + c, width, a, row, step, b + c, width, steps);
    for (; c < width; c += LANES) add_vectors<1, HALF>(out + c, width, a, row, step, b + c, width, steps);
}

struct Keys {  // one panel as the queries of one head see it
    int64_t first, end;  // positions
    const float* hide;   // null when every key of the panel is visible
    float slope;
};

// Keys of panel `panel` of block `block`; end = first when none is visible.
static inline Keys panel_keys(const Problem& p, int64_t batch, int64_t head, int64_t block, int64_t panel) {
    int64_t width = p.width * LANES, index = block * p.panels + panel, all = p.k_blocks * p.panels;
    int64_t first = block * p.k_block + panel * width, row = p.batched_keys ? batch : 0;
    uint8_t full = p.full[row * all + index];
    return {first, full ? first + width : first, full == 2 ? nullptr : p.hide + (row * all + index) * width,
            p.slopes ? p.slopes[(p.batched_slopes ? batch * p.heads : 0) + head] : 0.f};
}

// The first row of a tile of queries that sees a key, a multiple of 4; `query`: position of its row 0 among the keys.
static inline int64_t first_row(const Problem& p, const Keys& keys, int64_t query) {
    return p.causal ? std::max<int64_t>(0, (keys.first - query) / STRIP * STRIP) : 0;
}

// 4 queries × one panel of scores
template <int N, bool HALF>
static inline void scores(const Problem& p, vec (&s)[STRIP][N], const float* q, const float* keys, const Keys& k,
                          int64_t query) {
    multiply<N, HALF>(s, q, p.dim, 1, keys, N * LANES, p.dim);
    EACH(m, STRIP) EACH(n, N) s[m][n] = s[m][n] * p.scale + p.shift;
    bool cut = p.causal && k.end - 1 > query;
    if (!cut && !k.hide && k.slope == 0) return;
    EACH(m, STRIP) EACH(n, N) {
        ivec ahead;  // key − query
        for (int i = 0; i < LANES; i++) ahead[i] = i;
        ahead += (int32_t)(k.first + n * LANES - query - m);
        s[m][n] -= k.slope * __builtin_convertvector(ahead < 0 ? -ahead : ahead, vec);
        if (k.hide) s[m][n] += load(k.hide + n * LANES);
        if (cut) s[m][n] = ahead > 0 ? spread(HIDDEN) : s[m][n];
    }
}

struct Row {  // of softmax
    vec sum;
    float highest;
};

// A row has met a score far above its highest: make that the highest. `out`: what the strip has mixed so far.
__attribute__((noinline)) static void rescale(Row* rows, const vec* tops, float* out, int64_t value) {
    for (int m = 0; m < STRIP; m++, out += value) {
        float highest = rows[m].highest;
        if (!exceeds(tops[m], highest + SLACK)) continue;
        for (int i = 0; i < LANES; i++) highest = std::max(highest, tops[m][i]);
        vec keep = exp(spread(rows[m].highest - highest));
        for (int64_t c = 0; c < value; c += LANES) store(out + c, load(out + c) * keep);
        rows[m].sum *= keep;
        rows[m].highest = highest;
    }
}

// Weights of softmax relative to exp(highest)
template <int N>
static inline void soften(vec (&s)[STRIP][N], Row* rows, float* out, int64_t value) {
    vec tops[STRIP];
    bool grown = false;
    EACH(m, STRIP) {
        vec top = s[m][0];
        EACH(n, N) top = larger(top, s[m][n]);
        grown |= exceeds(top, rows[m].highest + SLACK);
        tops[m] = top;
    }
    if (__builtin_expect(grown, 0)) rescale(rows, tops, out, value);
    EACH(m, STRIP) {
        vec sum = rows[m].sum;
        EACH(n, N) {
            s[m][n] = exp(s[m][n] - rows[m].highest);
            sum += s[m][n];
        }
        rows[m].sum = sum;
    }
}

template <int N, bool HALF>
static inline void keep(float* place, vec (&weights)[N]) {
    EACH(n, N) {
#ifdef __AVX512BF16__
        if (HALF) {
            *(__m256bh*)(place + n * LANES / 2) = _mm512_cvtneps_pbh((__m512)weights[n]);
            continue;
        }
#endif
        store(place + n * LANES, weights[n]);
    }
}

static inline int64_t rows_of(const Problem& p, int64_t block) {
    int64_t rows = std::min(p.q_block, p.n_query - block * p.q_block);
    return (rows + STRIP - 1) / STRIP * STRIP;
}

// The key blocks that query block `i` lists, or the query blocks that see key block `i`: list(t) for t < count
struct List {
    const int32_t* indices = nullptr;
    int64_t count;
    List(const Problem& p, int64_t head, int64_t i, bool column) : count(column ? p.q_blocks : p.k_blocks) {
        if (!p.offsets) return;
        int64_t blocks = column ? p.k_blocks : p.q_blocks;
        const int32_t* o = (column ? p.offsets_t : p.offsets) + (p.layout_heads > 1 ? head : 0) * (blocks + 1) + i;
        indices = (column ? p.indices_t : p.indices) + o[0];
        count = o[1] - o[0];
    }
    int64_t operator()(int64_t t) const { return indices ? indices[t] : t; }
};

// Ask for this strip's share of the next panel, `size` numbers: listed blocks lie anywhere, which no hardware foresees.
static inline void fetch(const float* panel, int64_t size, int64_t r, int64_t rows) {
    for (int64_t i = size * r / rows; i < size * (r + STRIP) / rows; i += 16) __builtin_prefetch(panel + i, 0, 2);
}

template <int N, bool HALF, bool SOFTMAX>
static void forward_task(const Problem& p, int64_t batch, int64_t head, int64_t block) {
    int64_t kv = batch * p.kv_heads + head / (p.heads / p.kv_heads), width = N * LANES, steps = HALF ? width / 2 : width;
    int64_t from = (batch * p.heads + head) * p.q_rows + block * p.q_room, rows = rows_of(p, block);
    int64_t query = block * p.q_block + p.n_key - p.n_query;
    std::vector<Row> state(SOFTMAX ? rows : 0, Row{vec{}, HIDDEN / 10});
    alignas(64) float weights[STRIP * N * LANES];
    List list(p, head, block, false);
    for (int64_t t = 0; t < list.count; t++)
        for (int64_t panel = 0; panel < p.panels; panel++) {
            Keys k = panel_keys(p, batch, head, list(t), panel);
            if (k.first == k.end) continue;
            int64_t index = (kv * p.k_blocks + list(t)) * p.panels + panel;
            bool beside = panel + 1 < p.panels || t + 1 == list.count;
            int64_t next = beside ? index + 1 : (kv * p.k_blocks + list(t + 1)) * p.panels;
            const float *keys = p.keys + index * p.dim * width, *values = p.values + index * steps * p.value;
            for (int64_t r = first_row(p, k, query); r < rows; r += STRIP) {
                vec s[STRIP][N];
                fetch(p.keys + next * p.dim * width, p.dim * width, r, rows);
                fetch(p.values + next * steps * p.value, steps * p.value, r, rows);
                float* out = p.out + (from + r) * p.value;
                scores<N, HALF>(p, s, p.q + (from + r) * p.dim, keys, k, query + r);
                if (SOFTMAX) soften(s, &state[r], out, p.value);
                else EACH(m, STRIP) EACH(n, N) s[m][n] = 1.f / (1.f + exp(-s[m][n]));
                EACH(m, STRIP) keep<N, HALF>(weights + m * steps, s[m]);
                add_product<HALF>(out, p.value, weights, steps, 1, values, steps);
            }
        }
    for (int64_t r = 0; SOFTMAX && r < rows; r++) {
        float total = sum(state[r].sum), inverse = total > 0 ? 1 / total : 0, *out = p.out + (from + r) * p.value;
        for (int64_t c = 0; c < p.value; c += LANES) store(out + c, load(out + c) * inverse);
        p.lse[from + r] = total > 0 ? state[r].highest + std::log(total) : -INFINITY;
    }
}

// Gradients of one block of keys, and what it adds to dq of its part. lse comes huge for a row that sees no key.
template <int N, bool SOFTMAX>
static void backward_task(const Problem& p, int64_t batch, int64_t kv_head, int64_t part, int64_t block) {
    int64_t group = p.heads / p.kv_heads, width = N * LANES, kv = batch * p.kv_heads + kv_head;
    alignas(64) float weights[TILE * N * LANES], slopes[TILE * N * LANES];
    for (int64_t panel = 0; panel < p.panels; panel++)
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
            Keys k = panel_keys(p, batch, head, block, panel);
            if (k.first == k.end) continue;
            int64_t index = (kv * p.k_blocks + block) * p.panels + panel;
            const float *keys = p.keys + index * p.dim * width, *values = p.values + index * p.value * width;
            const float* rows = p.rows + index * width * p.dim;
            float *dk = p.dk + index * width * p.dim, *dv = p.dv + index * width * p.value;
            List list(p, head, block, true);
            for (int64_t t = 0; t < list.count; t++)
                for (int64_t tile = 0, all = rows_of(p, list(t)); tile < all; tile += TILE) {
                    int64_t room = (batch * p.heads + head) * p.q_rows + list(t) * p.q_room + tile;
                    int64_t query = list(t) * p.q_block + tile + p.n_key - p.n_query;
                    int64_t end = std::min<int64_t>(TILE, all - tile), first = first_row(p, k, query);
                    const float *q = p.q + room * p.dim, *grad = p.grad + room * p.value;
                    float* dq = p.dq + (part * p.batch * p.heads * p.q_rows + room) * p.dim;
                    for (int64_t r = first; r < end; r += STRIP) {
                        vec s[STRIP][N];
                        scores<N, false>(p, s, q + r * p.dim, keys, k, query + r);
                        EACH(m, STRIP) {
                            float lse = SOFTMAX ? p.lse[room + r + m] : 0;
                            EACH(n, N)
                                s[m][n] = SOFTMAX ? exp(s[m][n] - lse) : 1.f / (1.f + exp(-s[m][n]));
                            keep<N, false>(weights + (r + m) * width, s[m]);
                        }
                        multiply<N, false>(s, grad + r * p.value, p.value, 1, values, width, p.value);
                        EACH(m, STRIP) {
                            float delta = SOFTMAX ? p.delta[room + r + m] : 0;
                            EACH(n, N) {
                                vec w = load(weights + (r + m) * width + n * LANES);
                                s[m][n] = SOFTMAX ? w * (s[m][n] - delta) : w * (1.f - w) * s[m][n];
                            }
                            keep<N, false>(slopes + (r + m) * width, s[m]);
                        }
                        add_product<false>(dq + r * p.dim, p.dim, slopes + r * width, width, 1, rows, width);
                    }
                    for (int64_t j = 0; j < width && first < end; j += STRIP) {
                        const float *w = weights + first * width + j, *ds = slopes + first * width + j;
                        add_product<false>(dv + j * p.value, p.value, w, 1, width, grad + first * p.value, end - first);
                        add_product<false>(dk + j * p.dim, p.dim, ds, 1, width, q + first * p.dim, end - first);
                    }
                }
        }
}

// Tasks, the longest first, on as many threads as there are. Each writes what no other does: the order is free.
template <class Task>
static void run(int64_t threads, const std::vector<int64_t>& costs, Task task) {
    std::vector<int64_t> order(costs.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return costs[a] > costs[b]; });
    std::atomic<size_t> next{0};
    auto work = [&] {
        for (size_t i; (i = next++) < order.size();) task(order[i]);
    };
    std::vector<std::thread> helpers;
    try {
        for (int64_t i = 1; i < std::min<int64_t>(threads, order.size()); i++) helpers.emplace_back(work);
    } catch (...) {  // no more threads to be had: those that run do the work
    }
    work();
    for (auto& helper : helpers) helper.join();
}

// Listed pairs of blocks with a visible key: of a row or a column.
static int64_t cost(const Problem& p, int64_t head, int64_t i, bool column) {
    int64_t count = 0;
    List list(p, head, i, column);
    for (int64_t t = 0; t < list.count; t++) {
        int64_t query = column ? list(t) : i, key = column ? i : list(t);
        count += !p.causal || key * p.k_block < (query + 1) * p.q_block + p.n_key - p.n_query;
    }
    return count;
}

template <int N, bool SOFTMAX>
static void forward(const Problem& p) {
    std::vector<int64_t> costs(p.batch * p.heads * p.q_blocks);
    for (size_t i = 0; i < costs.size(); i++) costs[i] = cost(p, i / p.q_blocks % p.heads, i % p.q_blocks, false);
    run(p.threads, costs, [&](int64_t i) {
        auto task = p.half ? forward_task<N, true, SOFTMAX> : forward_task<N, false, SOFTMAX>;
        task(p, i / p.q_blocks / p.heads, i / p.q_blocks % p.heads, i % p.q_blocks);
    });
}

// A part is a range of key blocks with about its share of the cost; parts exist so that few heads occupy many threads.
template <int N, bool SOFTMAX>
static void backward(const Problem& p) {
    std::vector<int64_t> starts(p.kv_heads * (p.parts + 1), p.k_blocks);
    for (int64_t head = 0; head < p.kv_heads; head++) {
        std::vector<int64_t> sums(p.k_blocks + 1, 0);
        for (int64_t j = 0, group = p.heads / p.kv_heads; j < p.k_blocks; j++) {
            sums[j + 1] = sums[j];
            for (int64_t g = 0; g < group; g++) sums[j + 1] += cost(p, head * group + g, j, true);
        }
        for (int64_t part = 0; part < p.parts; part++) {
            auto start = std::lower_bound(sums.begin(), sums.end() - 1, sums.back() * part / p.parts);
            starts[head * (p.parts + 1) + part] = part ? start - sums.begin() : 0;
        }
    }
    std::vector<int64_t> costs(p.batch * p.kv_heads * p.parts, 1);
    run(p.threads, costs, [&](int64_t i) {
        int64_t part = i % p.parts, head = i / p.parts % p.kv_heads;
        const int64_t* range = &starts[head * (p.parts + 1) + part];
        for (int64_t j = range[0]; j < range[1]; j++)
            backward_task<N, SOFTMAX>(p, i / p.parts / p.kv_heads, head, part, j);
    });
}

// 0 when every buffer is as long as the numbers ask for; 1 + the place of one that is not; −1 for a list of the layout
// that points outside.
static int64_t misfit(Problem& p, bool backward) {
    int64_t panels = p.k_blocks * p.panels, keys = 4 * panels * p.width * LANES, masks = p.batched_keys ? p.batch : 1;
    int64_t q = 4 * p.batch * p.heads * p.q_rows, k = p.batch * p.kv_heads * keys, lse = p.softmax ? q : 0;
    int64_t slopes = p.slopes ? 4 * p.heads * (p.batched_slopes ? p.batch : 1) : 0;
    int64_t lists = p.offsets ? (p.layout_heads > 1 ? p.heads : 1) : 0;
    int64_t rows = lists * (p.q_blocks + 1), columns = lists * (p.k_blocks + 1), forth = !backward, back = backward;
    const int64_t lengths[] = {
        q * p.dim, k * p.dim, k * p.value / (p.half ? 2 : 1), masks * keys, slopes, masks * panels,
        4 * rows, 4 * p.listed, 4 * columns, 4 * p.listed, forth * q * p.value, lse,
        back * k * p.dim, back * q * p.value, back * lse,
        back * p.parts * q * p.dim, back * k * p.dim, back * k * p.value,
    };
    static_assert(sizeof lengths == sizeof p.bytes, "one length for each pointer");
    int64_t place = std::mismatch(std::begin(lengths), std::end(lengths), p.bytes).first - lengths;
    if (place < int64_t(std::size(lengths))) {
        p.wanted = lengths[place];
        return place + 1;
    }
    auto within = [](const int32_t* x, int64_t count, int64_t top) {
        return std::all_of(x, x + count, [=](int32_t place) { return 0 <= place && place <= top; });
    };
    bool inside = within(p.offsets, rows, p.listed) && within(p.offsets_t, columns, p.listed) &&
                  within(p.indices, p.listed, p.k_blocks - 1) && within(p.indices_t, p.listed, p.q_blocks - 1);
    return inside ? 0 : -1;
}

#define EACH_WIDTH(step)                                                           \
    switch (p->width) {                                                            \
        case 1: p->softmax ? step<1, true>(*p) : step<1, false>(*p); break;        \
        case 2: p->softmax ? step<2, true>(*p) : step<2, false>(*p); break;        \
        default: p->softmax ? step<WIDE, true>(*p) : step<WIDE, false>(*p);        \
    }                                                                              \
    return 0;

extern "C" int64_t lanes() { return LANES; }
extern "C" int64_t widest() { return WIDE; }
extern "C" int64_t has_half() {
#ifdef __AVX512BF16__
    return 1;
#else
    return 0;
#endif
}
extern "C" int64_t attention_forward(Problem* p) {
    if (int64_t place = misfit(*p, false)) return place;
    EACH_WIDTH(forward)
}
extern "C" int64_t attention_backward(Problem* p) {
    if (int64_t place = misfit(*p, true)) return place;
    EACH_WIDTH(backward)
}
