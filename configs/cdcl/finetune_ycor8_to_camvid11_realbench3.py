# The finetuning baseline of cdcl_realbench3.py.
# Train single_ycor8_realbench3.py first, or name another checkpoint.
_base_ = './single_camvid11_realbench3.py'
model = dict(finetune_from='work_dirs/single_ycor8_realbench3/iter_150.pth')
