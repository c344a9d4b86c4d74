"""Right and wrong answers to the exercise of lab 00: body, and whether it is accepted."""

import pytest

from tests.answers import judged

ANSWERS = [
    ("return weights @ values", True),
    ("return (weights[:, :, None] * values).sum(1)", True),
    ("return torch.stack([sum(w * v for w, v in zip(row, values)) for row in weights])", True),
    ("return torch.from_numpy(weights.numpy() @ values.numpy())", True),
    ("return torch.tensordot(weights, values, 1)", True),
    ("return weights.T @ values", False),
    ("return values[weights.argmax(1)]", False),
    ("return weights.softmax(-1) @ values", False),
    ("return weights / weights.sum(-1, keepdim=True) @ values", False),
    ("return weights / weights.shape[1] @ values", False),
    ("return weights @ (values - values.mean(0))", False),
    ("return weights @ values.abs()", False),
    ("return weights.clamp(min=0) @ values", False),
    ("return weights[:, :2] @ values[:2]", False),
    ("return (weights.float() @ values.float()).to(values.dtype)", False),
    ("return (weights @ values).float()", False),
    ("return weights @ values.flip(0)", False),
    ("weights /= weights.sum(-1, keepdim=True); return weights @ values", False),
]


@pytest.mark.parametrize("body, accepted", ANSWERS)
def test_right_answers_are_accepted_and_no_others(body, accepted):
    assert judged("start.mix", body).right == accepted
