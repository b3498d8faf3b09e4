"""Count FLOPs and parameters per dataset: ``python tools/get_flops.py CONFIG``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from mmseg_multids.apis import complexity


def main(argv: list[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description='Count FLOPs and parameters of inference for one dataset, beside a network for '
        'that dataset alone (CDCL, Table 6). Neither data nor weights are needed.')
    parser.add_argument('config', metavar='CONFIG', help='config file of several datasets')
    parser.add_argument('--size', nargs=2, type=int, default=[512, 512], metavar=('H', 'W'),
                        help='height and width of the image in pixels (default: 512 512)')
    parser.add_argument('--dataset', nargs='+', metavar='NAME',
                        help='datasets to count (default: all that both networks have)')
    parser.add_argument('--against', metavar='CONFIG2', help='config file of the network to '
                        'compare with, also one of MMSegmentation without `datasets` (default: the '
                        'same network with ordinary batch norms, built for the dataset alone)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of CONFIG, e.g. model.dataset_norm.share=affine')
    args = parser.parse_args(argv)
    if min(args.size) < 1:
        parser.error(f'--size {args.size[0]} {args.size[1]}: expected a height and a width of at '
                     'least 1 pixel')
    try:
        cfg, other = _read(args.config), args.against and _read(args.against)
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        init_default_scope(cfg.get('default_scope') or 'mmseg')
        results = complexity.compare(
            cfg.model, tuple(args.size), args.dataset, other and other.model,
            (Path(args.config).stem, Path(args.against or '').stem))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(complexity.format_comparisons(results, args.size))


def _read(path: str) -> Config:
    """Read a config, with the file's name in what may be wrong with it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'config {path} does not exist')
    cfg = Config.fromfile(path)
    if not cfg.get('model'):
        raise ValueError(f'{path} has no `model`; give the config of a whole training')
    return cfg


if __name__ == '__main__':
    main()
