"""Write a page about a label space: ``python tools/label_report.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

from mmseg_multids.apis.label_usage import gather_usage
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.apis.whole_images import loading_workers, training_images
from mmseg_multids.label_spaces import UnifiedLabelSpace
from mmseg_multids.visualization.label_report import write_label_report


def main(argv: list[str] | None = None) -> None:
    """Look at the images and write the page."""
    parser = argparse.ArgumentParser(
        description='Write one HTML page, without anything outside it, about the label space of a '
        'trained model: nodes, classes, counts, examples, and how it differs from merging by name')
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', metavar='FILE',
                        help='page to write (default: label_space.html beside the checkpoint)')
    parser.add_argument('--before', metavar='FILE', help='label space before links were taken '
                        'away: WORK_DIR/label_spaces/..._final.json')
    parser.add_argument('--max-images', type=int, default=100, metavar='N',
                        help='look at N training images of each dataset (default: 100)')
    parser.add_argument('--title', help='heading of the page')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args(argv)
    try:
        trained = load_trained(args.checkpoint, args.config, args.cfg_options)
        before = UnifiedLabelSpace.from_json(args.before) if args.before else None
        model = trained.model.cuda() if torch.cuda.is_available() else trained.model
        usage = gather_usage(model, training_images(trained.cfg), args.max_images,
                             num_workers=loading_workers(trained.cfg))
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'label_report: {error}')
    out = Path(args.out or Path(args.checkpoint).parent / 'label_space.html')
    title = args.title or f'Label space of {Path(args.config).stem}'
    write_label_report(out, model.label_space, usage, before, title)
    print(f'page: {out}')


if __name__ == '__main__':
    main()
