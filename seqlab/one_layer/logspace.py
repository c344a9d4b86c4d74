"""Names that no float can tell apart, compared exactly: the difference of two of them as a sum without cancellation.

Token c in the bag S (weights e^{κ c b}, b over S) is named m(c, S) = Σ b e^{κcb} / Z_S. Two names of one token differ by

    m(c, S) - m(c, T) = Σ_{a ∈ S, b ∈ T} (a - b) e^{κc(a+b)} / (Z_S Z_T)                                    (derived)

Terms with equal a + b are collected in integer arithmetic, so that what cancels, cancels exactly; what is left is a few
exponentials of different size, and forty digits give its sign and its logarithm, however small it is. Names that differ in
their first digits are subtracted as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cmp_to_key
from math import lcm, log

from seqlab.one_layer.boltzmann import arithmetic, number
from seqlab.one_layer.separated import Bag

MOST_DIGITS = 200_000


class Names:
    """The names m(c, S) of one head: `tokens` are the projected tokens (exact), `kappa` the scale (exact).

    c and the entries of a bag are indices into `tokens`.
    """

    def __init__(self, tokens: Sequence[object], kappa: object, *, digits: int = 40):
        fractions = [Fraction(token) for token in tokens]
        self.unit = lcm(*(f.denominator for f in fractions))
        self.tokens = [int(f * self.unit) for f in fractions]  # in units of 1/unit
        self.kappa = Fraction(kappa)
        self.context = arithmetic(digits)
        self._exponentials: dict[tuple[int, int], object] = {}
        self._partition: dict[tuple[int, Bag], object] = {}
        self._named: dict[tuple[int, Bag], object] = {}

    def name(self, c: int, bag: Bag) -> object:
        """m(c, S) in the digits of this object."""
        if (c, bag) not in self._named:
            weighted = self.context.fsum(self._exp(c, self.tokens[b]) * self.tokens[b] for b in bag)
            self._named[c, bag] = weighted / self._total(c, bag) / self.unit
        return self._named[c, bag]

    def difference(self, c: int, first: Bag, second: Bag) -> object:
        """m(c, first) - m(c, second), to about twenty digits of its own, as an mpmath number; 0 exactly if they are equal."""
        context = self.context
        apart = self.name(c, first) - self.name(c, second)
        if abs(apart) * self.unit > max(map(abs, self.tokens)) * context.mpf(10) ** (22 - context.dps):
            return apart
        grouped: Counter[int] = Counter()
        left, right = Counter(first), Counter(second)
        for a, p in left.items():
            for b, q in right.items():
                if a != b:
                    grouped[self.tokens[a] + self.tokens[b]] += p * q * (self.tokens[a] - self.tokens[b])
        terms = [(total, coefficient) for total, coefficient in grouped.items() if coefficient]
        if not terms:
            return self.context.mpf(0)
        if self.tokens[c] == 0 or self.kappa == 0:  # flat scores: the plain average
            summed = self.context.mpf(sum(coefficient for _, coefficient in terms))
        else:
            summed = self._sum(c, terms)
        return summed / self.unit / (self._total(c, first) * self._total(c, second))

    def sorted(self, c: int, bags: Iterable[Bag]) -> list[Bag]:
        """Bags by increasing name of token c: by the names as they are, or in as many digits as they may need, if 3,000 do.

        Each order is checked pair by pair with exact differences, and made with them where neither is right.
        """
        guess = sorted(bags, key=lambda bag: self.name(c, bag))
        if self._increasing(c, guess):
            return guess
        spread = max(self.tokens) - min(self.tokens)
        digits = int(abs(self.kappa * self.tokens[c] * spread) / self.unit**2 * 2 / Fraction(log(10))) + 60
        if digits <= 3000:
            fine = Names([Fraction(t, self.unit) for t in self.tokens], self.kappa, digits=digits)
            guess.sort(key=lambda bag: fine.name(c, bag))
            if fine._increasing(c, guess):
                return guess
        return sorted(guess, key=cmp_to_key(lambda s, t: self.context.sign(self.difference(c, s, t))))

    def closest(self, c: int, bags: Sequence[Bag], labels: Sequence[object]) -> tuple[object, tuple[Bag, Bag]] | None:
        """The smallest distance of two names of c with different labels, and which; None where all labels agree."""
        label = dict(zip(bags, labels))
        order = self.sorted(c, bags)
        pairs = [(s, t) for s, t in zip(order, order[1:]) if label[s] != label[t]]
        return min(((abs(self.difference(c, t, s)), (s, t)) for s, t in pairs), default=None)

    def log10(self, x: object) -> float:
        """log10 of an mpmath number, -inf for 0."""
        return float(self.context.log10(x)) if x else float("-inf")

    def _increasing(self, c: int, bags: list[Bag]) -> bool:
        return all(self.difference(c, t, s) >= 0 for s, t in zip(bags, bags[1:]))

    def _sum(self, c: int, terms: list[tuple[int, int]]) -> object:
        """Σ coefficient · e^{κ c total}, with more digits where the terms cancel."""
        context = self.context
        parts = [coefficient * self._exp(c, total) for total, coefficient in terms]
        summed, size = context.fsum(parts), context.fsum(map(abs, parts))
        digits = context.dps
        while abs(summed) < size * context.mpf(10) ** (20 - digits):
            digits *= 2
            if digits > MOST_DIGITS:
                raise ArithmeticError(
                    f"names of token {c} agree in {MOST_DIGITS:,} digits; are two tokens nearly equal?"
                )
            finer = arithmetic(digits)
            scale = number(finer, self.kappa * self.tokens[c] / self.unit**2)
            parts = [coefficient * finer.exp(scale * total) for total, coefficient in terms]
            summed, size = finer.fsum(parts), finer.fsum(map(abs, parts))
        return context.mpf(summed)

    def _exp(self, c: int, total: int) -> object:
        """e^{κ c total}."""
        if (c, total) not in self._exponentials:
            exponent = number(self.context, self.kappa * self.tokens[c] * total / self.unit**2)
            self._exponentials[c, total] = self.context.exp(exponent)
        return self._exponentials[c, total]

    def _total(self, c: int, bag: Bag) -> object:
        if (c, bag) not in self._partition:
            self._partition[c, bag] = self.context.fsum(self._exp(c, self.tokens[b]) for b in bag)
        return self._partition[c, bag]
