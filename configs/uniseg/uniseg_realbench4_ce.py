# The union baseline: softmax cross entropy over all nodes (UniSeg, Eq. 1).
_base_ = './uniseg_realbench4_null.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(_delete_=True, type='PixelCrossEntropyLoss', space='unified')))
