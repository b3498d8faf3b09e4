# Self-training, section 3.4 and Table 12: the student that finetune_x50_bdd100k.py and
# finetune_x50_bdd100k_10shot.py start from, of real labels of Cityscapes and pseudo labels of all
# of BDD100K's training images, without OHEM. Not run here.
#
#     python tools/self_train.py configs/self_training/selftrain_student_x50_to_bdd100k.py
_base_ = './selftrain_student_x50_cityscapes.py'
self_training = dict(images=['bdd100k/images/10k/train'])
datasets = [
    {{_base_.cityscapes}},
    dict(
        extends={{_base_.cityscapes_pseudo}},
        folder='work_dirs/selftrain_student_x50_to_bdd100k/loop1/pseudo_labels')
]
model = dict(datasets=datasets, decode_head=dict(sampler=None))
train_dataloader = dict(
    sampler=dict(
        centroids=dict(
            cityscapes_pseudo='work_dirs/selftrain_student_x50_to_bdd100k/loop1/centroids.npz')),
    dataset=dict(datasets=datasets))
