"""The picture tower in PyTorch: a small residual convolutional network.

`graph` writes the same network as ONNX.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.demo_clip.config import DIM, MEAN, STD

WIDTHS = (32, 64, 128, 192)
"""Channels after each halving of the picture; each is followed by that many of `BLOCKS` residual blocks."""

BLOCKS = (0, 1, 2, 1)


class Conv(nn.Module):
    """Convolution, batch norm, and ReLU unless it ends a residual branch.

    The kernel is 3x3, and larger where a stride of more than 2 would otherwise miss pixels: 2 * stride - 1.
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        kernel = max(3, 2 * stride - 1)
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return F.relu(out) if self.relu else out


class Block(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv(width, width)
        self.second = Conv(width, width, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class PictureTower(nn.Module):
    """UINT8 pictures [B, H, W, 3] -> unit vectors FP32 [B, dim]. By default the demo CLIP's own sizes.

    Args:
        stem_stride: how much the first convolution shrinks the picture; all others halve it.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = BLOCKS,
        stem_stride: int = 2,
        dim: int = DIM,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 3
        for width, n_blocks in zip(widths, blocks, strict=True):
            layers.append(Conv(n_in, width, stride=2 if layers else stem_stride))
            layers.extend(Block(width) for _ in range(n_blocks))
            n_in = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * n_in, dim)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255.0, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255.0, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures.permute(0, 3, 1, 2).float()
        x = (x - self.mean) / self.std
        x = self.body(x)
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return F.normalize(self.head(pooled.float()), dim=-1)
