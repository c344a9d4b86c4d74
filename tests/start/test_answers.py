"""Right and wrong answers to the exercise of lab 00: body, and whether it is accepted."""

from tests.answers import told_apart

ANSWERS = [
    ("start.mix", "return weights @ values", True),
    ("start.mix", "return (weights[:, :, None] * values).sum(1)", True),
    ("start.mix", "return torch.stack([sum(w * v for w, v in zip(row, values)) for row in weights])", True),
    ("start.mix", "return torch.from_numpy(weights.numpy() @ values.numpy())", True),
    ("start.mix", "return torch.tensordot(weights, values, 1)", True),
    ("start.mix", "return weights.T @ values", False),
    ("start.mix", "return values[weights.argmax(1)]", False),
    ("start.mix", "return weights.softmax(-1) @ values", False),
    ("start.mix", "return weights / weights.sum(-1, keepdim=True) @ values", False),
    ("start.mix", "return weights / weights.shape[1] @ values", False),
    ("start.mix", "return weights @ (values - values.mean(0))", False),
    ("start.mix", "return weights @ values.abs()", False),
    ("start.mix", "return weights.clamp(min=0) @ values", False),
    ("start.mix", "return weights[:, :2] @ values[:2]", False),
    ("start.mix", "return (weights.float() @ values.float()).to(values.dtype)", False),
    ("start.mix", "return (weights @ values).float()", False),
    ("start.mix", "return weights @ values.flip(0)", False),
    ("start.mix", "weights /= weights.sum(-1, keepdim=True); return weights @ values", False),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(ANSWERS)
