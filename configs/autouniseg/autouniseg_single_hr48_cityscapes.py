# AutoUniSeg, Tables 2, 7 and 9: one of the seven datasets alone, tested on all (with
# tools/cross_eval.py). Not run here.
_base_ = '../_base_/autouniseg_each_alone.py'
datasets = [{{_base_.cityscapes}}]
unseen = {{_base_.unseen.cityscapes}}
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
