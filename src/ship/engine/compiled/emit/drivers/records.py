"""The records that drivers read, field by field: the one definition for Python, which fills them, and for the texts that Numba
compiles, at whose head it stands.

Fields are integers of 64 bits unless said otherwise; addresses and distances are in bytes. A table is an array of records, or of
numbers. A table of rows has the addresses of a tensor's rows one after the other, ``[which, row]``; a row is a (chip, sample)
pair. An address of 0 stands for zeros, or for what nobody wants.
"""

import numpy as np


def record(*names: str, floats: tuple[str, ...] = ()) -> "np.dtype[np.void]":
    """Return a NumPy record type with these fields, then those of 64-bit floats."""
    return np.dtype([(name, np.int64) for name in names] + [(name, np.float64) for name in floats])


STEP = record(
    "forward",  # address of the kernel of a slot
    "again",  # of the kernel that computes states again for the gradient, or 0
    "back",  # of the kernel for the gradient, or 0
    "units",
    "states",  # how many states, inputs, constants and outputs the kernel has
    "inputs",
    "constants",
    "outputs",
    "clock",  # which constant says whether there is a slot to advance over, or -1
    "moving",  # 1 where a constant differs from block to block
    "first_state",  # among the states of all steps; the same for operands, constants and outputs
    "first_operand",
    "first_constant",
    "first_output",
    "area",  # where its work area begins in that of all steps
    "back_area",  # the same for the gradient
    "chunk",  # where the states of a chunk begin, which are computed again for the gradient
    "listing",  # the output whose nonzeros are listed, or -1
    "learn",  # which `LEARN` changes its weights before it runs, or -1
    "contest",  # 1 where its output is a score, in whose place comes who has won
    "traces",  # 1 where it is run once more after the last slot of a tape that closes
)
OPERAND = record(
    "first",  # the sources that are summed, `SOURCE` first .. last - 1
    "last",
    "store",  # the signal that keeps the sum for the gradient, or -1
)
SOURCE = record(
    "kind",  # 0: a signal as it is; through weights: 1 a matrix, 2 a list, 3 a list with one weight for each source unit
    "signal",
    "lag",  # slots that it is late
    "matrix",
    "offset",  # first unit of the signal
    "into",  # first unit of the operand
    "width",  # units of the signal
    "convert",  # 1: times dt, 2: by dt
    "apart",  # bytes from a row of the matrix to the next
    "turned_apart",  # the same of its transpose
)
SIGNAL = record(
    "stride",  # bytes from a slot to the next
    "mask",  # slot t lies at t & mask: a ring, or -1
    "slots",
    "listing",  # which list has its nonzeros, or -1
    "back_stride",  # bytes from a slot of its gradient to the next
)
EDGES = record(
    "begins",  # address of where the edges of each source unit begin, for each part of the targets
    "targets",  # address of the target of each edge
    "count",
    "size",  # bytes of a target: 2 or 4
)
LEARN = record(
    "kernel",  # address of the kernel on rows of connections, or on edges, with its operands `PART` first .. last - 1
    "column",  # of the same on columns, or 0
    "first",
    "last",
    "apply",  # the same for the kernel that applies what the first one summed up over rows, or 0
    "apply_column",
    "apply_first",
    "apply_last",
    "n_pre",
    "n_post",
    "pre",  # the signals whose events change weights
    "post",
    "events",  # 1 where nothing else changes them, 2 where postsynaptic ones alone do
    "pulse",  # which `PULSE` makes pulses on devices of the changes, or -1
    "edges",  # how many edges the connections are, in order of pre, or -1 for a matrix; tables of edges:
    "edge_pre",  # 32 bits: the units of each
    "edge_post",
    "from_pre",  # where those of each source unit begin
    "edge_order",  # 32 bits: edges in order of post
    "from_post",  # where in that order those of each target unit begin
)
PULSE = record(
    "kernel",  # address of the kernel of the devices' law: operands are the count, normal numbers, `PART` first .. last - 1,
    "first",  # and for each device whether it moved
    "last",
    "normals",  # how many normal numbers a connection takes
    "offsets",  # numbers: for each of them the unit of the first connection
    "u",  # the operand, of the kernel that makes counts, with the numbers by which it rounds, or -1
    "count",  # the operand with the counts
    "devices",
    "moved",  # the first operand that says whether a device moved
    "cycles",  # the first field of cycles, float64, as many as devices; those of ages follow
    "die",  # the field of keys and events, see `pulses.die_at`
)
PART = record(
    "signal",  # or -1 for a field
    "field",
    "down",  # bytes to the next row of connections
    "along",  # bytes to the next column
    "written",
    "wide",  # 1 for a field of 64-bit floats
    "scratch",  # 1 for what has no memory but its block
)
LOOP = record(
    "rows",
    "splits",  # parts into which the blocks of a row are split
    "together",  # rows that advance in lockstep
    "begin",  # first slot of the run
    "end",
    "every",  # slots between two checkpoints; 0 for none
    "closes",  # 1 where weights learn from the last slot, too
    "n_steps",
    "steps",  # tables: `STEP`, `OPERAND`, `SOURCE`, `SIGNAL`, `EDGES`, `LEARN`, `PART`, `PULSE`
    "operands",
    "sources",
    "signals",
    "edges",
    "learns",
    "parts",
    "pulses",
    "outs",  # numbers: the signal of each output, or -1
    "moves",  # for each constant bytes from a block to the next
    "base",  # rows: signals, constants, states before and after, checkpoints, matrices, fields of rules
    "constants",
    "entry",
    "leave",
    "checks",
    "matrices",
    "fields",
    "areas",  # scratch: the work areas of the rows in lockstep, which keep states between calls; bytes of one
    "area_bytes",
    "places",  # the table of addresses that a kernel is given
    "ones",  # a block of ones
    "zeros",  # a row of zeros, one for outputs that nobody wants, one for the sum of each operand; bytes of one
    "waste",
    "sums",
    "wide",
    "list",  # a list of nonzeros for one signal
    "lists",  # ``[row in lockstep, or row; part; list; slot % depth]``: nonzeros of the last slots; bytes of one
    "list_bytes",
    "counts",  # how many each has
    "n_lists",
    "depth",
    "learn_at",  # for rules: addresses of operands; which differ from line to line, or are written; a block of each;
    "learn_moving",  # connections of rows, of columns, all; edges; marks
    "learn_blocks",
    "learn_rows",
    "learn_columns",
    "learn_all",
    "learn_edges",
    "marks",
    "row_marks",
    "column_marks",
    "pulse_blocks",  # for pulses: a block of each operand; connections and counts that are listed, how many
    "pulse_rows",
    "pulse_columns",
    "pulse_counts",
    "pulse_length",
    "cuts",  # for the gradient, numbers: the slots in which a signal begins or ends, or the clock changes
    "wants",  # for each signal 1 where its gradient is wanted, 2 where it may be written instead of added
    "g_operands",  # for each operand the signal that keeps its gradient, or -1
    "g_base",  # rows of gradients: of signals, of states before and after, of constants
    "g_entry",
    "g_leave",
    "g_constants",
    "states",  # scratch: the states of a chunk
    floats=("dt",),
)
SHAPE = record(
    "stride",  # of an input of a step that runs alone: bytes from a slot to the next
    "lag",  # slots that it is late
    "slots",
)
SINGLE = record(
    "next",  # the next task, the last one and one more, tasks done: see `threads.crew`
    "last",
    "done",
    "splits",  # tasks into which a row is split
    "rows",
    "every",  # slots between two checkpoints
    "checked",  # 1 where states are kept for the gradient
    "last_cut",
    "ending",  # address of the kernel that follows the last slot, or 0
    "place",  # the input whose place the bottleneck takes (`Kernel.bottleneck`), or -1
    "replaces",  # 1 where the gradient of that input is made of the bottleneck
    "step",  # tables, counted from the record's beginning: `STEP`; `SHAPE` of each input
    "shapes",
    "cuts",  # numbers: the slots in which an input begins or ends, or the clock changes, with the first and the last one
    "moves",  # for each constant bytes from a block to the next
    "out_strides",  # bytes from a slot to the next, of outputs and of gradients of outputs and of inputs
    "back_strides",
    "target_strides",
    "entry",  # rows: states before and after, constants, checkpoints, the bottleneck in the first slot, inputs, outputs
    "leave",
    "constants",
    "checks",
    "spare",
    "inputs",
    "outs",
    "g_entry",  # rows of gradients: of states before and after, of constants, of outputs, of inputs
    "g_leave",
    "g_constants",
    "gradients",
    "targets",
)
GRID = record(
    "tile",  # addresses of the kernels: many slots of a row of connections, and for the gradient
    "again",
    "back",
    "slots",
    "every",  # slots between two checkpoints
    "n_pre",
    "n_post",
    "states",
    "constants",
    "arrivals",  # numbers, one for each row: addresses of arrivals and outputs; elements, bytes from a slot to the next
    "arrival_step",
    "outs",
    "out_stride",
    "rows",
    "entry",  # rows: states before and after, constants, and their gradients
    "leave",
    "values",
    "strides",  # for each constant bytes from a source unit to the next
    "g_arrivals",  # for each row and block the address of ``[slot, pre]``, or 0
    "g_entry",
    "g_leave",
    "g_values",
)
EDGE_GRID = record(
    "tile",  # addresses of the kernels: many slots of the edges of a segment, which are those of one source unit and delay;
    "again",  # and for the gradient
    "back",
    "slots",
    "every",  # slots between two checkpoints
    "n_post",
    "states",
    "constants",
    "rows",
    "parts",  # of the segments, each with a sum of its own
    "cuts",  # numbers: the first segment of each part, and their end
    "segments",
    "begins",  # for each segment its first edge, and the end; its bucket of source and delay; the unit of that source
    "buckets",
    "units",
    "targets",  # 32 bits: the target unit of each edge
    "arrivals",  # rows: what arrives from each bucket; numbers: elements from a slot to the next
    "steps",
    "entry",  # rows: states before and after, constants
    "leave",
    "values",
    "single",  # for each constant 1 where it is one number for all edges
    "outs",  # ``[part, row, slot, post]``; their gradients ``[row, slot, post]``
    "g_arrivals",  # ``[row, segment, slot]``, or 0
    "g_entry",  # rows of gradients: of states before and after, of constants
    "g_leave",
    "g_values",
)
