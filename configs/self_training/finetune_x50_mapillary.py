# Self-training, Figure 3: from Cityscapes to all of Mapillary's training images; without OHEM, "to
# better demonstrate the contributions from model initialization". Not run here. The figure compares
# models to start from, the student with pseudo labels of these images and the teacher, and shares
# of the images, by two keys:
#   --cfg-options model.finetune_from=work_dirs/selftrain_teacher_x50_cityscapes/iter_33480.pth
#   python tools/few_shot.py THIS --dataset mapillary --fraction 1/10 --out splits/tenth.txt
#   --cfg-options train_dataloader.dataset.datasets.0.subset=splits/tenth.txt
_base_ = [
    '../_base_/models/deeplabv3plus_x50.py',
    '../_base_/mixes/loaders_self_training.py',
    '../_base_/datasets/mapillary.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.mapillary}}]
model = dict(
    datasets=datasets,
    finetune_from='work_dirs/selftrain_student_x50_to_mapillary/loop1/student/iter_133920.pth',
    finetune_classifier='by_name')
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
