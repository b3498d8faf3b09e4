# Class-relational BCE (UniSeg, Eq. 8) with relations from a file:
#
#     tools/class_relations.py configs/uniseg/uniseg_toyworld4_null.py CHECKPOINT --out FILE
#     mim train mmseg_multids configs/uniseg/uniseg_toyworld4_classrel_from_file.py \
#         --cfg-options model.decode_head.loss_decode.relations=FILE
_base_ = './uniseg_toyworld4_null.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(type='ClassRelationalBCELoss', relations='class_relations.json')))
