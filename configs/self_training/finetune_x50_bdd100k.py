# Self-training, Table 12: from Cityscapes to all of BDD100K's training images; without OHEM. The
# paper's mIoU from the student with pseudo labels of these images: 65.7. The paper does not say how
# many epochs; here as for Mapillary. Not run here. From the teacher, "finetuning", 62.3:
#   --cfg-options model.finetune_from=work_dirs/selftrain_teacher_x50_cityscapes/iter_33480.pth
_base_ = [
    '../_base_/models/deeplabv3plus_x50.py',
    '../_base_/mixes/loaders_self_training.py',
    '../_base_/datasets/bdd100k.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.bdd100k}}]
model = dict(
    datasets=datasets,
    finetune_from='work_dirs/selftrain_student_x50_to_bdd100k/loop1/student/iter_133920.pth',
    finetune_classifier='by_name')
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
