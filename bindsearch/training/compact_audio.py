"""The whole recipe of the audio tower: data to views and targets to a fitted tower, with validation figures.

The joint space stays as it is: the targets are vectors of the text tower as published, and of the compact
image tower that lies in the folder the audio tower is added to.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.classifying.prompts import PROMPTS
from bindsearch.encoders.compact import CompactEncoder
from bindsearch.evaluation.metrics import top_k
from bindsearch.media import Picture
from bindsearch.modality import Modality
from bindsearch.training.sound_data import PAIRS, SETS, Sound, label_prompts, read_sounds
from bindsearch.training.sound_fit import Lessons, SoundFitOptions, fit_sounds
from bindsearch.training.sound_net import SoundTower, start_of
from bindsearch.training.sound_views import cached_view
from bindsearch.training.sources import sha256_of
from bindsearch.training.teacher import Teacher, class_names
from bindsearch.training.texts import cached_vectors
from bindsearch.training.towers import load_image_tower

Say = Callable[[str], None]

# How often each set is drawn from; within a set, a label by the square root of its count.
SHARES = dict(zip(SETS, (0.6, 0.13, 0.2, 0.07), strict=True))
# Labels of two sets closer than this as text are not told apart: hen and chicken, birds and a bird.
ALIKE = 0.6
PICTURES_EACH = 12


class AudioRecipe:
    """Everything that fitting needs, read or computed once.

    ``data`` is the folder that holds the sets, ``space`` that of the compact weights that the tower joins.
    """

    def __init__(
        self,
        data: Path,
        space: Path,
        cache: Path,
        views: int,
        seed: int,
        say: Say,
        *,
        permissive: bool = False,
    ) -> None:
        self.say, self.cache, self.seed = say, cache, seed
        self.sounds = read_sounds(data, permissive=permissive)
        self.labels = sorted({sound.label for sound in self.sounds})
        teacher: list[Teacher] = []

        def loaded() -> Teacher:
            # Loaded for the first view that is not cached yet, and then kept.
            teacher.extend([] if teacher else [Teacher(data)])
            return teacher[0]

        self.views = [cached_view(self.sounds, view, seed, loaded, cache, say) for view in range(views)]
        self.kinds = class_names(data)
        self.vectors = self._text_vectors()
        self.pictures = _picture_vectors(self.sounds, space, cache, say)

    @property
    def example(self) -> NDArray[np.uint8]:
        """What the tower takes of one sound: (1, 64, 250, 3)."""
        return self.views[0].pictures[:1]

    def fitted_tower(self, options: SoundFitOptions) -> SoundTower:
        """A fitted tower; the figures of the held-out part are said as long as it is held out."""
        lessons = self._lessons()
        tower = start_of(load_image_tower(), lessons.kinds, options.seed)
        digest = hashlib.sha256(
            f"{options} {len(self.views)} {self.seed} {len(self.sounds)}".encode()
        ).hexdigest()
        self.cache.mkdir(parents=True, exist_ok=True)

        def report(step: int, loss: float, tower: SoundTower) -> None:
            figures = f"  {self.validate(tower)}" if step <= options.apart else ""
            self.say(f"step {step:5}  loss {loss:.3f}{figures}")

        return fit_sounds(tower, self.views, lessons, options, self.cache / f"audio-{digest[:16]}.pt", report)

    @torch.no_grad()
    def validate(self, tower: SoundTower) -> str:
        """Top-1 by class names of the held-out sounds of each set, as one line."""
        # The pairs are left out: nearly every one has a label of its own.
        figures = (f"{source} {self._top_1(tower, source):.3f}" for source in SETS if source != PAIRS)
        return f"validation, top-1: {', '.join(figures)}"

    def _top_1(self, tower: SoundTower, source: str) -> float:
        held = [i for i, sound in enumerate(self.sounds) if sound.held_out and sound.source == source]
        labels = sorted({sound.label for sound in self.sounds if sound.source == source})
        prompts = [[prompt.format(label) for prompt in PROMPTS[Modality.AUDIO]] for label in labels]
        classes = F.normalize(torch.stack([self._lookup(texts).mean(0) for texts in prompts]), dim=-1)
        shown = torch.from_numpy(self.views[0].pictures[held])
        vectors = torch.cat([tower(part) for part in torch.split(shown, 32)])
        truth = np.array([labels.index(self.sounds[i].label) for i in held], np.int64)
        return top_k((vectors @ classes.T).numpy(), truth, 1)

    def _lessons(self) -> Lessons:
        prototypes = torch.stack([self._lookup(label_prompts(label)).mean(0) for label in self.labels])
        prototypes = F.normalize(prototypes, dim=-1)
        kinds = F.normalize(
            torch.stack([self._lookup(_kind_prompts(kind)).mean(0) for kind in self.kinds]), dim=-1
        )
        return Lessons(
            texts=[self._lookup(_texts(sound)) for sound in self.sounds],
            pictures=[self._shown(sound) for sound in self.sounds],
            labels=torch.tensor([self.labels.index(sound.label) for sound in self.sounds]),
            prototypes=prototypes,
            rivals=_rivals(self.sounds, self.labels, prototypes),
            kinds=kinds,
            chances=_chances(self.sounds),
            held_out=torch.tensor([sound.held_out for sound in self.sounds]),
        )

    def _text_vectors(self) -> dict[str, Tensor]:
        wanted = {text for sound in self.sounds for text in _texts(sound)}
        wanted |= {text for kind in self.kinds for text in _kind_prompts(kind)}
        wanted |= {prompt.format(label) for label in self.labels for prompt in PROMPTS[Modality.AUDIO]}
        texts = sorted(wanted)
        return dict(zip(texts, cached_vectors(texts, self.cache, self.say), strict=True))

    def _lookup(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self.vectors[text] for text in texts])

    def _shown(self, sound: Sound) -> Tensor:
        chosen = sound.pictures[:PICTURES_EACH]
        return torch.stack([self.pictures[path] for path in chosen]) if chosen else torch.empty(0, 384)


def _texts(sound: Sound) -> tuple[str, ...]:
    return (*label_prompts(sound.label), *sound.captions)


def _kind_prompts(kind: str) -> tuple[str, ...]:
    return (kind, f"the sound of {kind}")


def _rivals(sounds: Sequence[Sound], labels: Sequence[str], prototypes: Tensor) -> Tensor:
    """Which labels each sound is told apart from: all of its own set, and those of others not alike."""
    unlike = prototypes @ prototypes.T < ALIKE
    rows = []
    for sound in sounds:
        own = {other.label for other in sounds if other.source == sound.source}
        rows.append(unlike[labels.index(sound.label)] | torch.tensor([label in own for label in labels]))
    return torch.stack(rows)


def _chances(sounds: Sequence[Sound]) -> Tensor:
    count = Counter((sound.source, sound.label) for sound in sounds)
    weights = torch.tensor([count[sound.source, sound.label] ** -0.5 for sound in sounds])
    for source, share in SHARES.items():
        own = torch.tensor([sound.source == source for sound in sounds])
        weights[own] *= share / weights[own].sum()
    return weights


def _picture_vectors(sounds: Sequence[Sound], space: Path, cache: Path, say: Say) -> dict[Path, Tensor]:
    """The vectors of all pictures that show what is heard, by the image tower in ``space``."""
    paths = sorted({path for sound in sounds for path in sound.pictures[:PICTURES_EACH]})
    encoder = CompactEncoder(space)
    tower = encoder.manifest.path_of(encoder.manifest.tower_for(Modality.IMAGE).model)
    key = "\n".join([sha256_of(tower), *(f"{path.parent.parent.name}/{path.name}" for path in paths)])
    stored = cache / f"shown-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not stored.is_file():
        say(f"computing the vectors of {len(paths)} pictures")
        np.save(stored, encoder.encode([_picture(path) for path in paths]))
    return dict(zip(paths, torch.from_numpy(np.load(stored)), strict=True))


def _picture(path: Path) -> Picture:
    from PIL import Image

    with Image.open(path) as image:
        return Picture(np.asarray(image.convert("RGB")))
