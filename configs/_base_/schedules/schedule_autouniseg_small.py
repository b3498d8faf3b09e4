# schedule_adamw.py, without decay of the graph, as long as runtime_autouniseg_small.py has phases.
_base_ = './schedule_adamw.py'
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'classifier.graph': dict(decay_mult=0.0)}))
train_cfg = dict(max_iters=720, val_interval=720)
