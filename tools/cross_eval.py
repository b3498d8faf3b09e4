"""Evaluate every head, or every model, on every dataset: ``python tools/cross_eval.py``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

from mmseg_multids.apis.cross_eval import (
    MATCHES,
    cross_evaluate,
    format_cross_table,
    images_to_test,
)
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.apis.whole_images import loading_workers
from mmseg_multids.evaluation.iou import without_nan
from mmseg_multids.files import replacing


def main(argv: list[str] | None = None) -> None:
    """Evaluate and print a table."""
    parser = argparse.ArgumentParser(
        description='Evaluate each head of a multi-head model, or each of several models, on each '
        'dataset that its config tests (AutoUniSeg, Tables 7 to 10). What a class of another label '
        "space stands for is searched on the datasets' training images")
    parser.add_argument('runs', nargs='+', metavar='CONFIG,CHECKPOINT',
                        help='config and checkpoint of a model, with a comma between them')
    parser.add_argument('--targets', nargs='+', metavar='NAME', help='label spaces to predict: '
                        "datasets, or 'unified' (default: every dataset of each model, and all "
                        'nodes where they are shared)')
    parser.add_argument('--match', choices=MATCHES, default='search',
                        help='how classes of other label spaces are compared')
    parser.add_argument('--split', default='val', help='split to evaluate')
    parser.add_argument('--search-split', default='train', help='split to search with')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='evaluate N images of each dataset (default: all)')
    parser.add_argument('--search-images', type=int, metavar='N',
                        help='search with N images of each dataset (default: all)')
    parser.add_argument('--out', metavar='FILE', help='also write the figures as JSON')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the configs')
    args = parser.parse_args(argv)
    rows = []
    try:
        for run in args.runs:
            config, comma, checkpoint = run.partition(',')
            if not comma:
                raise ValueError(f'{run!r}: expected CONFIG,CHECKPOINT')
            trained = load_trained(checkpoint, config, args.cfg_options)
            model = trained.model.cuda() if torch.cuda.is_available() else trained.model
            found = cross_evaluate(
                model, images_to_test(trained.cfg, args.search_split),
                images_to_test(trained.cfg, args.split), args.targets, args.match, args.max_images,
                args.search_images, loading_workers(trained.cfg))
            if len(args.runs) > 1:
                found = [row._replace(label=f'{Path(config).stem}: {row.label}') for row in found]
            rows += found
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'cross_eval: {error}')
    print(format_cross_table(rows))
    if args.out:
        with replacing(args.out) as file:
            file.write_text(json.dumps([{'label': row.label, 'miou': without_nan(row.miou)}
                                        for row in rows], indent=1))


if __name__ == '__main__':
    main()
