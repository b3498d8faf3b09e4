toyworld_room = dict(
    name='room',
    type='ToyWorldDataset',
    view='room',
    splits=dict(
        train=dict(split='train', size=4000),
        val=dict(split='val', size=100),
        test=dict(split='test', size=100)))
