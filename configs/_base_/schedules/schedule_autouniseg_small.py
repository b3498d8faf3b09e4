# schedule_adamw.py, with links that move faster than the rest, as long as
# runtime_autouniseg_small.py has phases.
_base_ = './schedule_adamw.py'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={
    'classifier.graph': dict(decay_mult=0.0),
    'classifier.graph.edge_weights': dict(lr_mult=20.0, decay_mult=0.0)}))
train_cfg = dict(max_iters=1200, val_interval=1200)
