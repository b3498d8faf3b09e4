# CDCL, Table 3: batch norm shared by the datasets, with dataset alternation training. The paper:
# 64.69 and 56.33.
_base_ = './cdcl_r18_cityscapes_bdd100k.py'
model = dict(dataset_norm=None)
