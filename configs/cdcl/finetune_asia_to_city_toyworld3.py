# The finetuning baseline of cdcl_toyworld3.py.
# Train single_asia_toyworld3.py first, or name another checkpoint.
_base_ = './single_city_toyworld3.py'
model = dict(finetune_from='work_dirs/single_asia_toyworld3/iter_150.pth')
