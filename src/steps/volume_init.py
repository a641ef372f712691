"""Copies the data folder of the image to the run's volume, before the first step.

Arguments: the image's data folder, the folder where the volume is mounted. A missing data folder is fine: the volume
starts empty. Owners and modes stay as the running user makes them, because servers since KFP 2.16 drop the right to
change owners. Python 3.6 and newer, standard library only.
"""
import os
import shutil
import sys

source, target = sys.argv[1:3]
copied = 0
if os.path.isdir(source):
    for folder, _, names in os.walk(source):
        into = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.makedirs(into, exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(folder, name), os.path.join(into, name))
            copied += 1
print("copied %d files of %s to the volume" % (copied, source))
