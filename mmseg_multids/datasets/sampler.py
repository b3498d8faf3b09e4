"""The sampler that turns a plan into requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS
from .centroids import open_centroids
from .multi_dataset import MultiDataset
from .plans import CentroidCrops, SamplePlan, build_plan, crop_sizes_of, refuse_unknown
from .request import SampleRequest


@DATA_SAMPLERS.register_module()
class MultiDatasetSampler(Sampler):
    """Yield a :class:`SampleRequest` per sample: a pure function of plan, seed, rank, position.

    Samples are therefore the same for any number of workers and after a resume.

    Args:
        dataset: The :class:`MultiDataset`; given by the runner.
        seed: Seed, the same on all ranks; given by the runner. Default: drawn on rank 0.
        plan: See :func:`build_plan`.
        batch_size: Images per batch and rank. Default: taken from the loader by
            ``MultiDatasetTrainLoop``.
        crop_size: Height and width of the crops, or those of each dataset by name; see
            ``PlannedCrop``.
        centroids: Crops around objects (self-training, section 3.2): the index files of
            ``tools/build_centroids.py`` by dataset. ``dict(path=FILE, share=0.5)`` draws half of
            the dataset's samples so, and images at random for the rest; the default is all.
        epoch_batches: Batches per pass, for epoch-based loops. Default: endless.

    Raises:
        TypeError: The dataset is no :class:`MultiDataset`.
        ValueError: The plan does not fit the datasets; an index is none, or of other data.
        FileNotFoundError: An index does not exist.

    Example:
        >>> sampler = dict(type='MultiDatasetSampler', plan=dict(type='mixed'))
        >>> sampler = dict(type='MultiDatasetSampler',
        ...                plan=dict(type='alternate', first='city', interval=2))
        >>> sampler = dict(type='MultiDatasetSampler',
        ...                plan=dict(type='ratio', ratio=dict(city=1, city_pseudo=7)),
        ...                centroids=dict(city_pseudo='centroids/city_pseudo_train.npz'))
    """

    def __init__(self, dataset: MultiDataset, seed: int | None = None, plan: dict | None = None,
                 batch_size: int | None = None,
                 crop_size: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None,
                 epoch_batches: int | None = None,
                 centroids: Mapping[str, str | Mapping] | None = None) -> None:
        if not isinstance(dataset, MultiDataset):
            raise TypeError('MultiDatasetSampler needs a MultiDataset, got '
                            f'{type(dataset).__name__}')
        self.sizes = dataset.sizes
        self.plan_cfg = dict(plan or {'type': 'alternate'})
        self.crop_size = crop_size
        crop_sizes_of(crop_size, self.sizes)  # refuses
        refuse_unknown(centroids or {}, self.sizes, 'centroids')
        self.centroids = {name: _open_crops(given, dataset, name)
                          for name, given in (centroids or {}).items()}
        self._given_batch_size = batch_size
        self.batch_size = batch_size
        self.epoch_batches = epoch_batches
        if epoch_batches is not None and batch_size is None:
            raise ValueError('epoch_batches needs batch_size')
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.position = 0
        self._plan: SamplePlan | None = None
        if batch_size is not None or self.plan_cfg.get('type') not in ('alternate', 'mixed'):
            _ = self.plan  # a plan that does not fit is refused now, not in the first iteration

    @property
    def plan(self) -> SamplePlan:
        """The plan; needs the batch size where its type does."""
        if self._plan is None:
            self._plan = build_plan(self.plan_cfg, self.sizes, self.batch_size, self.crop_size,
                                    self.centroids)
        return self._plan

    def bind(self, batch_size: int) -> None:
        """Take the loader's batch size.

        Raises:
            ValueError: The sampler was configured with another one.
        """
        if self._given_batch_size not in (None, batch_size):
            raise ValueError(f'the loader has batch_size={batch_size}, its sampler '
                             f'batch_size={self._given_batch_size}; remove the latter')
        if batch_size != self.batch_size:
            self.batch_size, self._plan = batch_size, None
        _ = self.plan

    @property
    def batches_per_cycle(self) -> int | None:
        """Batches after which every dataset had its turn; ``None`` for plans without cycles."""
        if self.plan_cfg.get('type') != 'alternate':
            return None
        return self.plan.period // self.batch_size

    def skip(self, num_samples: int) -> None:
        """Go on ``num_samples`` of this rank further, at no cost."""
        self.position += num_samples

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of a pass (epoch-based loops)."""
        if self.epoch_batches is not None:
            self.position = epoch * len(self)

    def __len__(self) -> int:
        """Samples per pass; for endless samplers, images of one pass through the union."""
        if self.epoch_batches is not None:
            return self.epoch_batches * self.batch_size
        return max(1, sum(self.sizes.values()) // self.world_size)

    def __iter__(self) -> Iterator[SampleRequest]:
        """Yield requests from the current position on.

        The sampler's own position stays where it is: a loader's workers fetch ahead of what is
        trained on.
        """
        position = self.position
        end = None if self.epoch_batches is None else position + len(self)
        while end is None or position < end:
            yield self.plan.request(position, self.rank, self.world_size, self.seed)
            position += 1


def _open_crops(given: str | Mapping, dataset: MultiDataset, name: str) -> CentroidCrops:
    """Read the index that a config names for a dataset."""
    options = {'share': 1, **(given if isinstance(given, Mapping) else {'path': given})}
    unknown = sorted(set(options) - {'path', 'share'})
    if unknown or not options.get('path'):
        raise ValueError(f'centroids of {name!r} are {given!r}: the file of an index is needed, or '
                         'dict(path=FILE, share=0.5)')
    share = Fraction(str(options['share']))
    if not 0 <= share <= 1:
        raise ValueError(f'centroids of {name!r}: share={options["share"]}: the part of the '
                         'samples that are crops around objects, from 0 to 1, is needed')
    index = open_centroids(options['path'], dataset, name)
    if not index.present:
        raise ValueError(f'centroids of {name!r}: no class has an object in {options["path"]}')
    return CentroidCrops(index, share)
