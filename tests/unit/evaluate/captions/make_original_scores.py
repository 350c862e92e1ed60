"""Make original_scores.json: what the original COCO caption evaluation gives for 100 made-up scenes and odd captions.

    python tests/unit/evaluate/captions/make_original_scores.py

Needs pycocoevalcap 1.2 and Java (made with OpenJDK 17). Each scene is told five times in words of its own; the first
telling is the candidate, the others are references.
"""

import json
from pathlib import Path

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

ODD = [
    "I can't, won't and couldn't've: he's John's, they'll say; we cannot.",
    "A man's t-shirt says \"GO!\" and 'stop' (twice) [sic] {x}.",
    "Mr. Smith of St. Mary Ave. met Dr. No at 11:45 a.m. in the U.S. today.",
    "No. 5 costs $1,000.50 or 20% of £50 - half-price -- really...",
    "Rock 'n' roll in the '90s, 5 o'clock, y'all gonna wanna gimme more!",
    "and/or 24/7 w/o the R&B & AT&T at 3.5-inch and 1/2 size",
    "Fish in the U.K. near Washington D.C. etc. and so on",
    "“Curly” quotes don’t – or — matter… do they?",
    "A café in Zürich, 20 °C © ½ full",
    "Two cats 😀😀 and a ❤️ on a ☃",
    "кошка и собака, مرحبا 中文字符，你好。",
    "visit www.example.com/a?b=1 or mail me@example.com @user #tag :) ;-)",
    "dog.cat dog...cat wait!what e-mail jack-o'-lantern hors d'oeuvre Hawai'i",
    "<b>bold</b> &amp; &lt;tags&gt; a_b c++ F# ** ^_^ 10:30am 5pm 6'2\" 4x4 B-25",
    "Plan B. The plan. J. Smith.",
    "   ",
    "...!?",
]


SUBJECTS = [
    ("a dog", "the brown dog", "a small dog", "one dog", "a puppy"),
    ("two children", "a boy and a girl", "kids", "two small children", "children"),
    ("a woman in a red coat", "a lady", "a woman", "the woman with the umbrella", "someone in red"),
    ("an old man", "a man", "a man with a white beard", "the man's friend", "a grey-haired man"),
    ("three horses", "some horses", "horses and riders", "a group of horses", "the horses"),
    ("a red train", "a train", "an old steam train", "the 10:45 train", "a passenger train"),
]
ACTIONS = [
    ("is running", "runs", "is running fast", "races along", "runs and jumps"),
    ("are waiting", "is waiting", "waits", "stands still", "doesn't move"),
    ("is eating an apple", "eats", "is having lunch", "eats some fruit", "is about to eat"),
    ("plays with a ball", "is playing", "throws a ball", "is playing a game", "plays"),
]
PLACES = [
    ("on the beach", "by the sea", "in the sand", "near the water", "on a sandy beach"),
    ("in a park", "on the grass", "under a tree", "in the green park", "next to some trees"),
    ("in front of a house", "near a building", "at the door", "on the porch", "outside a brick house"),
    ("in the snow", "on a snowy hill", "on the white ground", "in winter", "where it's cold"),
    ("on a busy street", "in the city", "at a crossing", "on the road, among cars", "downtown"),
]


def scenes(count: int) -> list[list[str]]:
    """Five tellings of each scene."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(count):
        parts = [bank[generator.integers(len(bank))] for bank in (SUBJECTS, ACTIONS, PLACES)]
        told = []
        for _ in range(5):
            words = [part[generator.integers(len(part))] for part in parts]
            if generator.random() < 0.2:
                words.insert(2, "quite happily,")
            text = " ".join(words)
            told.append(
                (text[0].upper() + text[1:] if generator.random() < 0.6 else text) + generator.choice([".", "", " ."])
            )
        found.append(told)
    return found


def main() -> None:
    told = scenes(100)
    chosen = range(len(told))
    candidates = {scene: [told[scene][0]] for scene in chosen}
    references = {scene: told[scene][1:] for scene in chosen}
    given = [
        {key: [{"caption": c} for c in captions] for key, captions in part.items()} for part in (candidates, references)
    ]
    words, listed = (PTBTokenizer().tokenize(part) for part in given)
    bleu, bleus = Bleu(4).compute_score(listed, words, verbose=0)
    rouge, rouges = Rouge().compute_score(listed, words)
    cider, ciders = Cider().compute_score(listed, words)
    meteor, meteors = Meteor().compute_score(listed, words)
    odd = PTBTokenizer().tokenize({number: [{"caption": text}] for number, text in enumerate(ODD)})
    document = {
        "source": "made-up scenes of make_original_scores.py; scores of pycocoevalcap 1.2",
        "candidates": [told[scene][0] for scene in chosen],
        "references": [told[scene][1:] for scene in chosen],
        "words": [words[scene][0].split() for scene in chosen],
        "odd": [{"caption": text, "words": odd[number][0].split()} for number, text in enumerate(ODD)],
        "bleu": bleu,
        "bleu_per_item": [list(item) for item in zip(*bleus, strict=True)],
        "rouge_l": float(rouge),
        "rouge_l_per_item": rouges.tolist(),
        "cider_d": float(cider),
        "cider_d_per_item": ciders.tolist(),
        "meteor": meteor,
        "meteor_per_item": meteors,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    Path(__file__).with_name("original_scores.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
