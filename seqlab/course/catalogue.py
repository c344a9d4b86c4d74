"""The course at a glance: the papers as points on three axes, and the labs that are open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """One paper's place: who may look at whom, how scores become weights, how often the layer is applied."""

    short: str
    title: str
    pattern: str
    normalizer: str
    depth: str
    sentence: str


@dataclass(frozen=True)
class Lab:
    """One open lab. `minutes` is reading and playing time, `needs` what its machine must offer beside a CPU."""

    slug: str
    title: str
    minutes: int
    difficulty: str
    exercises: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        return self.slug[:2]


AXES = {
    "pattern": ("Who may look at whom?", ("everyone", "a sparse chain", "window + star + random")),
    "normalizer": (
        "How do scores become weights?",
        ("softmax, sharpened to hardmax", "softmax as it is (Boltzmann)", "sigmoid"),
    ),
    "depth": ("How often is a layer applied?", ("a deep stack", "once", "in a loop, told the time")),
}

PAPERS = (
    Paper(
        "Yun 2019",
        "Are Transformers universal approximators of sequence-to-sequence functions?",
        "everyone",
        "softmax, sharpened to hardmax",
        "a deep stack",
        "A deep enough stack of tiny blocks comes as close as you like to any continuous map of sequences.",
    ),
    Paper(
        "Yun 2020",
        "O(n) connections are expressive enough",
        "a sparse chain",
        "softmax, sharpened to hardmax",
        "a deep stack",
        "A number of connections that grows only like the length is enough for the same result.",
    ),
    Paper(
        "Zaheer 2020",
        "Big Bird: Transformers for longer sequences",
        "window + star + random",
        "softmax, sharpened to hardmax",
        "a deep stack",
        "A few global tokens relay what a sparse pattern cannot say directly.",
    ),
    Paper(
        "Kajitsuka & Sato 2023",
        "Are Transformers with one layer self-attention using low-rank weight matrices universal approximators?",
        "everyone",
        "softmax as it is (Boltzmann)",
        "once",
        "One head of rank one is enough, if softmax is not sharpened: its blur carries the information.",
    ),
    Paper(
        "Ramapuram 2024",
        "Theory, analysis and best practices for sigmoid self-attention",
        "everyone",
        "sigmoid",
        "a deep stack",
        "Weights need not sum to one: sigmoid attention is universal as well, and its kernel is simpler.",
    ),
    Paper(
        "Xu & Sato 2024",
        "On expressive power of looped Transformers",
        "everyone",
        "softmax, sharpened to hardmax",
        "in a loop, told the time",
        "One block applied again and again computes what a stack does, the better if it is told which turn it is.",
    ),
)

LABS = (
    Lab("00_start_here", "Start here", 20, "gentle", ("start.mix",), ("chemistry model",)),
    Lab(
        "01_attention_names_things",
        "Attention names things",
        60,
        "medium",
        ("names.weights", "names.hardmax", "names.equivariance", "names.tester"),
    ),
    Lab(
        "02_universal_approximation",
        "A transformer written down by a proof",
        90,
        "demanding",
        (
            "universal.quantiser",
            "universal.selective_shift",
            "universal.sweep",
            "universal.global_shift",
            "universal.values",
        ),
    ),
    Lab(
        "03_sparse_connections",
        "O(n) connections are enough",
        75,
        "demanding",
        ("sparse.strided", "sparse.reach", "sparse.shift", "sparse.chain", "sparse.all_max"),
    ),
    Lab(
        "04_big_bird",
        "Big Bird: a window, a few strangers, a relay",
        90,
        "demanding",
        ("big_bird.window", "big_bird.global", "big_bird.random", "turing.relay", "turing.lookup"),
    ),
    Lab(
        "05_one_layer",
        "One layer is enough: softmax as it is",
        75,
        "demanding",
        (
            "one_layer.boltz",
            "one_layer.gradient",
            "one_layer.order",
            "one_layer.projection",
            "one_layer.head",
            "one_layer.memoriser",
        ),
    ),
    Lab(
        "06_sigmoid_attention",
        "Sigmoid attention: weights that need not sum to one",
        90,
        "demanding",
        (
            "sigmoid.bias",
            "sigmoid.causal",
            "sigmoid.hybrid_norm",
            "sigmoid.shift",
            "sigmoid.jacobian_bound",
            "sigmoid.backward",
        ),
        ("Triton",),
    ),
    Lab(
        "07_looped_transformers",
        "Looped transformers and the clock",
        90,
        "demanding",
        ("looped.quantiser", "looped.sequence_id", "looped.clock", "looped.moduli", "looped.block", "looped.modulated"),
        ("chemistry model",),
    ),
    Lab(
        "08_gpu_kernels",
        "GPU kernels, without a GPU",
        75,
        "demanding",
        ("kernels.online", "kernels.sigmoid", "kernels.backward", "kernels.block_sparse"),
        ("Triton",),
    ),
)
