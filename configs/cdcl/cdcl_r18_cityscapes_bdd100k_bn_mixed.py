# CDCL, Table 3: batch norm shared by the datasets, which share each batch (no row of the paper).
_base_ = './cdcl_r18_cityscapes_bdd100k_bn_dat.py'
model = dict(
    decode_head=dict(dataset_reduction='sum'), auxiliary_head=dict(dataset_reduction='sum'))
train_dataloader = dict(batch_size=16, sampler=dict(plan=dict(_delete_=True, type='mixed')))
train_cfg = dict(step_after='batch')
