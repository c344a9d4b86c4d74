"""The written loops: as many hops as promised, for every question, and not one more."""

import torch

from seqlab.looped_training import Pointers, hops


def test_doubling_and_single_hops():
    task = Pointers(1, nodes=5)
    ids, _ = task.draw(60, torch.Generator().manual_seed(0))
    for loops in (0, 1, 2, 3):
        for double, far in ((True, 2**loops - 1), (False, loops)):
            answers = hops.chase(loops, double=double).run(torch.stack([ids, ids], -1))[:, -1, 0]
            wanted = task.chase(ids, far) if far else ids[:, -1]
            assert torch.equal(torch.tensor(answers), wanted)
    ring = hops.question([1, 2, 3, 4, 5, 6, 7, 0], 0)
    assert hops.chase(3).run(ring)[0, -1, 0] == 7
