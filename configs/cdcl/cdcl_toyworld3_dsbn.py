# Without dataset alternation training: batches of one dataset alternate, each with a step of its
# own. As many images of each dataset as cdcl_toyworld3.py.
_base_ = './cdcl_toyworld3.py'
train_cfg = dict(step_after='batch', max_iters=450, val_interval=450)
default_hooks = dict(checkpoint=dict(interval=450))
