# CDCL, Table 3: batch norm shared by the datasets, a step after each batch. The paper: 62.10 and
# 53.34.
_base_ = './cdcl_r18_cityscapes_bdd100k_dsbn.py'
model = dict(dataset_norm=None)
