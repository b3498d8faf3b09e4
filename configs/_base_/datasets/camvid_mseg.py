# CamVid in its authors' files, 960x720 pixels, with the 11 classes of MSeg. The splits are those of
# SegNet and MSeg (mseg/dataset_lists/camvid-11/list): together they are all frames.
camvid_mseg = dict(
    name='camvid_mseg',
    type='CamVidMSegDataset',
    data_root='camvid_full',
    data_prefix=dict(img_path='701_StillsRaw_full', seg_map_path='LabeledApproved_full'),
    splits=dict(
        train=dict(frames=[
            ('0001TP', 6690, 8520), ('0006R0', 930, 3930), ('0016E5', 390, 7920),
            ('0016E5', 8190, 8640)]),
        val=dict(frames=[('0016E5', 7959, 8159)]),
        test=dict(frames=[('0001TP', 8550, 10380), ('Seq05VD', 0, 5100)])))
