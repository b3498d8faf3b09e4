# Self-training, Table 8: fine-tuning on Cityscapes' real labels after pretraining on pseudo labels
# (selftrain_pretrain_x50_cityscapes.py). Not run here. By itself:
#   --cfg-options load_from=CHECKPOINT
_base_ = './selftrain_teacher_x50_cityscapes.py'
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_dataloader = dict(batch_sampler=dict(epochs=90))
