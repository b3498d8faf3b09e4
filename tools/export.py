"""Export one dataset of a model: ``python tools/export.py CONFIG CHECKPOINT --dataset NAME``."""

from __future__ import annotations

import argparse
import sys

from mmengine.config import DictAction

from mmseg_multids.apis.export import export
from mmseg_multids.apis.trained import read_config


def main() -> None:
    """Write the files and say what was checked."""
    parser = argparse.ArgumentParser(description='Write a config and a checkpoint of one dataset '
                                     'for plain MMSegmentation, and optionally ONNX')
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dataset', required=True,
                        help="whose classes to predict, or 'unified' for all nodes")
    parser.add_argument('--out', required=True, metavar='DIR',
                        help='folder for NAME.py and NAME.pth')
    parser.add_argument('--norm', metavar='NAME',
                        help='whose statistics of dataset-specific batch norms to keep, or '
                        "'mean' (default: the dataset's)")
    parser.add_argument('--onnx', metavar='FILE', help='also write an ONNX file, and check it')
    parser.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                        help="size of the ONNX model's images (default: test_cfg.crop_size, else "
                        '512 512)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args()
    try:
        cfg = read_config(args.config)
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        done = export(cfg, args.checkpoint, args.dataset, args.out, args.norm, args.onnx, args.size)
    except (FileNotFoundError, ImportError, RuntimeError, TypeError, ValueError) as error:
        sys.exit(f'export: {error}')
    for note in done.notes:
        print(f'note: {note}')
    print(f'config:     {done.config}\ncheckpoint: {done.checkpoint}\n'
          f'checked: logits of a random image differ from ours by at most {done.difference:.2g}')
    if done.onnx:
        print(f'onnx:       {done.onnx[0]}\n'
              f'checked: its logits differ from torch by at most {done.onnx[1]:.2g}')


if __name__ == '__main__':
    main()
