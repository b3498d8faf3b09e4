# AutoUniSeg on seven datasets (Table 2: 56.4 mIoU on average): the whole method in one run.
#
# The paper encodes descriptions with Llama 2 7B. Its weights are not free to ship; where they
# are, --cfg-options model.decode_head.classifier.text.encoder.type=transformers
# model.decode_head.classifier.text.encoder.path=FOLDER does the same. Not from the paper: the
# width of the graph network, the weights of Eq. (8), the options of the transport. Not run here.
_base_ = [
    '../_base_/models/hrnet_w48_fcn.py',
    '../_base_/mixes/mix_autouniseg_7ds.py',
    '../_base_/schedules/schedule_autouniseg.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='disjoint'),
    decode_head=dict(
        classifier=dict(
            _delete_=True,
            type='GNNLabelMapper',
            text=dict(encoder=dict(type='hashing')),
            hidden=512,
            orthogonality='p_log_p')),
    test_cfg=dict(unseen=dict(reduce='max')))
# Decay would draw links to where all are alike.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'classifier.graph.edge_weights': dict(decay_mult=0.0)}))
# Appendix A: 100k of heads, three cycles of 20k + 20k, the last segmentation phase 100k long.
custom_hooks = [
    dict(type='SegmentationReportHook'),
    dict(
        type='TrainingPhases',
        cost='absolute',
        penalty=0.5,
        first_links='merges',
        min_share=0.0,
        phases=[
            dict(kind='heads', iters=100000),
            dict(kind='graph', iters=20000),
            dict(kind='segmentation', iters=20000),
            dict(kind='graph', iters=20000),
            dict(kind='segmentation', iters=20000),
            dict(kind='graph', iters=20000),
            dict(kind='final', iters=100000, prune_at=0.5),
        ]),
]
default_hooks = dict(checkpoint=dict(interval=20000))
