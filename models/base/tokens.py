"""Several embeddings for an important sparse field, one for a group of minor fields (Wukong section 3.2).

B batch, N dense fields, F sparse fields, G fields of a group, T tokens, D embedding dimension.
"""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models.base.config import Config
from models.base.layers import FieldEmbedding, mlp, mlp_flops
from models.base.module import CTRModel


class TokenConfig(Config):
    """A config that says how many tokens each sparse field becomes."""

    copies: tuple[PositiveInt, ...] = ()  # embeddings of each of the first sparse fields; the others have one
    groups: tuple[tuple[NonNegativeInt, ...], ...] = ()  # positions of the sparse fields that share one embedding
    group_dim: PositiveInt = 4  # embedding dimension of grouped fields
    group_mlp: tuple[PositiveInt, ...] = ()  # hidden widths

    def columns(self, n_sparse: int) -> list[int]:
        """Return the positions of the ungrouped sparse fields, each repeated for its copies."""
        grouped = {f for group in self.groups for f in group}
        copies = (*self.copies, *(1,) * (n_sparse - len(self.copies)))
        return [f for f in range(n_sparse) if f not in grouped for _ in range(copies[f])]

    def n_tokens(self, n_dense: int, n_sparse: int) -> int:
        """Return the number of embeddings: of dense fields, copies and groups."""
        return super().n_tokens(n_dense, len(self.columns(n_sparse))) + len(self.groups)

    def embedding_flops(self, n_dense: int) -> int:
        """Return the forward FLOPs of the bottom MLP and the MLPs of the groups."""
        groups = (mlp_flops(len(group) * self.group_dim, self.group_mlp, self.embedding_dim) for group in self.groups)
        return super().embedding_flops(n_dense) + sum(groups)


class GroupEmbedding(nn.Module):
    """One embedding for a group of G sparse fields: small ones, concatenated, through an MLP (Wukong section 3.2).

    Args:
        cardinalities: rows of each field's table, G of them.
        dim: width of the small embeddings.
        hidden: hidden widths of the MLP.
        config: gives the embedding dimension D and the initialisation.
    """

    def __init__(self, cardinalities: Sequence[int], dim: int, hidden: Sequence[int], config: Config):
        super().__init__()
        self.embed = FieldEmbedding(0, cardinalities, Config(embedding_dim=dim, embedding_std=config.embedding_std))
        self.mlp = mlp(len(cardinalities) * dim, hidden, config.embedding_dim)

    def forward(self, sparse_BG: Tensor) -> Tensor:
        """Return x_B1D."""
        none_BN = sparse_BG.new_empty(sparse_BG.shape[0], 0, dtype=torch.float32)
        return self.mlp(self.embed(none_BN, sparse_BG).flatten(1)).unsqueeze(1)


class TokenModel(CTRModel):
    """A CTRModel that reads `self.tokens(dense_BN, sparse_BF)` instead of `self.embed(dense_BN, sparse_BF)`."""

    def __init__(self, config: TokenConfig, n_dense: int, cardinalities: Sequence[int]):
        columns = config.columns(len(cardinalities))
        super().__init__(config, n_dense, [cardinalities[f] for f in columns])
        self.remember(n_dense, cardinalities)
        self.n_tokens = config.n_tokens(n_dense, len(cardinalities))
        self.columns, self.all_once = columns, columns == list(range(len(cardinalities)))
        self.group_columns = [list(group) for group in config.groups]
        self.groups = nn.ModuleList(
            GroupEmbedding([cardinalities[f] for f in group], config.group_dim, config.group_mlp, config)
            for group in self.group_columns
        )

    def tokens(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return x_BTD: dense fields, ungrouped sparse fields with their copies, groups."""
        if self.all_once:
            return self.embed(dense_BN, sparse_BF)
        grouped = [embed(sparse_BF[:, group]) for embed, group in zip(self.groups, self.group_columns, strict=True)]
        return torch.cat([self.embed(dense_BN, sparse_BF[:, self.columns]), *grouped], dim=1)
