# Self-training, Tables 3 and 11: the student on WideResNet-38. The paper's mIoU: 82.2, with labels
# of teacher B 82.7. Table 6, on the official test set: 82.7 (tools/test.py CONFIG CHECKPOINT --tta
# for its scales and flips). Not run here.
#
#     python tools/self_train.py configs/self_training/selftrain_student_x50_cityscapes.py
#     python tools/train.py configs/self_training/selftrain_student_wrn38_cityscapes.py
#
# with the first student's labels; tools/self_train.py makes labels of its own. Other labels, such
# as teacher B's, and fast schedules: by the keys in selftrain_student_x50_cityscapes.py.
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
    '../_base_/mixes/mix_cityscapes_pseudo.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, decode_head=dict(sampler={{_base_.ohem}}))
