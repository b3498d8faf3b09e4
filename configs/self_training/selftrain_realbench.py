# Self-training on CamVid: a sixth of its images with labels, all with pseudo labels, crops around
# their objects; variants as in selftrain_toyworld.py. Results: docs/results/self_training.md.
#
#     python tools/few_shot.py configs/realbench/single_camvid11_r18_realbench.py \
#         --dataset camvid11 --fraction 1/6 --out splits/camvid11_sixth.txt
#     python tools/self_train.py configs/self_training/selftrain_realbench.py
_base_ = './selftrain_teacher_realbench.py'
self_training = dict(
    teacher='selftrain_teacher_realbench.py',
    images=['camvid11/images/train'],
    labels=dict(scales=(0.5, 1.0, 2.0), flip=True),
    centroids=dict(point='mean'))
camvid11_pseudo = dict(
    name='camvid11_pseudo',
    type='PseudoLabelDataset',
    folder='work_dirs/selftrain_realbench/loop1/pseudo_labels',
    labels_of='camvid11',
    pipeline={{_base_.pseudo_train_pipeline}})
datasets = [{{_base_.camvid11_sixth}}, camvid11_pseudo]
model = dict(datasets=datasets, decode_head=dict(dataset_weights=dict(camvid11_pseudo=1.0)))
train_dataloader = dict(
    sampler=dict(
        plan=dict(_delete_=True, type='ratio', ratio=dict(camvid11=1, camvid11_pseudo=3)),
        centroids=dict(camvid11_pseudo='work_dirs/selftrain_realbench/loop1/centroids.npz')),
    dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=600, val_interval=600)
default_hooks = dict(checkpoint=dict(interval=300))
