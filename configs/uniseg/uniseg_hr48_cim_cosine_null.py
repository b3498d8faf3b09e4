# UniSeg, section 3.4: the first of two runs, whose cosine classifier (t = 20) gives the class
# relations of uniseg_hr48_cim_classrel_from_file.py:
#
#    python tools/class_relations.py configs/uniseg/uniseg_hr48_cim_cosine_null.py CHECKPOINT
_base_ = './uniseg_hr48_cim_null.py'
model = dict(decode_head=dict(classifier=dict(type='CosineNodeClassifier', scale=20.0)))
