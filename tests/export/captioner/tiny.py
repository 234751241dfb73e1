"""A seeded BLIP of two layers in the format of the real ones, tokenizer and processor included.

As a program, in the export environment, it makes the checkpoint, exports it and writes down transformers'
captions, for tests that run without torch: `python -m tests.export.captioner.tiny FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SIZE = 32
POSITIONS = 24
MAX_TOKENS = 12
END_BIAS = 4.0


def write_checkpoint(folder: Path) -> Path:
    """Write the checkpoint; returns its folder."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

    from tests.export.checkpoints import bert_tokenizer, livelier, sized

    tokenizer = bert_tokenizer()
    # As BLIP's own: a start token behind the words of BERT, and BERT's [SEP] at the end.
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    text = sized(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        bos_token_id=tokenizer.bos_token_id,
        sep_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=2,
    )
    vision = sized(image_size=SIZE, patch_size=8)
    model = livelier(BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)))
    # Some captions end by themselves and some at the limit.
    with torch.no_grad():
        model.text_decoder.cls.predictions.bias[tokenizer.sep_token_id] += END_BIAS
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: bsd-3-clause\n---\nSeeded weights for tests.\n")
    return folder


def transformers_captions(folder: Path, pictures: list[Any]) -> list[dict[str, Any]]:
    """Pixels, tokens and words of greedy captions by transformers alone."""
    import torch
    from transformers import AutoTokenizer, BlipForConditionalGeneration, BlipImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = BlipImageProcessorPil.from_pretrained(folder)
    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    captions = []
    for picture in pictures:
        with torch.inference_mode():
            ids = model.generate(
                **processor(images=picture, return_tensors="pt"), max_new_tokens=MAX_TOKENS, do_sample=False
            )[0]
        captions.append(
            {
                "words": tokenizer.decode(ids, skip_special_tokens=True).strip(),
                "tokens": [each for each in ids.tolist()[1:] if each != tokenizer.sep_token_id],
            }
        )
    return captions


def main() -> None:
    """Make `checkpoint/`, `repository/captioner/`, `captions.json` and `pictures/` in the folder."""
    from export.captioner.build import export_captioner
    from export.checkpoints import open_checkpoint
    from export.request import ExportRequest
    from export.sample_inputs import SAMPLES, sample_pictures

    folder = Path(sys.argv[1])
    checkpoint = write_checkpoint(folder / "checkpoint")
    export_captioner(
        open_checkpoint(str(checkpoint)), ExportRequest(folder / "repository", "captioner"), progress=print
    )
    pictures = sample_pictures(SAMPLES, 12)
    (folder / "pictures").mkdir()
    for number, picture in enumerate(pictures):
        picture.save(folder / "pictures" / f"{number:02}.png")
    (folder / "captions.json").write_text(json.dumps(transformers_captions(checkpoint, pictures)))


if __name__ == "__main__":
    main()
