"""What a training step of ClipCap costs: time and peak memory with GPT-2 in its real size, of random weights.

    python clipcap_cost.py [--batch 40] [--length 20] [-o RESULTS.json]

Each way of training runs in a process of its own, on one thread, so that its peak memory is its own. Two steps each;
the second is the one to read. About five minutes on one core.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def measure(tune: str, batch: int, length: int) -> dict:
    """Take two steps and write one caption."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from crossgap.train import PairedTensors, TrainingRun, adamw
    from crossgap.transfer import ClipCap, Decoding, token_loss

    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"#": 0, ".": 1})), eos_token="#")
    decoder = ClipCap(GPT2LMHeadModel(GPT2Config()), tokenizer, dimension=512, tune=tune)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(batch, 512, generator=generator)
    pairs = PairedTensors(rows, torch.randint(2, 50_000, (batch, length), generator=generator))
    optimiser = adamw(decoder, learning_rate=2e-5, weight_decay=0.01)
    run = iter(TrainingRun(decoder, token_loss, pairs, optimiser=optimiser, batch_size=batch, epochs=2))
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        next(run)
        seconds.append(round(time.perf_counter() - start, 2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB
    start = time.perf_counter()
    decoder.generate(rows[:1], Decoding(most_tokens=15))
    writing = time.perf_counter() - start
    return {
        "tune": tune,
        "weights": sum(values.numel() for values in decoder.parameters()),
        "learned": sum(values.numel() for values in decoder.parameters() if values.requires_grad),
        "step_seconds": seconds,
        "peak_megabytes": peak // 1024,
        "caption_seconds": round(writing, 2),
    }


def main() -> None:
    """Measure all three ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--length", type=int, default=20, help="tokens of a caption")
    parser.add_argument("--tune", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if given.tune:
        sys.stdout.write(json.dumps(measure(given.tune, given.batch, given.length)))
        return
    found = []
    for tune in ("whole", "lora", "frozen"):
        command = [sys.executable, __file__, "--tune", tune, "--batch", str(given.batch), "--length", str(given.length)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout))
        sys.stdout.write(json.dumps(found[-1]) + "\n")
    if given.output:
        given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
