"""The segmentor that knows which dataset each image comes from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...datasets.metainfo import borrowed_from_cfg, label_spaces_from_cfg
from ...label_spaces import UnifiedLabelSpace, build_label_space
from ...registry import MODELS
from ..context import UNIFIED, DatasetContext, dataset_of, dataset_order
from ..contrast import PrototypeContrast
from ..heads import UniSegHead
from ..layers import DSBN, bind_dsbn, convert_to_dsbn, dsbn_layers
from ..mixing import CrossDatasetMixing
from .checkpoint import (
    SPACE_KEY,
    check_carrying,
    check_network,
    load_all_but_classifiers,
    refuse_pretrainer,
    reorder_nodes,
    space_from_bytes,
    space_to_bytes,
)
from .multi_label import read_multi_label
from .unseen import UnseenDatasets

#: What ``test_cfg`` may have: MMSegmentation's keys and ours.
_TEST_KEYS = ('mode', 'crop_size', 'stride', 'label_space', 'unseen', 'norm_fallback',
              'multi_label')


@MODELS.register_module()
class MultiDatasetSegmentor(UnseenDatasets, EncoderDecoder):
    """An encoder-decoder for images of several datasets, each with its own label space.

    The label space is given here once and handed to the heads. The checkpoint carries it as a
    tensor of JSON bytes, and loading refuses weights that were trained for another one, whoever
    loads them: MMEngine itself would only warn.

    Args:
        datasets: The entries of the datasets in the mix, the same list that ``MultiDataset`` gets.
            Only names and class lists are used, so no data is needed to build a model.
        label_space: How the classes become nodes: ``dict(type='disjoint')`` (default),
            ``dict(type='by_name', aliases=..., keep_apart=...)`` or ``dict(type='file',
            path=...)``.
        dataset_norm: Options of :class:`DSBN` (``share``, ``sync``, ``single_value``): every batch
            norm of the network becomes dataset-specific. ``norm_cfg=dict(type='DSBN')`` chooses
            the layers one by one instead.
        finetune_from: Checkpoint of a run on other datasets. All of its weights but the classifiers
            are the initial ones (the paper's finetuning baseline). Weights of ordinary batch norms
            fit dataset-specific ones.
        finetune_classifier: What the classifiers begin with then: ``None``, fresh rows, or
            ``'by_name'``, those of the checkpoint's classes of the same names;
            ``dict(type='by_name', dataset=..., aliases=...)``, see :func:`carry_rows`.
        mixing: Mix the images of a batch across datasets: ``dict(region=0.5, pixel=0.5)`` are the
            probabilities of :class:`CrossDatasetMixing` (MDP, section 3.3).
        test_cfg: As in ``EncoderDecoder``; ``label_space`` names the target that predictions are
            read as: a dataset's name or ``'unified'``. Default: each sample's own dataset.
            ``unseen`` says how datasets that the model was not trained on are read:
            ``dict(aliases=..., source=..., mappings=..., reduce=...)``, see :meth:`read_unseen`.
            ``norm_fallback`` says which
            statistics of dataset-specific batch norms normalise images of no known dataset:
            ``'nearest'`` (see :meth:`nearest_datasets`), ``'mean'`` or a dataset's name. Default:
            such images are refused. ``multi_label`` adds multi-label predictions, see
            :func:`.multi_label.read_multi_label`: ``'auto'`` or a threshold.
        **kwargs: As in ``EncoderDecoder``. Every head must be a :class:`UniSegHead`.

    Raises:
        ValueError: Two datasets of one name, an unfit name, a dataset of one class; at prediction
            an unknown dataset; at loading another label space.
        TypeError: A head that is no :class:`UniSegHead`.

    Example:
        >>> model = dict(type='MultiDatasetSegmentor', datasets=datasets,
        ...              label_space=dict(type='disjoint'), backbone=..., decode_head=dict(
        ...                  type='UniSegHead', head=dict(type='PSPHead', ...)))
    """

    def __init__(self,
                 backbone: dict,
                 decode_head: dict,
                 datasets: Sequence[dict],
                 label_space: dict | None = None,
                 dataset_norm: dict | None = None,
                 finetune_from: str | None = None,
                 finetune_classifier: str | dict | None = None,
                 mixing: dict | None = None,
                 **kwargs) -> None:
        # Needed while the heads are built. Plain objects, hence allowed before nn.Module's init.
        self.given_label_space: UnifiedLabelSpace = build_label_space(
            dict(label_space or {'type': 'disjoint'}), label_spaces_from_cfg(datasets))
        self.context = DatasetContext(self.given_label_space.datasets, borrowed_from_cfg(datasets))
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.finetune_from = finetune_from
        self.finetune_classifier = check_carrying(finetune_classifier, finetune_from)
        self.mixing = None if mixing is None else CrossDatasetMixing(**{
            'ignore_index': self.decode_head.ignore_index, **mixing})
        if self.mixing is not None and self.mixing.pixel == 1 and any(
                isinstance(m, PrototypeContrast) for m in self.modules()):
            raise ValueError('mixing pixel=1 with contrast: images that are mixed pixel by pixel '
                             'cannot go into the bank, which would stay empty; take less')
        self._partial_load = False
        self.register_buffer(SPACE_KEY, space_to_bytes(self.given_label_space))
        if dataset_norm is not None:
            convert_to_dsbn(self, self.context, **dataset_norm)
        bind_dsbn(self, self.context)
        self._dsbn_names = tuple(dsbn_layers(self))
        self._check_test_cfg()
        self._init_unseen((label_space or {}).get('aliases'))
        #: Whether weights were loaded whose datasets stood in another order.
        self.reordered_datasets: tuple[str, ...] | None = None

    # ---------------------------------------------------------------- building

    def _build_head(self, cfg: dict, where: str) -> UniSegHead:
        head = MODELS.build(cfg, default_args={'label_space': self.given_label_space,
                                               'context': self.context}
                            if cfg.get('type') in ('UniSegHead', UniSegHead) else None)
        if not isinstance(head, UniSegHead):
            raise TypeError(f'{where} is a {type(head).__name__}; MultiDatasetSegmentor needs '
                            f"dict(type='UniSegHead', head=dict(type='{type(head).__name__}'))")
        return head

    def _init_decode_head(self, decode_head: dict) -> None:
        self.decode_head = self._build_head(decode_head, 'decode_head')
        self.align_corners = self.decode_head.align_corners
        self.num_classes = self.decode_head.num_classes

    def _init_auxiliary_head(self, auxiliary_head: dict | list | None) -> None:
        if auxiliary_head is None:
            return
        if isinstance(auxiliary_head, (list, tuple)):
            self.auxiliary_head = nn.ModuleList(
                self._build_head(cfg, f'auxiliary_head[{i}]')
                for i, cfg in enumerate(auxiliary_head))
        else:
            self.auxiliary_head = self._build_head(auxiliary_head, 'auxiliary_head')

    def init_weights(self) -> None:
        """Initialise; refuse a model whose dataset-specific batch norms were replaced."""
        self._check_dsbn()
        super().init_weights()
        if self.finetune_from is not None:
            self._partial_load = True
            try:
                load_all_but_classifiers(self, self.finetune_from, self.finetune_classifier)
            finally:
                self._partial_load = False

    def train(self, mode: bool = True) -> MultiDatasetSegmentor:
        """Set the mode; refuse a model whose dataset-specific batch norms were replaced."""
        if mode:
            self._check_dsbn()
        return super().train(mode)

    def _check_dsbn(self) -> None:
        for name in getattr(self, '_dsbn_names', ()):
            layer = self.get_submodule(name)
            if not isinstance(layer, DSBN) and 'Sync' in type(layer).__name__:
                raise RuntimeError(
                    f'the dataset-specific batch norm {name} has become a {type(layer).__name__}, '
                    'which knows no datasets. Remove sync_bn from the config; for statistics over '
                    "all processes use dict(type='DSBN', sync=True)")

    @property
    def label_space(self) -> UnifiedLabelSpace:
        """The nodes that are predicted; those of a :class:`GNNLabelMapper` once it has some."""
        head = self._modules.get('decode_head')
        mapper = None if head is None else head.mapper
        learned = None if mapper is None else mapper.learned_space()
        return self.given_label_space if learned is None else learned

    @property
    def out_channels(self) -> int:
        """Channels of the logits for the batch at hand; sliding windows allocate by it."""
        return self.decode_head.num_outputs(self.context.target)

    @property
    def dataset_meta(self) -> dict:
        """Plain Python description of what the model predicts.

        ``classes`` and ``palette`` are those of the nodes; ``datasets`` holds each dataset's.
        """
        return {**self._extra_dataset_meta,
                'classes': list(self.label_space.nodes),
                'palette': [list(colour) for colour in self.label_space.palette],
                'datasets': {name: {'classes': list(space.classes),
                                    'palette': [list(colour) for colour in space.palette]}
                             for name, space in self.label_space.spaces.items()}}

    @dataset_meta.setter
    def dataset_meta(self, meta: dict | None) -> None:
        # mmseg.apis assigns what the checkpoint's training set said; the nodes are ours to tell.
        self.__dict__['_extra_dataset_meta_value'] = dict(meta or {})

    @property
    def _extra_dataset_meta(self) -> dict:
        return self.__dict__.get('_extra_dataset_meta_value', {})

    @property
    def ignore_index(self) -> int:
        """Label id of pixels without a label."""
        return self.decode_head.ignore_index

    def embed(self, inputs: Tensor) -> Tensor:
        """Return pixel embeddings, what the classifier sees: [B, 3, H, W] -> [B, D, h, w]."""
        return self.decode_head.head(self.extract_feat(inputs))

    # ---------------------------------------------------------------- training

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Compute the losses of a batch; see :meth:`UniSegHead.loss` for the keys."""
        names = [dataset_of(sample) for sample in data_samples]
        order = dataset_order(names, self.context.sources)
        if order != list(range(len(names))):
            inputs, data_samples = inputs[order], [data_samples[i] for i in order]
            names = [names[i] for i in order]
        mixed = None
        if self.mixing is not None:
            if any('gt_soft_ids' in sample for sample in data_samples):
                raise ValueError('mixing takes no soft labels; leave it out, or train on hard ones '
                                 '(soft=False of PseudoLabelDataset)')
            labels = torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples])
            mixed = self.mixing(inputs, labels, names)
            if mixed is not None:
                inputs = mixed.inputs
                data_samples = [_relabelled(sample, own)
                                for sample, own in zip(data_samples, mixed.labels)]
        with self.context.batch(names, mixed=mixed):
            losses = super().loss(inputs, data_samples)
            self.context.remember(losses)
        return losses

    # -------------------------------------------------------------- prediction

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predict each sample in its target's classes.

        The target is the sample's ``label_space``, else ``test_cfg.label_space``, else its own
        dataset; samples without a dataset are read as the unified nodes. Samples of several
        datasets may stand in one batch: they are inferred and post-processed group by group.

        Args:
            inputs: Images. Shape [B, 3, H, W].
            data_samples: Data samples with ``dataset`` in their metainfo.

        Returns:
            The data samples with ``pred_sem_seg`` [1, H, W] and ``seg_logits`` [K, H, W]. Where the
            target is not the sample's own dataset, the metainfo has ``label_space``,
            ``pred_classes`` (names of the predicted ids) and, for the nodes, ``pred_to_dataset``.
        """
        if data_samples is None:
            target = (self.test_cfg or {}).get('label_space') or UNIFIED
            with self.context.batch(None, target, self.norm_of_unknown(inputs)):
                return super().predict(inputs)
        results: list = [None] * len(data_samples)
        multi_label = (self.test_cfg or {}).get('multi_label')
        for (dataset, target), positions in self._prediction_groups(data_samples).items():
            samples = [data_samples[i] for i in positions]
            group_inputs = inputs if len(positions) == len(inputs) else inputs[positions]
            names = norm = None
            if dataset in self.label_space.datasets:
                names = [dataset] * len(positions)
            else:
                norm = self.norm_of_unknown(group_inputs)
            others = multi_label is not None and target != UNIFIED
            with self.context.batch(names, UNIFIED if others else target, norm):
                for i, result in zip(positions, super().predict(group_inputs, samples)):
                    if others:
                        read_multi_label(self, result, target, multi_label)
                    results[i] = self._stamp(result, dataset, target)
            if norm is not None:
                for i, name in zip(positions, norm):
                    results[i].set_metainfo({'norm_dataset': name})
        return results

    def _check_test_cfg(self) -> None:
        unknown = sorted(set(self.test_cfg or {}) - set(_TEST_KEYS))
        if unknown:
            raise ValueError(f'test_cfg has no key {unknown[0]!r}; allowed: '
                             f'{", ".join(_TEST_KEYS)}')

    def _prediction_groups(self, data_samples: list) -> dict:
        default = (self.test_cfg or {}).get('label_space')
        known = (*self.label_space.datasets, *self.unseen, UNIFIED)
        groups: dict = {}
        for i, sample in enumerate(data_samples):
            dataset = sample.metainfo.get('dataset')
            target = sample.metainfo.get('label_space') or default or dataset or UNIFIED
            if target not in known:
                raise ValueError(
                    f'unknown dataset {target!r}: the model predicts {", ".join(known)}. To '
                    'predict an unseen dataset in its own classes, name them with read_unseen() '
                    '(UnseenDatasetsHook does that in a run); or name one of these as '
                    "test_cfg['label_space']")
            groups.setdefault((dataset, target), []).append(i)
        return groups

    def _stamp(self, sample, dataset: str | None, target: str):
        if target == dataset:
            if dataset in self.unseen:  # the classes that can be predicted
                nodes, count = self.class_of_node(dataset), self.unseen[dataset].num_classes
                sample.set_metainfo(
                    {'pred_to_dataset': [i if i in nodes else -1 for i in range(count)],
                     'unseen': True})
            return sample
        classes = (self.label_space.nodes if target == UNIFIED
                   else self.space_of(target).classes)
        sample.set_metainfo({'label_space': target, 'pred_classes': list(classes)})
        if target == UNIFIED and dataset in (*self.label_space.datasets, *self.unseen):
            sample.set_metainfo({'pred_to_dataset': self.class_of_node(dataset).tolist()})
        return sample

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> Tensor:
        """Return low-resolution logits: of the samples' one dataset, else of all nodes."""
        names = None
        if data_samples is not None and all(s.metainfo.get('dataset') in self.label_space.datasets
                                            for s in data_samples):
            names = [dataset_of(sample) for sample in data_samples]
        target = names[0] if names and len(set(names)) == 1 else UNIFIED
        norm = None if names else self.norm_of_unknown(inputs)
        with self.context.batch(names, target, norm):
            outputs = super()._forward(inputs, data_samples)
            self.context.remember(outputs)
        return outputs

    # -------------------------------------------------------------- checkpoint

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys,
                              unexpected_keys, error_msgs) -> None:
        key = prefix + SPACE_KEY
        stored = state_dict.get(key)
        if stored is None:
            refuse_pretrainer(state_dict, prefix=prefix)
            print_log('The weights hold no label space, so it cannot be checked that they were '
                      'trained for this one', logger='current', level=30)
        else:
            trained = space_from_bytes(stored)
            differences = trained.differences(self.given_label_space)
            order = self.given_label_space.order_in(trained) if differences else None
            if order is not None and self.decode_head.mapper is not None:
                raise ValueError(
                    'the checkpoint has its datasets in the order '
                    f'{", ".join(trained.datasets)}, the config has '
                    f'{", ".join(self.context.datasets)}: '
                    'what was learned of labels is in that order; use it')
            if order is not None:
                reorder_nodes(self, state_dict, prefix, order)
                self.reordered_datasets = trained.datasets
            elif differences:
                raise ValueError(
                    'The checkpoint was trained for another label space than the config describes '
                    '(from the checkpoint to the config):\n  ' + '\n  '.join(differences) +
                    '\nUse the config that it was trained with; or add and remove datasets with '
                    'tools/add_dataset.py; or load only the backbone: '
                    "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=..., "
                    "prefix='backbone.')")
            if not self._partial_load:
                check_network(self, state_dict, prefix)
            # Equal spaces may differ in their palettes, so in the length of their text.
            state_dict[key] = getattr(self, SPACE_KEY).clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys,
                                      unexpected_keys, error_msgs)
        if stored is None and key in missing_keys:
            missing_keys.remove(key)


def _relabelled(sample: SegDataSample, labels: Tensor) -> SegDataSample:
    """A sample of the same image with other labels. [H, W]."""
    return SegDataSample(metainfo=sample.metainfo, gt_sem_seg=PixelData(data=labels[None]))
