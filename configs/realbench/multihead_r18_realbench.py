# One ResNet-18, trained from scratch on four real datasets; a head (a block of nodes) for each.
#
#     mim train mmseg_multids configs/realbench/multihead_r18_realbench.py
#
# and, for the baselines, single_*_r18_realbench.py in the same way (2.5 minutes each). One head
# costs `ycor8` a point and helps the others.
#
# Measured with seed 0 on 2 CPU cores (20 minutes beside other work), 1,000 iterations of 2
# images of each dataset, the last iteration's weights, single scale, mIoU in percent:
#
#     dataset           multi-head   single dataset (as many images of it)
#     camvid11               26.10   20.29
#     ycor8                  39.25   40.39
#     labelmefacade8         36.44   28.41
#     mumbai_aerial6         62.50   54.58
#     mean                   41.07   35.92
#     harmonic mean          37.30   31.36
#
# IoU of every class of the multi-head run:
#
#     camvid11: Sky 84.1, Building 54.2, Pole 0.0, Road 70.2, Pavement 0.1, Tree 53.2, SignSymbol
#       0.0, Fence 0.0, Car 25.3, Pedestrian 0.0, Bicyclist 0.0
#     ycor8: smooth trail 42.5, traversable grass 38.9, rough trail 27.8, puddle 0.0 (left out of
#       the mean), obstacle 0.0, non-traversable low vegetation 0.0, high vegetation 76.3, sky 89.3
#     labelmefacade8: building 70.5, car 50.6, door 0.0, pavement 0.5, road 67.7, sky 75.7,
#       vegetation 26.6, window 0.0
#     mumbai_aerial6: Vegetation 65.0, Built-Up 55.9, Unplanned Urban Areas 52.1, Impervious
#       Surfaces 41.4, Barren 71.1, Water 89.5
_base_ = [
    '../_base_/models/r18_s32_segformer.py',
    '../_base_/mixes/mix_realbench4.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}})
default_hooks = dict(checkpoint=dict(interval=1000))
randomness = dict(seed=0)
