"""Right and wrong answers to the exercises of lab 12, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "capstone.design_for",
        """
        special = {"Yun 2020": dict(pattern="window"), "Zaheer 2020": dict(pattern="star"),
                   "Ramapuram 2024": dict(normalizer="sigmoid"), "Xu 2024": dict(form="loop with clock", depth=3)}
        return Design(width=width, heads=8, **special.get(paper, {}))
        """,
    ),
    (
        "capstone.design_for",
        """
        if paper == "Kajitsuka 2023":
            return Design(positions="none", depth=1, heads=1, width=width)
        if paper == "Yun 2020":
            return Design(normalizer="hardmax", pattern="window", width=width)
        if paper == "Zaheer 2020":
            return Design(pattern="star", depth=4, width=width)
        form = "loop" if "Xu" in paper else "stack"
        return Design("sigmoid" if "Rama" in paper else "softmax", form=form, width=width)
        """,
    ),
    (
        "capstone.design_for",
        """
        normalizer = "sigmoid" if paper.startswith("Ramapuram") else "softmax"
        pattern = {"Yun 2020": "window", "Zaheer 2020": "star"}.get(paper, "full")
        form = "loop" if paper.startswith("Xu") else "stack"
        return Design(normalizer, pattern, "learned", form=form, depth=3, width=width, heads=4)
        """,
    ),
    ("capstone.headroom", "return math.log(separation / longest, 2) + bits"),
    ("capstone.headroom", "return math.log2(separation) - math.log2(longest) + bits"),
    ("capstone.headroom", "return bits - math.log2(longest / separation)"),
    ("capstone.flop", "return depth * (24 * width * width + 4 * keys * width)"),
    (
        "capstone.flop",
        "return sum(2 * (12 * width * width) + 2 * keys * width + 2 * width * keys for _ in range(depth))",
    ),
    (
        "capstone.flop",
        """
        projections, feed_forward, attention = 2 * 4 * width**2, 2 * 8 * width**2, 2 * 2 * keys * width
        return (projections + feed_forward + attention) * depth
        """,
    ),
    (
        "capstone.width_for",
        """
        import math

        width = (int(math.sqrt(cost / (24 * depth))) // heads + 1) * heads
        while width > 0 and depth * (24 * width**2 + 4 * keys * width) > cost:
            width -= heads
        return width
        """,
    ),
    (
        "capstone.width_for",
        """
        import math

        each = cost / depth
        width = (-4 * keys + math.sqrt(16 * keys**2 + 96 * each)) / 48
        return int((width + 1e-9) // heads * heads)
        """,
    ),
    (
        "capstone.width_for",
        """
        fits = [w for w in range(0, 4000, heads) if depth * (24 * w * w + 4 * keys * w) <= cost]
        return max(fits)
        """,
    ),
]

WRONG = [
    ("capstone.design_for", "return Design(width=width)"),
    ("capstone.design_for", "return Design('sigmoid' if paper == 'Ramapuram 2024' else 'softmax', width=32)"),
    ("capstone.design_for", "return Design(pattern='window', width=width)"),
    ("capstone.headroom", "return math.log2(separation / longest)"),
    ("capstone.headroom", "return math.log2(separation) + bits"),
    ("capstone.headroom", "return math.log10(separation / longest) + bits"),
    ("capstone.flop", "return depth * (24 * width * width + 4 * keys)"),
    ("capstone.flop", "return depth * (24 * width * width + 8 * keys * width)"),
    ("capstone.flop", "return 24 * depth * width * width"),
    ("capstone.width_for", "import math\n\nreturn int(math.sqrt(cost / depth / 24)) // heads * heads"),
    ("capstone.width_for", "import math\n\nreturn int((-4 * keys + math.sqrt(16 * keys**2 + 96 * cost / depth)) / 48)"),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
