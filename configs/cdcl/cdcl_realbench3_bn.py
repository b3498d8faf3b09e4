# Batch norm shared by the datasets, a step after each batch.
_base_ = './cdcl_realbench3_dsbn.py'
model = dict(dataset_norm=None)
