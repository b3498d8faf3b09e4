"""What the command-line tools do: from arguments to a runner."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dist import init_dist
from mmengine.runner import Runner

from ..datasets.metainfo import whole_entry
from ..models.context import UNIFIED
from ..models.segmentors.multi_label import AUTO
from ..registry import MODELS  # noqa: F401 (importing it registers everything)

_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def common_parser(description: str) -> argparse.ArgumentParser:
    """Arguments of all tools that start runners; see :func:`load_config`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and reports '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override keys of the config, e.g. train_cfg.max_iters=100; lists as key="[a,b]"')
    parser.add_argument('--launcher', choices=_LAUNCHERS, default='none', help='job launcher')
    # torch.distributed.launch passes one spelling or the other, depending on torch's version
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    return parser


def train_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/train.py``."""
    parser = common_parser('Train one segmentation model on the datasets of a config')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from the latest checkpoint of the work dir, or from the given '
                        'one')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--seed', type=int, help='seed of the run (default: the config\'s)')
    return parser


def test_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/test.py``."""
    parser = common_parser('Evaluate a checkpoint on the datasets of a config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dataset', help='evaluate this dataset of the config only')
    parser.add_argument('--split', metavar='NAME',
                        help="evaluate this split of the datasets, such as 'test' (default: the "
                        "config's test_dataloader.dataset.split)")
    parser.add_argument('--label-space', metavar='NAME',
                        help="predict in the classes of this dataset, or 'unified' for all nodes; "
                        'classes are compared through the label space or by name')
    parser.add_argument('--out', metavar='DIR', help='write predictions as PNG files')
    parser.add_argument('--show-dir', metavar='DIR', help='write pictures of the predictions')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument('--multi-label', nargs='?', const=AUTO, type=_score, metavar='THRESHOLD',
                        help='also write maps, below --out, in which classes of other datasets '
                        'take the place of own ones where their score is above a threshold '
                        '(default: 0.5 for models trained with a binary cross entropy, 0.1 for '
                        'others); with --show-dir pictures of them as well')
    return parser


def _score(text: str) -> float | str:
    if text == AUTO:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no score from 0 to 1; without one --multi-label stands behind the '
            'checkpoint')
    return value


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the arguments that all tools share.

    Raises:
        FileNotFoundError: There is no such config.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'config file {args.config} does not exist')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    return cfg


def prepare_cpu_distributed(cfg: Config) -> None:
    """Let several processes train on a machine without a GPU.

    MMEngine calls ``torch.cuda.set_device`` when it creates a process group, so the group (gloo) is
    created here, from the launcher's environment variables, and the model is wrapped without device
    ids. Nothing is done where there is a GPU, or with one process.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher != 'pytorch':
        raise ValueError(f'launcher {cfg.launcher!r} needs GPUs; without any use --launcher '
                         'pytorch (tools/dist_train.sh)')
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group(backend='gloo')
    wrapper = cfg.get('model_wrapper_cfg') or {'type': 'MMDistributedDataParallel',
                                               'broadcast_buffers': False}
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}


def start_processes(launcher: str, local_rank: int = 0) -> None:
    """Join the processes of a launcher, for tools without a runner; ``'none'`` does nothing.

    They may wait for each other for two days, as the last one of them may take so much longer.
    """
    if launcher == 'none':
        return
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    if not torch.cuda.is_available():
        prepare_cpu_distributed(Config({'launcher': launcher}))
    else:
        init_dist(launcher, timeout=2 * 24 * 3600)


def train(argv: list[str] | None = None) -> None:
    """Run ``tools/train.py``."""
    args = train_parser().parse_args(argv)
    cfg = load_config(args)
    if args.amp:
        kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise ValueError(f'--amp works with OptimWrapper, the config has {kind}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.seed is not None:
        cfg.setdefault('randomness', {})
        cfg.randomness['seed'] = args.seed
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            if not Path(args.resume).is_file():
                raise FileNotFoundError(f'checkpoint {args.resume} does not exist')
            cfg.load_from = args.resume
    prepare_cpu_distributed(cfg)
    Runner.from_cfg(cfg).train()


def test(argv: list[str] | None = None) -> dict:
    """Run ``tools/test.py``; returns the metrics."""
    args = test_parser().parse_args(argv)
    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {args.checkpoint} does not exist')
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    if args.dataset is not None:
        select_dataset(cfg, args.dataset)
    if args.split is not None:
        cfg.test_dataloader.dataset.split = args.split
    if args.label_space is not None:
        known = [whole_entry(entry)['name'] for entry in cfg.model.datasets] + [UNIFIED]
        if args.label_space not in known:
            raise ValueError(f'unknown label space {args.label_space!r}; the model has '
                             f'{", ".join(known)}')
        cfg.model.setdefault('test_cfg', {})
        cfg.model.test_cfg['label_space'] = args.label_space
    if args.show_dir is not None:
        cfg.default_hooks.visualization['draw'] = True
        cfg.visualizer['save_dir'] = args.show_dir
    if args.out is not None:
        cfg.test_evaluator['output_dir'] = args.out
    if args.multi_label is not None:
        use_multi_label(cfg, args)
    if args.tta:
        use_tta(cfg)
    prepare_cpu_distributed(cfg)
    return Runner.from_cfg(cfg).test()


def select_dataset(cfg: Config, name: str) -> None:
    """Keep one dataset of the test loader; the model stays as it was trained.

    Raises:
        ValueError: The config has no such dataset; the known ones are listed.
    """
    entries = [whole_entry(entry) for entry in cfg.test_dataloader.dataset.datasets]
    chosen = [entry for entry in entries if entry['name'] == name]
    if not chosen:
        raise ValueError(f'unknown dataset {name!r}; the config tests '
                         f'{", ".join(entry["name"] for entry in entries)}')
    cfg.test_dataloader.dataset.datasets = chosen


def use_multi_label(cfg: Config, args: argparse.Namespace) -> None:
    """Let the model give multi-label predictions, and write them.

    Raises:
        ValueError: There is no folder to write to, or no own class that others are beside.
    """
    if args.out is None:
        raise ValueError('--multi-label writes its maps below --out: give --out DIR')
    if args.tta:
        raise ValueError('--multi-label does not go together with --tta: leave one of them out')
    if (cfg.model.get('test_cfg') or {}).get('label_space') == UNIFIED:
        raise ValueError(f'--multi-label shows what is beside the classes of a dataset, which '
                         f'{UNIFIED!r} has none of: name a dataset with --label-space, or leave it '
                         'out for that of each image')
    cfg.model.test_cfg = {**(cfg.model.get('test_cfg') or {}), 'multi_label': args.multi_label}
    hook = {'type': 'MultiLabelHook', 'output_dir': args.out, 'show_dir': args.show_dir}
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or ()), hook]


def use_tta(cfg: Config) -> None:
    """Test with the config's ``tta_pipeline`` and ``tta_model``.

    Raises:
        ValueError: The config lacks one of them.
    """
    for key in ('tta_pipeline', 'tta_model'):
        if key not in cfg:
            raise ValueError(f'--tta needs {key} in the config')
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.test_dataloader.batch_size = 1
    cfg.model = {**cfg.tta_model, 'module': cfg.model}
