# Batch norm shared by the datasets, which also share each batch: as many images of each per step
# as in a cycle of cdcl_realbench3.py.
_base_ = './cdcl_realbench3_bn_dat.py'
model = dict(decode_head=dict(dataset_reduction='sum'))
train_dataloader = dict(batch_size=24, sampler=dict(plan=dict(_delete_=True, type='mixed')))
train_cfg = dict(step_after='batch')
