# CDCL, Table 3: without dataset alternation training: a step after each batch. The paper: 68.55
# and 58.93.
_base_ = './cdcl_r18_cityscapes_bdd100k.py'
train_cfg = dict(step_after='batch', max_iters=80000)
