"""Label images by a trained model, for a student: ``python tools/pseudo_label.py``."""

from __future__ import annotations

import argparse
import sys

import torch
from mmengine.config import DictAction
from mmengine.dist import get_rank

from mmseg_multids.apis.launch import start_processes
from mmseg_multids.apis.pseudo_images import images_in, images_of_dataset
from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.pseudo_statistics import format_statistics
from mmseg_multids.apis.trained import load_trained, read_config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='Label images by a trained model (the teacher of self-training, Zhu et al., '
        'section 3.1). The same command again goes on where it was stopped')
    parser.add_argument('config', help='config file of the teacher')
    parser.add_argument('checkpoint', help='its checkpoint file')
    parser.add_argument('images', nargs='*', metavar='IMAGES',
                        help='folders, of which all images below are taken, and files')
    parser.add_argument('--dataset', metavar='NAME',
                        help="the images of this dataset of the config's loaders instead")
    parser.add_argument('--split', metavar='NAME',
                        help='split of that dataset (default: that of the loader)')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to write')
    parser.add_argument('--label-space', metavar='NAME',
                        help="classes of the labels: a dataset of the model, or 'unified' for all "
                        "nodes (default: the model's only dataset)")
    parser.add_argument('--images-of', metavar='NAME',
                        help='dataset whose batch norms apply to the images (default: --dataset, '
                        'else --label-space)')
    augment = parser.add_argument_group('test-time augmentation (section 4.3, of tests); scores '
                                        'are averaged')
    augment.add_argument('--scales', type=float, nargs='+', default=[1.0], metavar='FACTOR',
                         help='factors of size, such as 0.5 1 2 (default: 1)')
    augment.add_argument('--flip', action='store_true', help='also mirrored')
    augment.add_argument('--tile', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                         help="in tiles that overlap (default: as the config's test_cfg)")
    augment.add_argument('--overlap', type=float, default=1 / 3, metavar='SHARE',
                         help='share of a tile that the next one has, too (default: 1/3)')
    choice = parser.add_argument_group('which labels')
    choice.add_argument('--threshold', type=float, default=0.0, metavar='SCORE',
                        help='ignore pixels whose largest score is lower')
    choice.add_argument('--portion', nargs='+', type=_portion, metavar='[CLASS=]SHARE',
                        help='keep this share of the pixels of each class, the most confident '
                        'ones of all images; CLASS=SHARE: of this class')
    choice.add_argument('--complete', action='store_true',
                        help='keep the labels of --dataset, and add the classes that they lack')
    choice.add_argument('--soft', type=int, default=0, metavar='K',
                        help='also write the K largest scores of each pixel')
    parser.add_argument('--processes', type=int, default=1, metavar='N',
                        help='processes; with GPUs each takes one in turn (default: 1)')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none',
                        help='job launcher, in place of --processes')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    return parser


def _portion(text: str) -> tuple[str | None, float]:
    name, sign, share = text.rpartition('=')
    try:
        return (name if sign else None), float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: expected SHARE or CLASS=SHARE, such as '
                                         '0.5 or car=0.2') from None


def main(argv: list[str] | None = None) -> None:
    """Label, print and write."""
    args = _parser().parse_args(argv)
    try:
        if bool(args.images) == bool(args.dataset):
            raise ValueError('name images, folders or files, or a dataset (--dataset)')
        if args.split and not args.dataset:
            raise ValueError('--split is one of a dataset (--dataset)')
        if args.complete and not args.dataset:
            raise ValueError('--complete needs the labels of a dataset (--dataset)')
        cfg = read_config(args.config)
        cfg.merge_from_dict(dict(args.cfg_options or {}))
        images = images_in(args.images, args.out) if args.images else images_of_dataset(
            cfg, args.dataset, args.split, args.complete)
        start_processes(args.launcher, args.local_rank)
        model = load_trained(args.checkpoint, cfg).model
        model.cfg = cfg
        if torch.cuda.is_available():
            model.to(torch.device('cuda', torch.cuda.current_device()))
        found = generate_pseudo_labels(
            model, images, args.out, args.checkpoint, args.label_space, args.images_of,
            args.scales, args.flip, None if args.tile is None else tuple(args.tile), args.overlap,
            args.soft, args.threshold, None if args.portion is None else dict(args.portion),
            args.complete, args.processes, lambda text: print(text, flush=True))
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f'pseudo_label: {getattr(error, "strerror", None) or error}')
    if get_rank() == 0:
        print(format_statistics(found.statistics))
        print(f'pseudo labels: {found.folder}', flush=True)
    if found.failed:
        listed = '\n'.join(f'  {image}: {why}' for image, why in list(found.failed.items())[:10])
        more = f'\n  and {len(found.failed) - 10} more' if len(found.failed) > 10 else ''
        sys.exit(f'pseudo_label: {len(found.failed)} image(s) could not be read (see '
                 f'{found.folder}/failed.json):\n{listed}{more}')


if __name__ == '__main__':
    main()
