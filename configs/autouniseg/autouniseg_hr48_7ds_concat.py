# Table 5, direct concatenation (52.5): all classes side by side, one softmax over all of them.
# Not run here.
_base_ = './autouniseg_hr48_7ds_multihead.py'
model = dict(decode_head=dict(loss_decode=dict(space='unified')))
