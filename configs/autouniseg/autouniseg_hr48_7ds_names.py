# Table 5, without the label descriptions (55.8): the template sentence alone. Not run here.
_base_ = './autouniseg_hr48_7ds.py'
model = dict(decode_head=dict(classifier=dict(text=dict(descriptions=False))))
