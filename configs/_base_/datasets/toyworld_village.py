toyworld_village = dict(
    name='village',
    type='ToyWorldDataset',
    view='village',
    splits=dict(
        train=dict(split='train', size=4000),
        val=dict(split='val', size=100),
        test=dict(split='test', size=100)))
