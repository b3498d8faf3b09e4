"""The last embeddings of regions of each class, a baseline of MDP's Table 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce
from torch import Tensor, nn

from ..functional.contrast import UNLABELLED, image_class_means


class RegionQueue(nn.Module):
    """The last regions of each class: means of a class's embeddings in one image, of unit length.

    Wang et al., "Exploring Cross-Image Pixel Contrast for Semantic Segmentation", 2021, section
    3.2. It grows with classes times ``length``, which is what prototypes save (MDP, section 4.3).

    Args:
        num_classes: Number C of classes of all datasets together.
        channels: Channels D of the embeddings.
        length: Regions T kept of each class.

    Raises:
        ValueError: A number below 1.
    """

    def __init__(self, num_classes: int, channels: int, length: int) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f'RegionQueue: length={length}: at least 1 is needed')
        self.length = length
        self.register_buffer('regions', torch.zeros(num_classes, length, channels))
        #: Regions of each class that were ever put in.
        self.register_buffer('seen', torch.zeros(num_classes, dtype=torch.int64))

    @torch.no_grad()
    def update(self, *views: tuple[Tensor, Tensor]) -> None:
        """Put in the regions of a batch; all processes must call it together.

        Args:
            *views: Embeddings [B, D, h, w] with labels [B, h, w].
        """
        found = [image_class_means(features, labels) for features, labels in views]
        regions = F.normalize(torch.cat([means for means, _ in found]).float(), dim=1)
        regions, classes = _of_all_processes(regions, torch.cat([ids for _, ids in found]))
        order = classes.argsort(stable=True)
        regions, classes = regions[order], classes[order]
        counts = torch.bincount(classes, minlength=len(self.seen))
        first = counts.cumsum(0) - counts
        place = torch.arange(len(classes), device=classes.device) - first[classes]
        kept = place >= counts[classes] - self.length  # the others would be overwritten
        slots = (self.seen[classes] + place) % self.length
        self.regions[classes[kept], slots[kept]] = regions[kept]
        self.seen += counts

    def stored(self) -> tuple[Tensor, Tensor]:
        """Return the regions that there are, [R, D], and their classes, [R]."""
        there = torch.arange(self.length, device=self.seen.device) < self.seen[:, None]  # [C, T]
        return self.regions[there], there.nonzero()[:, 0]


def _of_all_processes(regions: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    most = torch.tensor(len(classes), device=classes.device)
    all_reduce(most, 'max')
    rows = int(most) - len(classes)  # processes have different numbers of regions
    regions = torch.cat(all_gather(F.pad(regions, (0, 0, 0, rows))))
    classes = torch.cat(all_gather(F.pad(classes, (0, rows), value=UNLABELLED)))
    return regions[classes != UNLABELLED], classes[classes != UNLABELLED]
