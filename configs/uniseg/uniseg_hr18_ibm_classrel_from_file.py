# UniSeg, Tables 1 and 3: class-relational BCE, the second of two runs: a linear classifier from the
# start, with the relations that tools/class_relations.py wrote after
# uniseg_hr18_ibm_cosine_null.py. The paper's figures: see uniseg_hr18_ibm_classrel.py.
#
# Other relations: --cfg-options model.decode_head.loss_decode.relations=FILE
_base_ = './uniseg_hr18_ibm_null.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            type='ClassRelationalBCELoss',
            relations='work_dirs/uniseg_hr18_ibm_cosine_null/class_relations.json')))
