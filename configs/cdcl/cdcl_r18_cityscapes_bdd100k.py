# CDCL, Tables 1(a), 3 and 4: PSPNet on ResNet-18, Cityscapes and BDD100K. The paper's mIoU on the
# validation sets: 72.63 and 60.47 (single datasets: 67.52 and 53.88). Not run here.
#
# Hyperparameters of section 4.1.2: SGD, momentum 0.9, weight decay 0.0001, 8 images per batch (of
# one dataset; `batch_size` is per process: with n GPUs 8 / n), learning rate 0.01, polynomial decay
# with power 0.9, crops of 512x512, scales of 0.5 to 2.1, flips. The number of iterations is ours:
# the paper gives none. An iteration is a cycle, so 2 x 8 images.
#
# Table 4, t = 2: --cfg-options train_dataloader.sampler.plan.interval=2
# Multi-scale test: tools/test.py CONFIG CHECKPOINT --tta
_base_ = [
    '../_base_/models/pspnet_r18.py',
    '../_base_/mixes/mix_cityscapes_bdd100k.py',
    '../_base_/schedules/schedule_sgd_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, dataset_norm=dict())
train_dataloader = dict(sampler=dict(plan=dict(type='alternate', first='bdd100k', interval=1)))
train_cfg = dict(step_after='cycle')
