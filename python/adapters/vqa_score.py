"""VQAScore (Lin et al. 2024, arXiv 2404.01291) with CLIP-FlanT5: how likely the model answers "Yes" to whether the image shows the prompt.

    score = exp(-mean cross-entropy of the answer's tokens) = sqrt(P("Yes") P(end | "Yes")), in [0, 1]

The mean is over the two tokens "Yes" and the end of the text, as the published code has it; P("Yes") alone is another number.

VQASCORE_MODEL names the model: clip-flant5-xxl (the default, 22 GB of GPU memory in bfloat16), clip-flant5-xl. Needs a GPU.
"""
# requirements: t2v-metrics==3.0     version 3.1 has no CLIP-FlanT5 any more
import os

import t2v_metrics
import torch

from espalier_reward import serve, worker

MODEL = os.environ.get("VQASCORE_MODEL", "clip-flant5-xxl")
QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
ANSWER = "Yes"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
# The scorer's own call takes all images with all texts, one by one; its model takes a batch of pairs.
model = t2v_metrics.VQAScore(model=MODEL, device=device).model


def score(samples, prompts, metadata):
    images = samples.images()
    model.image_loader = lambda name: images[int(name)]  # it takes names of files, and reads them by this
    return model.forward([str(i) for i in range(len(images))], list(prompts), question_template=QUESTION, answer_template=ANSWER)


if __name__ == "__main__":
    serve(score, identity=f"VQAScore, {MODEL}")
