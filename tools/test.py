"""Evaluate a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

from mmseg_multids.apis.launch import test

if __name__ == '__main__':
    test()
