# Table 8's alternative to selftrain_toyworld.py: pretraining on the pseudo labels alone, then
# fine-tuning on the real ones, at the teacher's learning rate (the paper's is a tenth; from scratch
# and in so few iterations that is too little).
_base_ = './selftrain_toyworld.py'
self_training = dict(finetune='selftrain_teacher_toyworld.py')
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')),
    dataset=dict(datasets=[{{_base_.city_pseudo}}]))
