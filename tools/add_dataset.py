"""Add datasets to a trained model: ``python tools/add_dataset.py CONFIG CHECKPOINT --out FILE``."""

from __future__ import annotations

import argparse
import sys

from mmengine.config import DictAction

from mmseg_multids.apis.grow import Grown, grow
from mmseg_multids.apis.trained import read_config


def main() -> None:
    """Write the checkpoint and say what was chosen."""
    parser = argparse.ArgumentParser(
        description='Write a checkpoint for a mix that has more datasets than a model was trained '
        'on, or fewer; the datasets that stay predict what they did')
    parser.add_argument('config', help='config of the new mix')
    parser.add_argument('checkpoint', help='checkpoint of the old one')
    parser.add_argument('--out', required=True, metavar='FILE', help='checkpoint to write')
    parser.add_argument('--init', metavar='nearest|mean|NAME',
                        help='whose batch norms a new dataset begins with, and whose classes of '
                        'the same name come first: the dataset with the nearest statistics (the '
                        'default, where there are statistics per dataset), the mean of all, or '
                        'one dataset')
    parser.add_argument('--batches', type=int, default=4, metavar='N',
                        help='training batches of a new dataset to find the nearest with '
                        '(default: %(default)s)')
    parser.add_argument('--trained-config', metavar='FILE', help='config that the checkpoint was '
                        'trained with (default: the one that the checkpoint holds)')
    parser.add_argument('--force', action='store_true', help='replace an existing file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config of the new mix')
    args = parser.parse_args()
    try:
        cfg = read_config(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        done = grow(cfg, args.checkpoint, args.out, args.init, args.batches, args.force,
                    args.trained_config)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        sys.exit(f'add_dataset: {error}')
    print_report(done)


def print_report(done: Grown) -> None:
    """Print what was added, removed and kept."""
    for name, added in done.added.items():
        print(f'added {name}')
        if added.distances:
            ordered = sorted(added.distances.items(), key=lambda item: item[1])
            print('  distance of its images to the statistics of: '
                  + ', '.join(f'{d} {distance:.3g}' for d, distance in ordered))
        if done.has_dataset_norms:
            print(f'  batch norms begin as those of: {added.source}')
        for place in dict.fromkeys(added.classes.values()):
            classes = [c for c, p in added.classes.items() if p == place]
            print(f'  {len(classes)} class(es) begin as {place}: {", ".join(classes)}')
    for name in done.removed:
        print(f'removed {name}')
    print(f'kept {", ".join(done.kept)}\n'
          'checked: on a random image the kept datasets have the logits that they had\n'
          "left out: the optimizer's state; go on with load_from, not with --resume\n"
          f'checkpoint: {done.checkpoint}')


if __name__ == '__main__':
    main()
