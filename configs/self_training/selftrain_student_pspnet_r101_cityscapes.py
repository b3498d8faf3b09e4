# Self-training, Tables 3 and 11: the student with PSPNet on ResNet-101. The paper's mIoU: 79.9,
# with labels of teacher B 80.1. Not run here.
#
#     python tools/self_train.py configs/self_training/selftrain_student_x50_cityscapes.py
#     python tools/train.py configs/self_training/selftrain_student_pspnet_r101_cityscapes.py
#
# with the first student's labels; tools/self_train.py makes labels of its own. Other labels, such
# as teacher B's, and fast schedules: by the keys in selftrain_student_x50_cityscapes.py.
_base_ = [
    '../_base_/models/pspnet_r101.py',
    '../_base_/mixes/mix_cityscapes_pseudo.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, decode_head=dict(sampler={{_base_.ohem}}))
