# Self-training, Table 13: fine-tuning the student on KITTI, crops of 368x368, 50 epochs. The
# paper's mIoU on the official test set: 71.41. KITTI has no validation set: what is reported here
# are the training images. Not run here. Another checkpoint:
#   --cfg-options model.finetune_from=FILE
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
    '../_base_/mixes/loaders_self_training.py',
    '../_base_/datasets/kitti.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.kitti}}]
model = dict(
    datasets=datasets,
    finetune_from='work_dirs/selftrain_student_wrn38_cityscapes/iter_133920.pth',
    finetune_classifier='by_name',
    decode_head=dict(sampler={{_base_.ohem}}))
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_cfg = dict(val_interval=300)
train_dataloader = dict(
    batch_sampler=dict(sizes=(368, ), epochs=50), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
