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
from mmseg_multids.apis.self_training import SelfTraining, format_stages


def _parser() -> argparse.ArgumentParser:
    parser = common_parser(
        'Train a teacher, label images with it, and train a student on real and pseudo labels '
        '(Zhu et al., section 3.1), as `self_training` of the student\'s config says. The same '
        'command again goes on where it was stopped')
    parser.add_argument('--loops', type=int, default=1, metavar='N',
                        help='so many students, each taught by the one before (default: 1)')
    parser.add_argument('--teacher', metavar='CHECKPOINT',
                        help='a trained teacher; none is trained then')
    parser.add_argument('--seed', type=int, help='seed of all stages (default: the configs\')')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N',
                        help='processes that find objects (default: as many as there are CPUs)')
    return parser


def main(argv: list[str] | None = None) -> None:
    """Do all stages and print what they reached."""
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
        print(format_stages(stages), flush=True)


if __name__ == '__main__':
    main()
