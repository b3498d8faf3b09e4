"""Draw pixel features by t-SNE: ``python tools/plot_features.py CHECKPOINT [CHECKPOINT ...]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from mmseg_multids.apis.pixel_features import LAYERS, gather_features, sample_pixels
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.apis.whole_images import loading_workers, training_images, validation_images
from mmseg_multids.models import MultiDatasetPretrainer, MultiDatasetSegmentor
from mmseg_multids.visualization.feature_page import write_feature_page
from mmseg_multids.visualization.features import (
    check_perplexity,
    draw_features,
    format_scores,
    make_panel,
)
from mmseg_multids.visualization.figures import check_figure_name, labels_of_runs

_NAMES = {'embedding': 'pixel embeddings before the classifier',
          'backbone': "features of the backbone's last stage"}


def main(argv: list[str] | None = None) -> None:
    """Draw the picture and write the page."""
    parser = argparse.ArgumentParser(
        description='Place the features of pixels of several datasets in the plane by t-SNE (MDP, '
        'Figure 4), for one model or for several on the same pixels. Writes a picture and a page '
        'to look around in, and prints how far the classes are apart')
    parser.add_argument('runs', nargs='+', metavar='CHECKPOINT',
                        help='LABEL=CHECKPOINT or CHECKPOINT; the first one decides which images '
                        'there are and how they are loaded')
    parser.add_argument('--config', nargs='+', metavar='FILE', help='what the checkpoints were '
                        'trained with, one for all or one each (default: what is in them)')
    parser.add_argument('--layer', choices=LAYERS, default='embedding',
                        help='what the classifier sees, or the last stage of the backbone')
    parser.add_argument('--dataset', nargs='+', metavar='NAME',
                        help='datasets (default: all of the split)')
    parser.add_argument('--split', choices=('val', 'train'), default='val',
                        help='images that the config validates on, or trains on')
    parser.add_argument('--images', type=int, default=50, metavar='N',
                        help='look at N images of each dataset, evenly spread (default: 50)')
    parser.add_argument('--classes', type=int, default=8, metavar='N',
                        help='take the N most frequent classes of each dataset (default: 8)')
    parser.add_argument('--per-class', type=int, default=40, metavar='N',
                        help='take N pixels of each; classes with fewer are left out (default: 40)')
    parser.add_argument('--perplexity', type=float, default=30, metavar='X',
                        help='how many neighbours t-SNE keeps near, about (default: 30)')
    parser.add_argument('--seed', type=int, default=0, help='of sampling and t-SNE (default: 0)')
    parser.add_argument('--out', metavar='FILE', help='picture to write (.png, .pdf, .svg); the '
                        'page is beside it, as .html (default: features.png beside the first '
                        'checkpoint)')
    args = parser.parse_args(argv)
    try:
        runs = labels_of_runs(args.runs)
        configs = args.config or [None]
        if len(configs) not in (1, len(runs)):
            raise ValueError(f'--config has {len(configs)} files for {len(runs)} checkpoints; '
                             'name one, or one each')
        configs = configs * len(runs) if len(configs) == 1 else configs
        out = check_figure_name(args.out or Path(runs[0].path).parent / 'features.png')
        models, cfg = [], None
        for run, config in zip(runs, configs):
            trained = load_trained(run.path, config, kinds=(MultiDatasetSegmentor,
                                                            MultiDatasetPretrainer))
            cfg = cfg or trained.cfg
            models.append(trained.model.cuda() if torch.cuda.is_available() else trained.model)
        images = (training_images if args.split == 'train' else validation_images)(
            cfg, args.dataset)
        workers = loading_workers(cfg)
        sample = sample_pixels(models[0], images, args.dataset, args.layer, args.images,
                               args.per_class, args.classes, args.seed, workers)
        check_perplexity(args.perplexity, len(sample.class_ids))
        panels = [make_panel(run.label, gather_features(model, images, sample, args.layer, workers),
                             sample, args.perplexity, args.seed)
                  for run, model in zip(runs, models)]
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'plot_features: {error}')
    what = f'{args.per_class} pixels of each class, {args.split} images'
    caption = (f't-SNE of {_NAMES[args.layer]}, each divided by its L2 norm; {what}; perplexity '
               f'{args.perplexity:g}, seed {args.seed}')
    draw_features(panels, sample, out, caption)
    page = out.with_suffix('.html')
    write_feature_page(panels, sample, page, 'Pixel features', caption)
    print(format_scores(panels))
    if sample.left_out:
        print(f'left out, with fewer than {args.per_class} pixels: '
              + ', '.join(f'{name} ({n})' for name, n in sample.left_out.items()))
    print(f'{len(sample.class_ids)} pixels of {len(sample.classes)} classes in '
          f'{len(sample.image_names)} images')
    print(f'picture: {out}\npage: {page}')


if __name__ == '__main__':
    main()
