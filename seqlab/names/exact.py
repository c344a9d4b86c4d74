"""The names of one head of size one in exact arithmetic: their order, and their distances, however small.

Token c in the bag S (weights e^{κ c b}, b over S) is named m(c, S) = Σ b e^{κcb} / Z. Two names differ by

    m(c, S) - m(d, T) = Σ_{a ∈ S, b ∈ T} (a - b) e^{κ(ca + db)} / (Z Z')                                    (derived)

Terms with equal ca + db are collected in integer arithmetic, so that what cancels, cancels exactly. Different powers of
e with rational exponents are linearly independent over the rationals (Lindemann-Weierstrass), so a difference is zero
if and only if nothing is left of the sum; otherwise enough digits give its sign and its logarithm. Names that differ in
their first digits are subtracted as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise

from mpmath import MPContext, mp

Bag = tuple[int, ...]  # tokens as indices, sorted, with repeats
Context = tuple[int, Bag]  # a token and the bag that it stands in

MOST_DIGITS, SORTED_DIGITS = 200_000, 3000


def arithmetic(digits: int) -> MPContext:
    """An mpmath context of its own with so many decimal digits: nobody else's precision changes."""
    context = MPContext()
    context.dps = digits
    return context


def number(context: MPContext, x: object) -> object:
    """x in the context, Fractions without a detour through floats."""
    return context.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else context.mpf(x)


def log10(x: object) -> float:
    """log10 of a number ≥ 0 of any kind, which may be far below the smallest float; -inf for 0."""
    return float(mp.log10(number(mp, x))) if x else -math.inf


class ExactNames:
    """The names m(c, S) of one head: `tokens` are exact numbers, `kappa` the scale, 0 (average) to ∞ (hardmax).

    c and the entries of a bag are indices into `tokens`. Names and distances are mpmath numbers. `watch` is called
    before each name or difference that takes work; it may raise, to stop it.
    """

    watch: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, tokens: Iterable[object], kappa: object, *, digits: int = 40):
        fractions = [Fraction(token) for token in tokens]
        self.unit = math.lcm(*(f.denominator for f in fractions))
        self.tokens = [int(f * self.unit) for f in fractions]  # in units of 1/unit
        self.kappa = kappa if kappa == math.inf else Fraction(kappa)
        self.context = arithmetic(digits)
        largest = max(map(abs, self.tokens))
        self.span = largest * (max(self.tokens) - min(self.tokens))  # of scores at κ = 1, in units of 1/unit²
        self._resolved = largest * self.context.mpf(10) ** (22 - digits) / self.unit
        self._powers: dict[int, object] = {}
        self._found: dict[Context, tuple[object, object]] = {}
        self._fine: dict[int, ExactNames] = {}

    def name(self, place: Context) -> object:
        """m(c, S) in the digits of this object."""
        return self._name_and_total(place)[0]

    def difference(self, first: Context, second: Context) -> object:
        """The first name less the second, to about twenty digits of its own; 0 exactly where they are equal."""
        (name, total), (other, rest) = self._name_and_total(first), self._name_and_total(second)
        apart = name - other
        # Hardmax names are quotients of small integers, each rounded once, so equal ones are equal in every digit.
        if self.kappa == math.inf or abs(apart) > self._resolved:
            return apart
        self.watch()
        (c, s), (d, t) = ((self.tokens[token], Counter(self.tokens[b] for b in bag)) for token, bag in (first, second))
        grouped: Counter[int] = Counter()
        for a, p in s.items():
            for b, q in t.items():
                grouped[(c * a + d * b) * (self.kappa > 0)] += p * q * (a - b)
        return self._sum([term for term in grouped.items() if term[1]]) / self.unit / (total * rest)

    def ladder(self, places: Iterable[Context]) -> tuple[list[Context], list[object]]:
        """The contexts by increasing name, and the distance from each to the next.

        Where the distances show that the digits of the names did not suffice, names of as many digits as they may need
        give the order, if 3,000 do, and the signs of differences correct it: few comparisons where it is right.
        """
        places = list(places)
        order = sorted(places, key=self.name) if len(places) > 1 else places
        steps = [self.difference(b, a) for a, b in pairwise(order)]
        if all(step >= 0 for step in steps):
            return order, steps
        digits = 60 + int(2 * self.kappa * self.span / self.unit**2 / Fraction(math.log(10)))
        if digits <= SORTED_DIGITS:
            order.sort(key=self._finer(digits).name)
        order.sort(key=cmp_to_key(lambda a, b: self.context.sign(self.difference(a, b))))
        return order, [self.difference(b, a) for a, b in pairwise(order)]

    def _name_and_total(self, place: Context) -> tuple[object, object]:
        if place not in self._found:
            self.watch()
            token, bag = place
            values = [self.tokens[b] for b in bag]
            scores = [self.tokens[token] * value for value in values]
            if self.kappa == math.inf:
                weights = [self.context.mpf(score == max(scores)) for score in scores]
            else:
                weights = [self._power(score) for score in scores]
            total = self.context.fsum(weights)
            self._found[place] = self.context.fdot(weights, values) / (total * self.unit), total
        return self._found[place]

    def _power(self, score: int) -> object:
        """e^{κ score}."""
        if score not in self._powers:
            exponent = self.context.mpf(self.kappa.numerator * score) / (self.kappa.denominator * self.unit**2)
            self._powers[score] = self.context.exp(exponent)
        return self._powers[score]

    def _sum(self, terms: list[tuple[int, int]]) -> object:
        """Σ coefficient · e^{κ score}, with twice the digits as long as the terms cancel."""
        context = self.context
        parts = [coefficient * self._power(score) for score, coefficient in terms]
        total, size = context.fsum(parts), context.fsum(parts, absolute=True)
        if abs(total) >= size * context.mpf(10) ** (20 - context.dps):
            return total
        return context.mpf(self._finer(2 * context.dps)._sum(terms))

    def _finer(self, digits: int) -> ExactNames:
        """The same names in more digits."""
        if digits > MOST_DIGITS:
            raise ArithmeticError(f"names agree in {MOST_DIGITS:,} digits; are two tokens nearly equal?")
        if digits not in self._fine:
            tokens = [Fraction(token, self.unit) for token in self.tokens]
            self._fine[digits] = ExactNames(tokens, self.kappa, digits=digits)
        self._fine[digits].watch = self.watch
        return self._fine[digits]
