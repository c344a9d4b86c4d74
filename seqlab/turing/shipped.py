"""The machines that come with the library."""

from __future__ import annotations

from seqlab.turing.machine import Machine

SHIPPED = {
    "increment": """
        name: binary increment
        start: right
        halt: done
        right 0 -> right 0 R
        right 1 -> right 1 R
        right _ -> carry _ L
        carry 1 -> carry 0 L
        carry 0 -> done  1 N
        carry _ -> done  1 N
    """,
    "palindrome": """
        name: palindrome
        start: first
        halt: yes no
        first a -> seen_a _ R
        first b -> seen_b _ R
        first _ -> yes    _ N
        seen_a a -> seen_a a R
        seen_a b -> seen_a b R
        seen_a _ -> want_a _ L
        seen_b a -> seen_b a R
        seen_b b -> seen_b b R
        seen_b _ -> want_b _ L
        want_a a -> back _ L
        want_a b -> no   b N
        want_a _ -> yes  _ N
        want_b b -> back _ L
        want_b a -> no   a N
        want_b _ -> yes  _ N
        back a -> back  a L
        back b -> back  b L
        back _ -> first _ R
    """,
    "bouncing": """
        name: bouncing bit-flipper
        start: right
        right 0 -> right 1 R
        right 1 -> right 0 R
        right _ -> left  _ L
        left 0 -> left  1 L
        left 1 -> left  0 L
        left _ -> right _ R
    """,
    "busy_beaver_3": """
        name: busy beaver, 3 states
        blank: 0
        start: A
        halt: H
        A 0 -> B 1 R
        A 1 -> H 1 R
        B 0 -> C 0 R
        B 1 -> B 1 R
        C 0 -> C 1 L
        C 1 -> A 1 L
    """,
    "busy_beaver_4": """
        name: busy beaver, 4 states
        blank: 0
        start: A
        halt: H
        A 0 -> B 1 R
        A 1 -> B 1 L
        B 0 -> A 1 L
        B 1 -> C 0 L
        C 0 -> H 1 R
        C 1 -> D 1 L
        D 0 -> D 1 R
        D 1 -> A 0 R
    """,
}


def shipped(name: str) -> Machine:
    """One of `SHIPPED`. Raises ValueError for a name that is not among them."""
    if name not in SHIPPED:
        raise ValueError(f"name: got {name!r}, wanted one of {sorted(SHIPPED)}")
    return Machine.parse(SHIPPED[name])
