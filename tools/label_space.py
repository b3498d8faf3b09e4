"""Print how a config's datasets share a label space: ``python tools/label_space.py CONFIG``."""

from __future__ import annotations

import argparse

from mmengine.config import Config, DictAction

from mmseg_multids.datasets import label_spaces_from_cfg
from mmseg_multids.label_spaces import build_label_space, format_label_space


def main() -> None:
    """Print the label space of a config, and save it if asked to."""
    parser = argparse.ArgumentParser(description='Print nodes, classes per dataset, and what the '
                                     'datasets share')
    parser.add_argument('config', help='config file')
    parser.add_argument('--json', metavar='FILE', help='also save the label space')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys, e.g. model.label_space.type=by_name')
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    model = cfg.get('model') or {}
    if not model.get('datasets'):
        parser.error(f'{args.config}: the model ({model.get("type")}) has no `datasets`; a label '
                     "space is what dict(type='MultiDatasetSegmentor', datasets=[...]) has")
    label_space = build_label_space(model.get('label_space'), label_spaces_from_cfg(model.datasets))
    print(format_label_space(label_space))
    if args.json:
        label_space.to_json(args.json)
        print(f'\nsaved: {args.json}')


if __name__ == '__main__':
    main()
