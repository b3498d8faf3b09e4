# UniSeg, Table 4: a checkpoint of uniseg_hr48_cibm_ce.py on WildDash 2. The paper has class mIoU,
# negative mIoU and meta average of the test images, whose labels only the authors' server has:
# 39.0, 27.9 and 36.0. Here they are of the public images; an entry's `negatives` says which of them
# are negative. Not run here.
_base_ = ['./uniseg_hr48_cibm_ce.py', '../_base_/datasets/wilddash2.py']
unseen = [{{_base_.wilddash2}}]
test_dataloader = dict(dataset=dict(datasets=unseen))
model = dict(test_cfg=dict(label_space='unified'))
test_evaluator = dict(type='WildDashMetric')
