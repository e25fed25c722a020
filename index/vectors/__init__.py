"""Vector indexes: views of the catalog's vectors, each of them disposable.

``exact`` is the reference for ever; ``flat`` and ``ivf`` are FAISS; ``view`` keeps one of them in step
with the catalog and ``generations`` keeps it on disk.
"""

from bindsearch.index.vectors.protocol import Found, Selection, VectorIndex
from bindsearch.index.vectors.view import VectorView

__all__ = ["Found", "Selection", "VectorIndex", "VectorView"]
