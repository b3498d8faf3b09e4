# The baseline of a classifier for each dataset (Multi-SegHead; Table 2: 51.8). Not run here.
_base_ = './autouniseg_hr48_7ds.py'
model = dict(decode_head=dict(classifier=dict(_delete_=True, type='LinearNodeClassifier')))
custom_hooks = [dict(type='SegmentationReportHook')]
