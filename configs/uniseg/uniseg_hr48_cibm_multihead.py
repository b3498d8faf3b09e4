# A classifier for each dataset, which the UniSeg paper mentions (section 3.1) and does not test:
# nothing says which of them should read an unseen dataset. Here it is the mean of their logits; one
# is chosen with --cfg-options model.test_cfg.unseen.source=cityscapes. Not run here.
_base_ = './uniseg_hr48_cibm_ce.py'
model = dict(
    label_space=dict(_delete_=True, type='disjoint'),
    decode_head=dict(loss_decode=dict(space='dataset')),
    test_cfg=dict(unseen=dict(aliases=[['traffic sign', 'Traffic Sign (Front)']])))
