# Batch norm shared by the datasets, dataset alternation training.
_base_ = './cdcl_toyworld3.py'
model = dict(dataset_norm=None)
