"""Relations gathered by two processes (gloo) are those of one."""

import numpy as np

from mmseg_multids.apis.relations import gather_relations

from ..processes import in_two_processes
from .test_relations import setup


def part(rank: int) -> tuple:
    model, images, _ = setup('null')
    found = gather_relations(model, images)
    return found.scores, found.counts, found.tau


def test_two_processes_find_what_one_does():
    results = in_two_processes(part)
    model, images, _ = setup('null')
    expected = gather_relations(model, images)
    for scores, counts, tau in results:
        for dataset in expected.scores:
            assert counts[dataset].tolist() == expected.counts[dataset].tolist()
            np.testing.assert_allclose(scores[dataset], expected.scores[dataset], rtol=1e-9)
        assert tau == np.float64(tau) and abs(tau - expected.tau) < 1e-9
