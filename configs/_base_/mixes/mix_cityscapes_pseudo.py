# Self-training, sections 3 and 4.3: Cityscapes' fine labels, and pseudo labels, in Cityscapes'
# classes, of its coarsely labelled images and of Mapillary's training images, whose own labels are
# not read. `self_training` says to tools/self_train.py how they are made. Not from the paper:
# labels by scales, flips and tiles, which it has for predictions of the test set alone.
_base_ = ['./loaders_self_training.py', '../datasets/cityscapes.py']
self_training = dict(
    teacher='selftrain_teacher_x50_cityscapes.py',
    images=['cityscapes/leftImg8bit/train_extra', 'mapillary/training/images'],
    labels=dict(scales=(0.5, 1.0, 2.0), flip=True, tile=(800, 800)),
    centroids=dict(point='mean'))
# Where the first student's run puts them: tools/train.py trains the others on the same ones.
cityscapes_pseudo = dict(
    name='cityscapes_pseudo',
    type='PseudoLabelDataset',
    folder='work_dirs/selftrain_student_x50_cityscapes/loop1/pseudo_labels',
    labels_of='cityscapes')
datasets = [{{_base_.cityscapes}}, cityscapes_pseudo]
# Section 4.3: an epoch has half of the real images ("1.5K"), and 7 pseudo labels for each, in crops
# around objects of all classes. Of the sizes `kind='constant'` takes the largest.
train_dataloader = dict(
    sampler=dict(
        plan=dict(_delete_=True, type='ratio', ratio=dict(cityscapes=1, cityscapes_pseudo=7)),
        centroids=dict(
            cityscapes_pseudo='work_dirs/selftrain_student_x50_cityscapes/loop1/centroids.npz')),
    batch_sampler=dict(
        sizes=(400, 480, 560, 640, 720, 800), warmup_epochs=20, epoch_of=dict(cityscapes=0.5)),
    dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=[{{_base_.cityscapes}}]))
test_dataloader = dict(dataset=dict(datasets=[{{_base_.cityscapes}}]))
