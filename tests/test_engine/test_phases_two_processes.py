"""Learning a label space in two processes (gloo)."""

from __future__ import annotations

import os

import pytest
import torch
from mmengine.runner import Runner, load_checkpoint

from mmseg_multids.apis.cross_heads import gather_confusions
from mmseg_multids.apis.launch import prepare_cpu_distributed
from mmseg_multids.apis.whole_images import training_images

from ..processes import arrays, in_two_processes
from .test_training_phases import PHASES, learning


def prepared(runner) -> None:
    """Give a mapper links that it did not learn."""
    mapper = getattr(runner.model, 'module', runner.model).decode_head.mapper
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        mapper.graph.edge_weights.copy_(torch.randn(mapper.graph.edge_weights.shape,
                                                    generator=generator))


def decided(runner) -> dict:
    """Counts of all heads, and the mapping that is solved."""
    model = getattr(runner.model, 'module', runner.model)
    counts = gather_confusions(model, training_images(runner.cfg), max_images=5)
    mapper = model.decode_head.mapper
    hook = next(h for h in runner.hooks if type(h).__name__ == 'TrainingPhases')
    mapper.merge(*hook._merged(runner))
    prepared(runner)
    mapper.solve()
    return {'class_of_node': mapper.class_of_node.clone(), 'marginal': mapper.marginal.clone(),
            'nodes': mapper.nodes.clone(),
            **{f'{a}/{b}': torch.from_numpy(found) for a, row in counts.items()
               for b, found in row.items()}}


def part(rank: int, folder: str) -> dict:
    cfg = learning(folder)
    cfg.launcher = 'pytorch'
    prepare_cpu_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    load_checkpoint(runner.model.module, os.path.join(folder, 'start.pth'))
    found = decided(runner)
    # Then the whole run: each phase trains other parameters, and all processes agree.
    cfg = learning(os.path.join(folder, 'run'))
    cfg.launcher, cfg.model_wrapper_cfg = 'pytorch', runner.cfg.model_wrapper_cfg
    whole = Runner.from_cfg(cfg)
    whole.train()
    state = {k: v.clone() for k, v in whole.model.module.state_dict().items()}
    return arrays({**found, **{f'run/{k}': v for k, v in state.items()}})


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp('two')
    runner = Runner.from_cfg(learning(folder, PHASES))
    runner.model.init_weights()
    torch.save({'state_dict': runner.model.state_dict()}, folder / 'start.pth')
    alone = decided(runner)
    results = in_two_processes(part, str(folder))
    return alone, [{k: torch.from_numpy(v) for k, v in result.items()} for result in results]


def test_two_processes_give_the_mapping_of_one(both):
    alone, results = both
    for key, expected in alone.items():
        for rank in range(2):
            assert torch.equal(results[rank][key], expected), key


def test_a_run_through_all_phases_keeps_the_processes_alike(both):
    _, results = both
    # Running statistics of ordinary batch norms are each process's own.
    keys = [key for key in results[0] if key.startswith('run/') and '.running_' not in key]
    assert keys
    for key in keys:
        assert torch.equal(results[0][key], results[1][key]), key
