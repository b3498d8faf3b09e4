# CDCL on three ToyWorld views, small enough for a CPU and from scratch: dataset-specific batch
# norm, dataset alternation training, a classifier per dataset. Results: docs/results/cdcl.md.
#
#     mim train mmseg_multids configs/cdcl/cdcl_toyworld3.py
#
# An iteration is a cycle: `interval` batches of the first dataset and one of each other, one
# step.
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/mix_toyworld3.py',
    '../_base_/schedules/schedule_sgd_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, dataset_norm=dict())
train_dataloader = dict(
    batch_size=8, sampler=dict(plan=dict(_delete_=True, type='alternate', interval=1)))
# The paper has 0.01 with ImageNet weights; this was chosen on the single-dataset run of `city`.
optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(step_after='cycle', max_iters=150, val_interval=150)
default_hooks = dict(checkpoint=dict(interval=150))
randomness = dict(seed=0)
