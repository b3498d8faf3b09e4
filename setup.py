"""Install the package; tools and configs go into ``mmseg_multids/.mim``, where mim wants them."""

import os
import re
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent.resolve()
PACKAGE = ROOT / 'mmseg_multids'


def version() -> str:
    """Read the version without importing the package."""
    text = (PACKAGE / 'version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '([^']+)'", text).group(1)


def requirements(name: str) -> list:
    """Read a requirements file."""
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


def fill_mim() -> None:
    """Put tools and configs where mim looks: links for an editable install, copies otherwise."""
    editable = any(a in ('develop', 'editable_wheel', 'dist_info') for a in sys.argv)
    if 'clean' in sys.argv or 'egg_info' in sys.argv:
        return
    mim = PACKAGE / '.mim'
    mim.mkdir(exist_ok=True)
    for name in ('tools', 'configs'):
        source, target = ROOT / name, mim / name
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
        if editable:
            target.symlink_to(os.path.relpath(source, mim), target_is_directory=True)
        else:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))


if __name__ == '__main__':
    fill_mim()
    setup(
        name='mmseg_multids',
        version=version(),
        description='One semantic segmentation model for many datasets with conflicting label '
                    'spaces: an MMSegmentation plugin',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        packages=find_packages(include=['mmseg_multids', 'mmseg_multids.*']),
        include_package_data=True,
        python_requires='>=3.9',
        install_requires=requirements('runtime.txt'),
        extras_require={
            'onedl': requirements('onedl.txt'),
            'openmmlab': requirements('openmmlab.txt'),
            'onnx': requirements('onnx.txt'),
            'text': requirements('text.txt'),
            'docs': ['myst-parser', 'sphinx'],
            'dev': requirements('dev.txt'),
        },
        zip_safe=False,
    )
