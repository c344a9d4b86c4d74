// What tiled.cpp is asked to compute: addresses, sizes and strides.

#pragma once
#include <cstdint>

struct Problem {
    const void *q, *k, *v, *bias, *slopes, *lse, *grad, *result;  // lse, grad, result: of the backward
    const uint8_t* padding;                                       // "batch key", 1 = a real key
    const int32_t *offsets, *indices;                             // the layout's rows; null when dense
    void *out, *new_lse, *dq, *dk, *dv, *dbias;                   // new_lse, dbias: null where nobody asks
    int64_t batch, heads, kv_heads, n_query, n_key, dim, value;
    // Strides, in numbers: "batch head token", those of the bias "batch head query key", of slopes "batch"
    int64_t q_strides[3], k_strides[3], v_strides[3], grad_strides[3], bias_strides[4], dbias_strides[4], slopes_stride;
    int64_t block, listed, layout_heads, causal, softmax, kind, threads;  // kind: 0 float, 1 double, 2 bfloat16
    double scale, shift;
};
