# The label remapping baseline of cdcl_realbench3.py:
# labelmefacade8's labels in the classes of camvid11.
_base_ = './cdcl_realbench3_bn.py'
targets = [{{_base_.camvid11}}]
datasets = [
    {{_base_.camvid11}},
    dict(extends={{_base_.labelmefacade8}}, remap='labelmefacade8_to_camvid11.json'),
]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
