# The label remapping baseline of cdcl_realbench3.py:
# camvid11's labels in the classes of ycor8.
_base_ = './cdcl_realbench3_bn.py'
targets = [{{_base_.ycor8}}]
datasets = [
    {{_base_.ycor8}},
    dict(extends={{_base_.camvid11}}, remap='camvid11_to_ycor8.json'),
]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
