"""Random problems against float64, thousands of them: every option with every other, at sizes that nobody chose."""

import random

import pytest
import torch

from kernels.compare import check
from kernels.flash import versions
from tests.kernels.problems import layout, padding, qkv

pytestmark = pytest.mark.slow
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def problem(draw: random.Random, longest: int, dtypes: tuple) -> tuple[dict, dict]:
    """Arguments of `qkv` and of `attention`."""
    torch.manual_seed(draw.randrange(10**6))
    n_query, n_key = (int(longest ** draw.random()) for _ in range(2))
    batch, kv_heads, group = draw.randint(1, 3), draw.randint(1, 2), draw.randint(1, 3)
    dim, value = (draw.choice((1, 5, 16, 24, 40, 64, 80)) for _ in range(2))
    sizes = {"n_query": n_query, "n_key": n_key, "dim": dim, "value": value, "batch": batch, "kv_heads": kv_heads}
    sizes |= {"heads": kv_heads * group, "dtype": draw.choice(dtypes), "gaps": draw.random() < 0.3}
    sizes |= {"seed": draw.randrange(10**6), "size": draw.choice((1.0, 1.0, 3.0))}
    heads, options = (
        kv_heads * group,
        {"normalizer": draw.choice(("softmax", "sigmoid")), "causal": draw.random() < 0.4},
    )
    if draw.random() < 0.3:
        options["key_padding"] = padding(batch, n_key)
    if draw.random() < 0.3:
        options["alibi"] = torch.rand(draw.choice(((heads,), (batch, heads))))
    if draw.random() < 0.3:
        shape = [size if draw.random() < 0.6 else 1 for size in (batch, heads, n_query, n_key)]
        options["bias"] = torch.randn(shape[draw.randint(0, 3) :])
    if draw.random() < 0.3:
        block = draw.choice((16, 32, 64))
        options["layout"] = layout(n_query, n_key, block, heads=draw.choice((1, heads)), seed=sizes["seed"])
    if draw.random() < 0.2:
        options["scale"] = draw.choice((-0.5, 0.0, 1.0))
    return sizes, options


@pytest.mark.parametrize("part", range(10))
def test_random_problems(part):
    threads = torch.get_num_threads()
    draw = random.Random(part)
    try:
        for _ in range(300):
            sizes, options = problem(draw, 400, FLOATS)
            torch.set_num_threads(draw.choice((1, 2, 3)))
            floor = 5e-13 if sizes["dtype"] == torch.float64 else None
            try:
                check(*qkv(**sizes), impl="tiled", floor=floor, **options)
            except AssertionError as error:
                raise AssertionError(f"{sizes}, {list(options.items())}: {error}") from None
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton does not interpret in this process"
)
@pytest.mark.parametrize("part", range(4))
def test_random_problems_of_the_interpreter(part):
    draw = random.Random(100 + part)
    for _ in range(50):
        sizes, options = problem(draw, 70, (torch.float32, torch.float16))
        check(*qkv(**sizes), impl="interpret", **options)
