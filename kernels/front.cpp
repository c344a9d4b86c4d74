// The way of a plain call from Python to tiled.cpp: its arguments are read, checked and packed here, and its backward
// is a node of PyTorch's autograd. Five tokens take six microseconds in all, and twenty by way of Python.
//
// `attention` answers None to whatever is not plain: a wrong argument, a tensor of another kind or elsewhere, somebody
// who looks on. Then kernels/api.py goes the long way, which knows all of it and says what is wrong.

#include <Python.h>

#include <cmath>
#include <optional>
#include <vector>

#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/python_variable.h>

#include "problem.h"

using at::Tensor;
using torch::autograd::variable_list;
constexpr int64_t SMALL = 1 << 20;  // multiplications that are not worth a second thread, as in native.py

static int64_t (*solve_forward)(const Problem*);
static int64_t (*solve_backward)(const Problem*);

// What a call asks for beside q, k, v and the bias. Undefined where nothing was given.
struct Call {
    bool softmax, causal;
    double scale, shift;
    Tensor padding, slopes;
};

static at::ScalarType wide(const Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// x, or a copy where the numbers of a row do not lie side by side
static Tensor rows(const Tensor& x) { return x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous(); }

static Tensor fresh(at::IntArrayRef sizes, at::ScalarType dtype) { return at::detail::empty_cpu(sizes, dtype); }

static void set_strides(int64_t (&strides)[3], const Tensor& x) {
    for (int i = 0; i < 3; i++) strides[i] = x.stride(i);
}

// Of a tensor that broadcasts to four axes: 0 along those of length 1 and those it lacks
static void set_broadcast(int64_t (&strides)[4], const Tensor& x) {
    for (int64_t i = 0, j = x.dim() - 4; i < 4; i++, j++) strides[i] = j >= 0 && x.size(j) > 1 ? x.stride(j) : 0;
}

// The tensors that a Problem points into live as long as it does.
struct Packed : Problem {
    Tensor held[7];

    Packed(const Tensor& q_, const Tensor& k_, const Tensor& v_, const Tensor& bias_, const Call& call) : Problem{} {
        held[0] = rows(q_), held[1] = rows(k_), held[2] = rows(v_);
        q = held[0].const_data_ptr(), k = held[1].const_data_ptr(), v = held[2].const_data_ptr();
        set_strides(q_strides, held[0]), set_strides(k_strides, held[1]), set_strides(v_strides, held[2]);
        batch = q_.size(0), heads = q_.size(1), n_query = q_.size(2), dim = q_.size(3);
        kv_heads = k_.size(1), n_key = k_.size(2), value = v_.size(3);
        if (bias_.defined()) {
            held[3] = bias_.to(wide(q_));
            bias = held[3].const_data_ptr();
            set_broadcast(bias_strides, held[3]);
        }
        if (call.padding.defined()) {
            held[4] = call.padding.contiguous();
            padding = static_cast<const uint8_t*>(held[4].const_data_ptr());
        }
        if (call.slopes.defined()) {
            held[5] = call.slopes.to(wide(q_)).contiguous();
            slopes = held[5].const_data_ptr();
            slopes_stride = held[5].dim() == 2 ? heads : 0;
        }
        layout_heads = 1, causal = call.causal, softmax = call.softmax, scale = call.scale, shift = call.shift;
        kind = q_.scalar_type() == at::kFloat ? 0 : q_.scalar_type() == at::kDouble ? 1 : 2;
        double work = double(batch) * heads * n_query * n_key * (dim + value);
        threads = work < SMALL ? 1 : at::get_num_threads();
    }
};

static Tensor solve(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias, const Call& call,
                    Tensor* lse) {
    Packed p(q, k, v, bias, call);
    Tensor out = fresh({p.batch, p.heads, p.n_query, p.value}, q.scalar_type());
    p.out = out.mutable_data_ptr();
    if (lse) {
        *lse = fresh({p.batch, p.heads, p.n_query}, wide(q));
        p.new_lse = lse->mutable_data_ptr();
    }
    pybind11::gil_scoped_release others_may_run;
    solve_forward(&p);
    return out;
}

static uint64_t ordinary;  // PyTorch's keys of a dense tensor on the CPU that holds its numbers as they are
static bool special(const Tensor& x) { return x.key_set().raw_repr() & ~ordinary; }

struct Attention : torch::autograd::Function<Attention> {
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                          const std::optional<Tensor>& bias, const Call& call) {
        Tensor lse, out = solve(q, k, v, bias.value_or(Tensor()), call, call.softmax ? &lse : nullptr);
        Tensor kept = call.softmax ? out : Tensor();  // sigmoid keeps nothing but q, k and v
        context->save_for_backward({q, k, v, kept, lse, bias.value_or(Tensor()), call.padding, call.slopes});
        std::vector<double> numbers = {double(call.softmax), double(call.causal), call.scale, call.shift};
        context->saved_data["call"] = numbers;
        return out;
    }

    static variable_list backward(torch::autograd::AutogradContext* context, const variable_list& grads) {
        TORCH_CHECK(!at::GradMode::is_enabled(),
                    "attention can be differentiated once; for a second derivative use impl='reference'");
        auto saved = context->get_saved_variables();
        auto numbers = context->saved_data["call"].toDoubleVector();
        const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &lse = saved[4], &bias = saved[5];
        Packed p(q, k, v, bias, {numbers[0] != 0, numbers[1] != 0, numbers[2], numbers[3], saved[6], saved[7]});
        Tensor grad = grads[0].resolve_neg();
        TORCH_CHECK_NOT_IMPLEMENTED(!special(grad), "attention: its backward takes one gradient at a time, of ordinary "
                                    "numbers on the CPU; for is_grads_batched=True use impl='reference'");
        grad = rows(grad);
        p.grad = grad.const_data_ptr();
        set_strides(p.grad_strides, grad);
        if (p.softmax) p.result = out.const_data_ptr(), p.lse = lse.const_data_ptr();
        auto dtype = q.scalar_type();
        Tensor dq = fresh(q.sizes(), dtype), dk = fresh(k.sizes(), dtype), dv = fresh(v.sizes(), dtype);
        p.dq = dq.mutable_data_ptr(), p.dk = dk.mutable_data_ptr(), p.dv = dv.mutable_data_ptr();
        Tensor dbias;
        if (bias.defined() && context->needs_input_grad(3)) {
            bool shared = bias.numel() < p.batch * p.heads * p.n_query * p.n_key;  // then it is summed in double
            dbias = at::zeros(bias.sizes(), bias.options().dtype(shared ? at::kDouble : wide(q)));
            p.dbias = dbias.mutable_data_ptr();
            set_broadcast(p.dbias_strides, dbias);
        }
        solve_backward(&p);
        return {dq, dk, dv, dbias.defined() ? dbias.to(bias.scalar_type()) : dbias, Tensor()};
    }
};

// ---- Is the call plain?

// Nobody traces, fakes, transforms or casts what is done here.
static bool unwatched() {
    auto local = c10::impl::tls_local_dispatch_key_set();
    return (local.included_ - c10::default_included_set).empty() && !at::autocast::is_autocast_enabled(at::kCPU);
}

// The tensor in a Python object, or null where it is something else or something special
static const Tensor* plain(PyObject* object) {
    if (!THPVariable_CheckExact(object)) return nullptr;
    const Tensor& x = THPVariable_Unpack(object);
    if (special(x) || x._fw_grad(0).defined()) return nullptr;
    return &x;
}

// Whether the sizes of x, from the last on, are those wanted or 1
static bool broadcasts(const Tensor& x, const int64_t (&wanted)[4]) {
    bool fits = x.dim() <= 4;
    for (int64_t i = 0; fits && i < x.dim(); i++) fits = x.size(i) == 1 || x.size(i) == wanted[4 - x.dim() + i];
    return fits;
}

static PyObject* attention(PyObject*, PyObject* const* given, Py_ssize_t) {
    HANDLE_TH_ERRORS
    enum { Q, K, V, NORMALIZER, CAUSAL, BIAS, PADDING, ALIBI, SCALE };
    const Tensor *q_ = plain(given[Q]), *k_ = plain(given[K]), *v_ = plain(given[V]);
    if (!q_ || !k_ || !v_ || !unwatched()) Py_RETURN_NONE;
    const Tensor &q = *q_, &k = *k_, &v = *v_;
    auto dtype = q.scalar_type();
    bool fits = dtype == k.scalar_type() && dtype == v.scalar_type() && q.dim() == 4 && k.dim() == 4 && v.dim() == 4;
    fits = fits && (dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16);
    fits = fits && q.numel() > 0 && k.numel() > 0 && v.numel() > 0 && q.size(0) == k.size(0) && q.size(3) == k.size(3);
    fits = fits && k.sizes().slice(0, 3) == v.sizes().slice(0, 3) && q.size(1) % k.size(1) == 0;
    if (!fits) Py_RETURN_NONE;
    const int64_t scores[4] = {q.size(0), q.size(1), q.size(2), k.size(2)};

    Call call{};
    PyObject *name = given[NORMALIZER], *added = given[BIAS], *scale = given[SCALE];
    if (!PyUnicode_Check(name) || !PyBool_Check(given[CAUSAL])) Py_RETURN_NONE;
    call.softmax = PyUnicode_CompareWithASCIIString(name, "softmax") == 0, call.causal = given[CAUSAL] == Py_True;
    if (!call.softmax && PyUnicode_CompareWithASCIIString(name, "sigmoid") != 0) Py_RETURN_NONE;
    call.scale = std::pow(double(q.size(3)), -0.5);
    if (scale != Py_None) {
        if (!PyFloat_CheckExact(scale) || !std::isfinite(call.scale = PyFloat_AS_DOUBLE(scale))) Py_RETURN_NONE;
    }
    std::optional<Tensor> bias;
    if (added == Py_None) {
        if (!call.softmax) call.shift = -std::log(double(k.size(2)));
    } else if (PyFloat_CheckExact(added)) {
        if (!std::isfinite(PyFloat_AS_DOUBLE(added))) Py_RETURN_NONE;
        if (!call.softmax) call.shift = PyFloat_AS_DOUBLE(added);  // softmax cannot see it
    } else {
        const Tensor* x = plain(added);
        if (!x || !at::isFloatingType(x->scalar_type()) || !broadcasts(*x, scores)) Py_RETURN_NONE;
        bias = *x;
    }
    if (given[PADDING] != Py_None) {
        const Tensor* x = plain(given[PADDING]);
        if (!x || x->scalar_type() != at::kBool) Py_RETURN_NONE;
        if (x->sizes() != at::IntArrayRef({scores[0], scores[3]})) Py_RETURN_NONE;
        call.padding = *x;
    }
    if (given[ALIBI] != Py_None) {
        const Tensor* x = plain(given[ALIBI]);
        if (!x || !at::isFloatingType(x->scalar_type()) || x->requires_grad()) Py_RETURN_NONE;
        at::IntArrayRef batch_and_head(scores, 2);
        if (x->sizes() != batch_and_head && x->sizes() != batch_and_head.slice(1)) Py_RETURN_NONE;
        call.slopes = *x;
    }
    bool learns = q.requires_grad() || k.requires_grad() || v.requires_grad() || (bias && bias->requires_grad());
    if (learns && at::GradMode::is_enabled()) return THPVariable_Wrap(Attention::apply(q, k, v, bias, call));
    return THPVariable_Wrap(solve(q, k, v, bias.value_or(Tensor()), call, nullptr));
    END_HANDLE_TH_ERRORS
}

// The addresses of tiled.cpp's two functions
static PyObject* use(PyObject*, PyObject* addresses) {
    unsigned long long forward, backward;
    if (!PyArg_ParseTuple(addresses, "KK", &forward, &backward)) return nullptr;
    solve_forward = reinterpret_cast<decltype(solve_forward)>(forward);
    solve_backward = reinterpret_cast<decltype(solve_backward)>(backward);
    ordinary = at::detail::empty_cpu({0}, at::kFloat).key_set().raw_repr();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"attention", reinterpret_cast<PyCFunction>(attention), METH_FASTCALL, nullptr},
    {"use", use, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "front", nullptr, -1, functions};
PyMODINIT_FUNC PyInit_front() { return PyModule_Create(&module); }
