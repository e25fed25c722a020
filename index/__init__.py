"""The index: the catalog (SQLite, the truth), the vector indexes (views of it) and searching them."""
