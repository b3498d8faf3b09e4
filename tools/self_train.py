"""Self-training from teacher to student: ``python tools/self_train.py CONFIG``."""

from __future__ import annotations

import argparse
import os
import sys

from mmengine.dist import get_rank

from mmseg_multids.apis.launch import (
    common_parser,
    load_config,
    prepare_cpu_distributed,
    start_processes,
)
from mmseg_multids.apis.self_training import SelfTraining
from mmseg_multids.apis.training_stage import format_stages


def _parser() -> argparse.ArgumentParser:
    parser = common_parser(
        'Train a teacher, label images with it, and train a student on real and pseudo labels '
        '(Zhu et al., section 3.1), as `self_training` of the student\'s config says; '
        '--cfg-options are of that config. The same command again goes on where it was stopped')
    parser.add_argument('--loops', type=int, default=1, metavar='N',
                        help='so many students, each taught by the one before (default: 1)')
    parser.add_argument('--teacher', metavar='CHECKPOINT',
                        help='a trained teacher; none is trained then')
    parser.add_argument('--seed', type=int, help='seed of all stages (default: the configs\')')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N',
                        help='processes that find objects (default: as many as there are CPUs)')
    return parser


def main(argv: list[str] | None = None) -> None:
    """Do all stages and print what they reached; ends with 1 if images could not be read."""
    args = _parser().parse_args(argv)
    try:
        cfg = load_config(args)
        start_processes(args.launcher, args.local_rank)
        prepare_cpu_distributed(cfg)
        training = SelfTraining(cfg, args.teacher, args.workers,
                                lambda text: print(text, flush=True), args.seed)
        stages = training.run(args.loops)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f'self_train: {error}')
    if get_rank() == 0:
        print(format_stages(stages))
        print(f'summary: {training.root / "self_training.json"}', flush=True)
    failed = {image: why for found in training.unreadable.values() for image, why in found.items()}
    if failed and get_rank() == 0:
        listed = '\n'.join(f'  {image}: {why}' for image, why in list(failed.items())[:10])
        more = f'\n  and {len(failed) - 10} more' if len(failed) > 10 else ''
        sys.exit(f'self_train: all stages are done, but {len(failed)} image(s) could not be read '
                 f'and have no pseudo labels:\n{listed}{more}')


if __name__ == '__main__':
    main()
