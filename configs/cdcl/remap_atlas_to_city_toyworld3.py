# The label remapping baseline of cdcl_toyworld3.py:
# atlas's labels in the classes of city.
_base_ = './cdcl_toyworld3_bn.py'
targets = [{{_base_.toyworld_city}}]
datasets = [
    {{_base_.toyworld_city}},
    dict(extends={{_base_.toyworld_atlas}}, remap='atlas_to_city.json'),
]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
