# The label remapping baseline of cdcl_toyworld3.py:
# city's labels in the classes of atlas.
_base_ = './cdcl_toyworld3_bn.py'
targets = [{{_base_.toyworld_atlas}}]
datasets = [
    {{_base_.toyworld_atlas}},
    dict(extends={{_base_.toyworld_city}}, remap='city_to_atlas.json'),
]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
