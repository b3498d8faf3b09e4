# Batch norm shared by the datasets, dataset alternation training.
_base_ = './cdcl_realbench3.py'
model = dict(dataset_norm=None)
