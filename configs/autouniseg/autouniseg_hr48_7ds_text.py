# Table 5, clustered by text features (53.4). Classes of a cluster are one node; the threshold of
# the paper is not given, and depends on the encoder. Not run here.
_base_ = './autouniseg_hr48_7ds_multihead.py'
model = dict(label_space=dict(_delete_=True, type='by_text', similarity=0.7))
