# Self-training on ToyWorld: 100 labelled images of one view, pseudo labels of others' images,
# crops around their objects. Results: docs/results/self_training.md.
#
#     python tools/make_toyworld.py data/toyworld --views city metro \
#         --splits train --sizes 400 --seed 1
#     python tools/self_train.py configs/self_training/selftrain_toyworld.py
#
# Variants of one key:
#   --cfg-options train_dataloader.sampler.plan.ratio.city_pseudo=7   # Table 2
#   --cfg-options train_dataloader.sampler.centroids=None             # images at random
#   --cfg-options model.decode_head.dataset_weights.city_pseudo=0.5   # pseudo labels count less
#   --loops 3                                                         # Table 9
_base_ = './selftrain_teacher_toyworld.py'
self_training = dict(
    teacher='selftrain_teacher_toyworld.py',
    images=['toyworld/city/images/train', 'toyworld/metro/images/train'],
    # Not half as large, as in the paper: of 96x96 pixels, labels were worse then.
    labels=dict(scales=(1.0, 1.5), flip=True),
    centroids=dict(point='mean'))
# The folder, and that of the sampler's centroids, is the first loop's; each loop has its own.
city_pseudo = dict(
    name='city_pseudo',
    type='PseudoLabelDataset',
    folder='work_dirs/selftrain_toyworld/loop1/pseudo_labels',
    labels_of='city',
    pipeline={{_base_.pseudo_train_pipeline}})
datasets = [{{_base_.city}}, city_pseudo]
model = dict(datasets=datasets, decode_head=dict(dataset_weights=dict(city_pseudo=1.0)))
train_dataloader = dict(
    sampler=dict(
        plan=dict(_delete_=True, type='ratio', ratio=dict(city=1, city_pseudo=3)),
        centroids=dict(city_pseudo='work_dirs/selftrain_toyworld/loop1/centroids.npz')),
    dataset=dict(datasets=datasets))
# Twice the teacher's images, as half of the real ones and three times as many pseudo labels are.
train_cfg = dict(max_iters=600, val_interval=600)
default_hooks = dict(checkpoint=dict(interval=300))
