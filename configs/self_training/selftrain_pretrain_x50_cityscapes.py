# Self-training, Table 8: pretraining on the pseudo labels alone, then fine-tuning on the real ones.
# The paper's mIoU: 79.2, of joint learning 80.0. Not run here. The paper does not say how long
# either takes: here both see what joint learning sees, 180 times 7 times half as many pseudo labels
# as there are real ones (49 times all of them), and 90 times the real ones.
#
#     python tools/self_train.py configs/self_training/selftrain_pretrain_x50_cityscapes.py
_base_ = './selftrain_student_x50_cityscapes.py'
self_training = dict(finetune='finetune_x50_cityscapes.py')
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')),
    batch_sampler=dict(epochs=49, epoch_of=None),
    dataset=dict(datasets=[{{_base_.cityscapes_pseudo}}]))
