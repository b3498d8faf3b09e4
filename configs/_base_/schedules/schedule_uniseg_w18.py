# UniSeg, section 3.4: SGD with momentum, learning rate 0.01 for batches of 16, polynomial decay.
# The paper gives no momentum, weight decay, power and number of iterations. They are MSeg's, whose
# sizes of images and crops the paper has: 0.9, 0.0001, 0.9 and a million crops (MSeg: of each
# dataset, here in all).
_base_ = './schedule_sgd_poly.py'
train_cfg = dict(max_iters=62500, val_interval=12500)
