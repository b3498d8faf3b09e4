"""Search what nodes stand for in another dataset: ``python tools/search_mapping.py``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

from mmseg_multids.apis.cross_eval import images_to_test, searched_mapping, warn_if_tested
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.apis.whole_images import loading_workers
from mmseg_multids.label_spaces import format_node_mapping


def main(argv: list[str] | None = None) -> None:
    """Search, print and write."""
    parser = argparse.ArgumentParser(
        description='Search what each node of a trained model stands for in a dataset that it was '
        'not trained on, with the labels of some of its images (AutoUniSeg, section 4.1). No '
        'weight changes')
    parser.add_argument('config', help='config that the checkpoint was trained with; it tests the '
                        'dataset')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dataset', required=True, metavar='NAME', help='the dataset')
    parser.add_argument('--split', default='train', help='split whose labels are used')
    parser.add_argument('--max-images', type=int, metavar='N', help='use N images (default: all)')
    parser.add_argument('--out', metavar='FILE', help='JSON file for test_cfg.unseen.mappings '
                        '(default: nodes_to_NAME.json beside the checkpoint)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args(argv)
    try:
        trained = load_trained(args.checkpoint, args.config, args.cfg_options)
        model = trained.model.cuda() if torch.cuda.is_available() else trained.model
        images = images_to_test(trained.cfg, args.split, args.dataset)
        warn_if_tested(trained.cfg, images, args.dataset, args.max_images)
        mapping = searched_mapping(model, images, args.dataset, args.max_images,
                                   loading_workers(trained.cfg))
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'search_mapping: {error}')
    out = Path(args.out or Path(args.checkpoint).parent / f'nodes_to_{args.dataset}.json')
    mapping.to_json(out)
    print(format_node_mapping(mapping))
    print(f'mapping: {out}')


if __name__ == '__main__':
    main()
