"""Right and wrong answers to the exercises of lab 09, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        b = torch.reciprocal((1 + steps) * (1 + step))
        return b * (cell - cells) + b**2 / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = [1 / (step + 1) / (m + 1) for m in steps]
        return torch.stack([b * (cell - c + b / 3) for c, b in zip(cells, e)])
        """,
    ),
    (
        "turing.edges",
        """
        j = 0
        while (j + 1) * (j + 2) // 2 < row:
            j += 1
        k = row - j * (j + 1) // 2
        far = k * (k + 1) // 2
        return (far, row) if k > 1 or j == 0 else (far, far if j == 0 else j * (j + 1) // 2)
        """,
    ),
    (
        "turing.edges",
        """
        j = int((-1 + (1 + 8 * (row - 1)) ** 0.5) / 2)
        k = row - j * (j + 1) // 2
        near = row if k > 1 or row == 1 else row - 1
        return k * (k + 1) // 2, near
        """,
    ),
    (
        "turing.edges",
        """
        block, rows, computing = 0, [1], [1]
        while row not in rows:
            block += 1
            rows = list(range(rows[-1] + 1, rows[-1] + block + 2))
            computing.append(rows[-1])
        k = rows.index(row)
        return [computing[k], rows[0] - 1 if k == 0 and block else row]
        """,
    ),
    (
        "turing.row",
        """
        def size(write):
            return lookup_score(cell, step, torch.tensor([float(write[0])]), torch.tensor([float(write[1])])).abs()
        return best if size(best) <= size(other) else other
        """,
    ),
    (
        "turing.row",
        """
        e = lambda w: abs((cell - w[0] + 1 / (3 * (step + 1) * (w[1] + 1))) / (w[1] + 1))
        return min(best, other, key=e)
        """,
    ),
    (
        "turing.row",
        """
        size = lambda m, c: abs(3 * (step + 1) * (m + 1) * (cell - c) + 1) / (m + 1) ** 2
        keep = size(other[1], other[0]) < size(best[1], best[0])
        return other if keep else best
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        halt: h
        s 1 -> r 0 R
        r 1 -> r 1 R
        r 2 -> r 2 R
        r _ -> b 2 L
        b 1 -> b 1 L
        b 2 -> b 2 L
        b 0 -> s 0 R
        s 2 -> h 2 N
        s _ -> h _ N
        '''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        s 1 -> l 0 L
        s 0 -> s 0 R
        l 0 -> l 0 L
        l x -> l x L
        l _ -> r x R
        r x -> r x R
        r 0 -> s 0 R
        '''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        # only the rules that are needed; where none is, the machine stops
        start: seek
        seek 1 -> out x R
        out 1 -> out 1 R
        out y -> out y R
        out _ -> home y L
        home y -> home y L
        home 1 -> home 1 L
        home x -> seek x R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: go
        halt: done
        go a -> go a R
        go b -> b b R
        go _ -> done _ N
        b b -> b b R
        b _ -> done _ N
        b a -> put b L
        put b -> back a L
        back a -> back a L
        back b -> back b L
        back _ -> go _ R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: go
        go a -> go a R
        go b -> b b R
        b b -> b b R
        b a -> put b L
        put b -> back a L
        back a -> go a R
        back b -> back b L
        back _ -> go _ R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: find
        halt: done
        find a -> find a R
        find b -> far B R
        find _ -> wash _ L
        far a -> far a R
        far b -> far b R
        far _ -> last _ L
        far A -> last A L
        far B -> last B L
        last b -> last B L
        last a -> swap B L
        last B -> wash B L
        swap a -> swap a L
        swap b -> swap b L
        swap B -> find a R
        find B -> wash B L
        wash a -> wash a L
        wash B -> wash B L
        wash b -> wash b L
        wash _ -> clean _ R
        clean a -> clean a R
        clean b -> clean b R
        clean B -> clean b R
        clean _ -> done _ N
        '''
        """,
    ),
]

WRONG = [
    (
        "turing.row",
        """
        pair = [best, other]
        cells, steps = (torch.tensor([p[at] for p in pair]).double() for at in range(2))
        s = lookup_score(cell, best[1], cells, steps)
        return pair[int(s.abs().argmin())]
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (len(cells) + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (torch.arange(len(cells)) + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / step
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (steps[-1] + 2)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 2)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1.0
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = torch.ones_like(steps)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells - cell) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells) + e * em / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (cell - cells) + e * em / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 4)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells).abs() + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (e * em * ((cell - cells) + e * em / 3)).abs()
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (e * em * ((cell - cells) + e * em / 3)).float().double()
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells[-1] - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells[0] - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3).flip(0)
        """,
    ),
    (
        "turing.edges",
        """
        j = int((-1 + (1 + 8 * row) ** 0.5) / 2)
        k = row - j * (j + 1) // 2
        return k * (k + 1) // 2, row - 1 if k == 1 else row
        """,
    ),
    (
        "turing.edges",
        """
        j = int((-1 + (1 + 8 * (row - 1)) ** 0.5) / 2)
        k = row - j * (j + 1) // 2
        return k * (k + 1) // 2, j * (j + 1) // 2 if k == 1 else row
        """,
    ),
    (
        "turing.edges",
        """
        j = int((-1 + (1 + 8 * (row - 1)) ** 0.5) / 2)
        k = row - j * (j + 1) // 2
        return (row if k > 1 or row == 1 else row - 1), k * (k + 1) // 2
        """,
    ),
    (
        "turing.row",
        """
        return other if other[0] == cell else best
        """,
    ),
    (
        "turing.row",
        """
        if other[0] == cell and (best[0] != cell or other[1] > best[1]):
            return other
        return other if best[0] != cell and other[1] > best[1] else best
        """,
    ),
    (
        "turing.row",
        """
        return best
        """,
    ),
    (
        "turing.row",
        """
        return other
        """,
    ),
    (
        "turing.row",
        """
        return max(best, other, key=lambda w: (w[0] == cell, w[1]))[:2]
        """,
    ),
    (
        "turing.table",
        """
        return ''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        s 1 -> s 1 R
        '''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        halt: h
        s 1 -> t 1 R
        s _ -> h _ N
        t 1 -> t 1 R
        t _ -> h 1 N
        '''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        s 1 -> s 1 R
        s _ -> s 1 R
        '''
        """,
    ),
    (
        "turing.table",
        """
        return '''
        start: s
        s 1 -> gone x R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: s
        s a -> s a R
        s b -> s b R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: s
        s a -> s a R
        s b -> s a R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: go
        go a -> go a R
        go b -> b b R
        b b -> b b R
        b a -> put b L
        put b -> go a R
        '''
        """,
    ),
    (
        "turing.sort",
        """
        return '''
        start: go
        go a -> go a R
        go b -> b b R
        go _ -> back _ L
        b b -> b b R
        b _ -> back _ L
        b a -> put b L
        put b -> back a L
        back a -> back a L
        back b -> back b L
        back _ -> go _ R
        '''
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
