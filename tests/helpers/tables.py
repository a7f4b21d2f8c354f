"""Tables as files give them, and what is chosen of them."""

from ship.devices.reading.columns import select
from ship.devices.reading.conditions import conditions
from ship.devices.reading.request import Request
from ship.devices.reading.table import Table


def table(columns, name="a.csv", files=None):
    """A table as a file gives it: text cells; with ``files`` the name of the file of each row."""
    cells = {head: [str(x) for x in column] for head, column in columns.items()}
    rows = len(next(iter(cells.values())))
    positions = {str(k): head for k, head in enumerate(cells, 1)}
    if files is not None:
        cells["file"] = list(files)
    return Table(name, cells, list(range(2, rows + 2)), positions=positions, places=files)


def chosen(made, kind, columns=None, **more):
    only = conditions(more.pop("only", None))
    return select(made, Request(kind, columns or {}, only=only, **more))
