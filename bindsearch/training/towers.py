"""The two source networks as torch modules, and the reading of their published weights.

Both are written out here instead of imported: they are short, the export needs to see every operation,
and training needs to cut the image tower in two.

* ``EfficientNetLite2``: pixels of 32 n by 32 n in, 1280 features at each of n x n places out. M. Tan, Q. Le,
  *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019; the Lite variants
  leave out squeeze-and-excitation and use ReLU6.
* ``MiniLM``: a six-layer BERT whose mean token vector, made unit length, is a sentence's 384 numbers.
  W. Wang et al., *MiniLM*, 2020; N. Reimers, I. Gurevych, *Sentence-BERT*, 2019.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.sources import IMAGE_WEIGHTS, TEXT_WEIGHTS, locate

FEATURES = 1280
CLASSES = 1000
TEXT_DIMENSIONS = 384

# One line per stage: blocks, kernel, stride of the first block, expansion, channels out. This is the Lite0
# table widened by 1.1 (rounded to multiples of 8) and deepened by 1.2 (rounded up), except for the
# stem and for the depth of the first and the last stage.
STAGES = (
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)


class SamePadConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: an odd pixel of padding goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        (top, bottom), (left, right) = (self.padding_for(x, axis) for axis in (2, 3))
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        # Even padding goes into the convolution: as a step of its own it would copy the whole map.
        return F.conv2d(x, self.weight, None, self.stride, (top, left), 1, self.groups)

    def padding_for(self, x: Tensor, axis: int) -> tuple[int, int]:
        """Rows or columns of zeros before and after, so that the output is ceil(size / stride) long."""
        # int() takes the size out of the traced graph: the exported tower has one picture size.
        size, kernel, stride = int(x.shape[axis]), self.kernel_size[axis - 2], self.stride[axis - 2]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


def conv_bn(
    channels_in: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution without bias and its batch norm."""
    conv = SamePadConv(channels_in, channels, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, eps=1e-3))


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel by itself, narrow; with a shortcut where the shape stays."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = conv_bn(channels_in, wide) if expansion > 1 else None
        self.depthwise = conv_bn(wide, wide, kernel, stride, groups=wide)
        self.project = conv_bn(wide, channels)
        self.shortcut = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        made: Tensor = x + y if self.shortcut else y
        return made


class EfficientNetLite2(nn.Module):
    """Pixels in 0..255, (batch, 224, 224, 3), to a map of features, (batch, 1280, 7, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 32, kernel=3, stride=2)
        blocks: list[nn.Module] = []
        channels = 32
        for count, kernel, stride, expansion, out in STAGES:
            for i in range(count):
                blocks.append(InvertedBottleneck(channels, out, kernel, stride if i == 0 else 1, expansion))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.top = conv_bn(channels, FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = self.blocks(F.relu6(self.stem(x)))
        return F.relu6(self.top(x))


class BertLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each with a shortcut and a layer norm after it."""

    def __init__(self, width: int = TEXT_DIMENSIONS, heads: int = 12, inner: int = 1536) -> None:
        super().__init__()
        self.heads = heads
        self.width_of_head = width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.mix = nn.Linear(width, width)
        self.mix_norm = nn.LayerNorm(width, eps=1e-12)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)
        self.narrow_norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.width_of_head)
        if bias is not None:
            scores = scores + bias
        attended = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = self.mix_norm(x + self.mix(attended))
        made: Tensor = self.narrow_norm(x + self.narrow(F.gelu(self.widen(x))))
        return made

    def split(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) to (batch, heads, tokens, width / heads)."""
        return x.reshape(*x.shape[:2], self.heads, self.width_of_head).transpose(1, 2)


class MiniLM(nn.Module):
    """Token ids, (batch, tokens), to unit vectors, (batch, 384).

    ``mask`` is 1 for a token and 0 for padding; without it every token counts.
    """

    def __init__(self, vocabulary: int = 30522, positions: int = 512, layers: int = 6) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, TEXT_DIMENSIONS)
        self.positions = nn.Embedding(positions, TEXT_DIMENSIONS)
        # BERT tells sentence pairs apart by type; there is one sentence here, so only row 0 is ever used.
        self.types = nn.Embedding(2, TEXT_DIMENSIONS)
        self.norm = nn.LayerNorm(TEXT_DIMENSIONS, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer() for _ in range(layers))

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(places) + self.types.weight[0])
        bias = None if mask is None else (1.0 - mask.float())[:, None, None, :] * -1e9
        for layer in self.layers:
            x = layer(x, bias)
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        # The sum over the tokens has the mean's direction, and only that is left after normalising.
        return F.normalize(x.sum(1), dim=-1)


IMAGE_NAMES = (
    (r"^_conv_stem", "stem.0"),
    (r"^_bn0", "stem.1"),
    (r"^_blocks\.(\d+)\._expand_conv", r"blocks.\1.expand.0"),
    (r"^_blocks\.(\d+)\._bn0", r"blocks.\1.expand.1"),
    (r"^_blocks\.(\d+)\._depthwise_conv", r"blocks.\1.depthwise.0"),
    (r"^_blocks\.(\d+)\._bn1", r"blocks.\1.depthwise.1"),
    (r"^_blocks\.(\d+)\._project_conv", r"blocks.\1.project.0"),
    (r"^_blocks\.(\d+)\._bn2", r"blocks.\1.project.1"),
    (r"^_conv_head", "top.0"),
    (r"^_bn1", "top.1"),
    (r"^_fc", "classifier"),
)
TEXT_NAMES = (
    (r"^embeddings\.word_embeddings", "words"),
    (r"^embeddings\.position_embeddings", "positions"),
    (r"^embeddings\.token_type_embeddings", "types"),
    (r"^embeddings\.LayerNorm", "norm"),
    (r"^encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)", r"layers.\1.\2"),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense", r"layers.\1.mix"),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm", r"layers.\1.mix_norm"),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense", r"layers.\1.widen"),
    (r"^encoder\.layer\.(\d+)\.output\.dense", r"layers.\1.narrow"),
    (r"^encoder\.layer\.(\d+)\.output\.LayerNorm", r"layers.\1.narrow_norm"),
)
UNUSED_TEXT_KEYS = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def load_image_tower() -> EfficientNetLite2:
    """The image tower with its published weights, ready for inference; EncoderError if they are not there."""
    state = torch.load(locate(IMAGE_WEIGHTS), map_location="cpu", weights_only=True)
    tower = EfficientNetLite2()
    tower.load_state_dict(_renamed(state, IMAGE_NAMES))
    return tower.eval()


def load_text_tower() -> MiniLM:
    """The text tower with its published weights, ready for inference; EncoderError if they are not there."""
    from safetensors.torch import load_file

    state = load_file(locate(TEXT_WEIGHTS))
    state = {key: value for key, value in state.items() if key not in UNUSED_TEXT_KEYS}
    tower = MiniLM()
    tower.load_state_dict(_renamed(state, TEXT_NAMES))
    return tower.eval()


def _renamed(state: dict[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """``state`` under this module's names; a key that no pattern knows stays, so that loading refuses it."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        for pattern, replacement in names:
            new, hits = re.subn(pattern, replacement, key)
            if hits:
                key = new
                break
        renamed[key] = value
    return renamed
