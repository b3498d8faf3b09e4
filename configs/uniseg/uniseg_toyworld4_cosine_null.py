# Null BCE with a cosine classifier: what class relations are measured with
# (tools/class_relations.py).
_base_ = './uniseg_toyworld4_null.py'
model = dict(decode_head=dict(classifier=dict(_delete_=True, type='CosineNodeClassifier')))
