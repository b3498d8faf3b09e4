toyworld_wild = dict(
    name='wild',
    type='ToyWorldDataset',
    view='wild',
    splits=dict(
        train=dict(split='train', size=4000),
        val=dict(split='val', size=100),
        test=dict(split='test', size=100)))
