"""Prints what lies below a TensorBoard log folder as JSON: {stage: {tag: [{step, value, wall_time}]}}, of images [{step, size}]."""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

stages = {}
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    stages[folder.name] = {
        tag: [{"step": e.step, "value": e.value, "wall_time": e.wall_time} for e in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    for tag in events.Tags()["images"]:
        stages[folder.name][tag] = [{"step": e.step, "size": [e.width, e.height]} for e in events.Images(tag)]
json.dump(stages, sys.stdout)
