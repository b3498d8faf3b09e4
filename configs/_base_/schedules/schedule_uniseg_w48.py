# schedule_uniseg_w18.py for batches of 32: twice the learning rate, half of the iterations.
_base_ = './schedule_uniseg_w18.py'
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_cfg = dict(max_iters=31250, val_interval=6250)
