# Mapillary Vistas 1.2 with the folders of its own package. The labels of the official test set are
# not public: `test` is the validation set.
mapillary = dict(
    name='mapillary',
    type='MapillaryVistas65Dataset',
    data_root='mapillary',
    splits=dict(
        train=dict(data_prefix=dict(img_path='training/images', seg_map_path='training/labels')),
        val=dict(
            data_prefix=dict(img_path='validation/images', seg_map_path='validation/labels')),
        test=dict(
            data_prefix=dict(img_path='validation/images', seg_map_path='validation/labels'))))
