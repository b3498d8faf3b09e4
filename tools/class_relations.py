"""Find which classes imply others: ``python tools/class_relations.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction
from prettytable import PrettyTable

from mmseg_multids.apis.relations import (
    HEADS,
    SIMILARITIES,
    gather_head_relations,
    gather_relations,
)
from mmseg_multids.apis.trained import load_trained, read_config
from mmseg_multids.apis.whole_images import loading_workers, training_images
from mmseg_multids.datasets import label_spaces_from_cfg
from mmseg_multids.files import replacing
from mmseg_multids.label_spaces import ClassRelations, build_label_space
from mmseg_multids.visualization.figures import check_figure_name
from mmseg_multids.visualization.relations import draw_relations


def main(argv: list[str] | None = None) -> None:
    """Gather, print and write."""
    parser = argparse.ArgumentParser(
        description='Average how similar the pixels of each class are to every node, over the '
        'training images, and print the second labels that follow (UniSeg, Eq. 6 and 7, Table A-1)')
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint of a model trained with NullBCELoss, or '
                        'of a multi-head model')
    parser.add_argument('--out', metavar='FILE', help='JSON file for ClassRelationalBCELoss '
                        '(default: class_relations.json beside the checkpoint)')
    parser.add_argument('--csv', metavar='FILE', help='also write the second labels as CSV')
    parser.add_argument('--picture', metavar='FILE',
                        help='also draw all similarities (.png, .pdf, .svg)')
    parser.add_argument('--similarity', choices=(*SIMILARITIES, HEADS), default='cosine',
                        help='of the cosine classifier; the sigmoid of the logits; or what the '
                        'heads of a multi-head model say of the other datasets\' images')
    parser.add_argument('--target', metavar='CONFIG', help='with --similarity heads: config of the '
                        'model that is to be trained with the relations')
    parser.add_argument('--tau', type=float, help="threshold (default: the paper's automatic one)")
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='use N images of each dataset (default: all)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args(argv)
    try:
        if (args.similarity == HEADS) != (args.target is not None):
            raise ValueError(f'--similarity {HEADS} and --target CONFIG belong together: the '
                             'relations are between the nodes of another model')
        if args.picture:
            check_figure_name(args.picture)
        trained = load_trained(args.checkpoint, args.config, args.cfg_options)
        images = training_images(trained.cfg)
        workers = loading_workers(trained.cfg)
        about = {'checkpoint': Path(args.checkpoint).name}
        if args.target is not None:
            target = read_config(args.target).model
            space = build_label_space(target.get('label_space'),
                                      label_spaces_from_cfg(target.datasets))
            relations = gather_head_relations(trained.model, images, space, args.tau,
                                              args.max_images, about, workers)
        else:
            relations = gather_relations(trained.model, images, args.similarity, args.tau,
                                         args.max_images, about, workers)
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'class_relations: {error}')
    out = args.out or Path(args.checkpoint).parent / 'class_relations.json'
    relations.to_json(out)
    if args.csv:
        with replacing(args.csv) as file:
            file.write_text(relations.to_csv(), encoding='utf-8')
    if args.picture:
        draw_relations(relations, args.picture)
    print(format_relations(relations))
    print(f'relations: {out}')


def format_relations(relations: ClassRelations) -> str:
    """Return a table of second labels and the threshold."""
    table = PrettyTable(['dataset', 'primary label', 'secondary label', 'score', 'own score'])
    for relation in relations.relations():
        table.add_row([*relation[:3], f'{relation.score:.3f}', f'{relation.own_score:.3f}'])
    table.align = 'l'
    lines = [f'{table}', f'threshold tau: {relations.tau:.4f}, {len(relations.relations())} second '
             'labels']
    absent = [f'{d}/{name}' for d, counts in relations.counts.items()
              for name, count in zip(relations.label_space.space(d).classes, counts) if not count]
    if absent:
        lines.append(f'no pixels of {", ".join(absent)}')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
