"""Export a model: ``python tools/export.py CHECKPOINT --dataset NAME`` (or ``--backbone``)."""

from __future__ import annotations

import argparse
import sys

from mmengine.config import DictAction

from mmseg_multids.apis.export import export
from mmseg_multids.apis.export_backbone import export_backbone
from mmseg_multids.apis.export_learned import export_learned


def main() -> None:
    """Write the files and say what was checked."""
    parser = argparse.ArgumentParser(description='Write a config and a checkpoint of one dataset '
                                     'for plain MMSegmentation, and optionally ONNX; or the '
                                     "backbone's weights, for other models to start from")
    parser.add_argument('checkpoint', help='checkpoint file')
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--dataset', metavar='NAME',
                      help="whose classes to predict, 'unified' for all nodes, or 'all' for a "
                      'model of this package with a learned label space that is fixed')
    what.add_argument('--backbone', action='store_true',
                      help="write the backbone's weights alone, also those of a pretrainer")
    parser.add_argument('--out', metavar='PATH', help='folder for NAME.py and NAME.pth (default: '
                        'exported, or learned with --dataset all, beside the checkpoint); with '
                        '--backbone the file (default: backbone.pth beside the checkpoint)')
    parser.add_argument('--config', metavar='FILE', help='config that the checkpoint was trained '
                        'with (default: the one that the checkpoint holds)')
    parser.add_argument('--norm', metavar='NAME',
                        help='whose statistics of dataset-specific batch norms to keep, or '
                        "'mean' (default: the dataset's; --backbone has none)")
    parser.add_argument('--names', metavar='FILE', help='with --dataset all: JSON object of other '
                        'names of nodes by name')
    parser.add_argument('--onnx', metavar='FILE', help='also write an ONNX file, and check it')
    parser.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                        help="size of the ONNX model's images (default: test_cfg.crop_size, else "
                        '512 512)')
    parser.add_argument('--force', action='store_true', help='replace existing files')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args()
    if args.backbone and (args.onnx or args.size or args.names):
        parser.error('--backbone writes weights alone: leave out --onnx, --size and --names')
    if args.size and not args.onnx:
        parser.error('--size is that of the ONNX model; name its file with --onnx FILE')
    if (args.dataset == 'all') and (args.onnx or args.norm):
        parser.error('--dataset all keeps the model as it is: leave out --onnx and --norm')
    if args.names and args.dataset != 'all':
        parser.error('--names is for --dataset all')
    try:
        if args.backbone:
            weights = export_backbone(args.checkpoint, args.out, args.config, args.norm,
                                      args.cfg_options, args.force)
            print(f'backbone: {weights.checkpoint} ({weights.tensors} tensors)\n'
                  'checked: feature maps of a random image differ from ours by at most '
                  f'{weights.difference:.2g}\nstart from it with --cfg-options '
                  'model.backbone.init_cfg.type=Pretrained '
                  f'model.backbone.init_cfg.checkpoint={weights.checkpoint}')
            return
        if args.dataset == 'all':
            fixed = export_learned(args.checkpoint, args.out, args.config, args.names,
                                   args.cfg_options, args.force)
            print(f'config:      {fixed.config}\ncheckpoint:  {fixed.checkpoint}\n'
                  f'label space: {fixed.label_space}\nchecked: logits of a random image differ '
                  f'from ours by at most {fixed.difference:.2g}')
            return
        done = export(args.checkpoint, args.dataset, args.out, args.config, args.norm, args.onnx,
                      args.size, args.cfg_options, args.force)
    except (FileExistsError, FileNotFoundError, ImportError, RuntimeError, TypeError,
            ValueError) as error:
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
