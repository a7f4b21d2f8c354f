# ruff: noqa: F821
# mypy: ignore-errors
"""Learning by pulses on devices: changes of weight are rounded to whole counts, and the connections whose count is not 0 are
listed; a kernel of the devices' law then works on blocks of that list.

Every number that is drawn depends on the event, the die and the place of the device only (`base.random`), so that only those are
drawn which are needed.
"""

import math

pulse_at = reader(PULSE)
LARGEST = 1.0 if SIZE == 8 else 1.0 - 2.0**-24  # of a uniform number that is rounded to F


@njit(error_model="numpy", inline="always")
def pair(unit, event, k0, k1):
    """The 52 bits of the two units, ``unit`` and the next one, that share a counter."""
    zero = np.uint64(0)
    a, b, c, d = philox_words(np.uint64(unit >> 1), np.uint64(event), zero, zero, np.uint64(k0), np.uint64(k1))
    return np.int64((a << np.uint64(20)) | (b >> np.uint64(12))), np.int64((c << np.uint64(20)) | (d >> np.uint64(12)))


@njit(error_model="numpy", inline="always")
def uniform_of(bits):
    """The number in (0, 1) of 52 bits, which rounding to F does not make 1."""
    u = (bits + 0.5) * 2.0**-52
    return F(u if u < LARGEST else LARGEST)


@inner
def uniforms(target, first, step, n, event, k0, k1):
    """Fill a block with the uniform numbers of the units ``first``, ``first + step`` and so on."""
    v, start = vector(target, n), np.int64(0)
    if step == 1:
        if first & 1 and n:
            even, odd = pair(first, event, k0, k1)
            v[0] = uniform_of(odd)
            start = np.int64(1)
        half = (n - start) >> 1
        for j in range(half):
            even, odd = pair(first + start + 2 * j, event, k0, k1)
            v[start + 2 * j] = uniform_of(even)
            v[start + 2 * j + 1] = uniform_of(odd)
        start += 2 * half
    for j in range(start, n):
        unit = first + j * step
        even, odd = pair(unit, event, k0, k1)
        v[j] = uniform_of(odd if unit & 1 else even)


@inner
def normal_of(unit, event, k0, k1):
    """The standard normal number of a unit (Box & Muller)."""
    even, odd = pair(unit, event, k0, k1)
    radius = math.sqrt(-2 * math.log((even + 0.5) * 2.0**-52))
    angle = 2 * math.pi * ((odd + 0.5) * 2.0**-52)
    return F(radius * math.sin(angle)) if unit & 1 else F(radius * math.cos(angle))


@inner
def die_at(record, x, r):
    """The keys of the die of a row: of rounding, of its devices; the number of the event of slot 0; whether a change was no
    number.
    """
    run = loop_at(record, 0)
    pulse = pulse_at(run.pulses, learn_at(run.learns, x).pulse)
    return integers(integers(run.fields)[pulse.die * run.rows + r])


@inner
def draw(record, x, r, t, line, first, width, down):
    """Draw the numbers by which the counts of a block of a row are rounded, or (``down``) of a column."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    pulse = pulse_at(run.pulses, rule.pulse)
    if pulse.u >= 0:
        die, n = die_at(record, x, r), rule.n_post
        begin, step = (first * n + line, n) if down else (line * n + first, np.int64(1))
        uniforms(run.learn_blocks + pulse.u * ONE, begin, step, width, die[4] + t, die[0], die[1])


@inner
def collect_counts(record, x, r, t, line, first, width, down, done, n_done):
    """List the connections of a block whose count is not 0, without the rows that are done; pulse them when there are many."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    pulse, length = pulse_at(run.pulses, rule.pulse), integers(run.pulse_length)
    count, position = vector(run.learn_blocks + pulse.count * ONE, width), listed(done)
    rows, columns, counts = listed(run.pulse_rows), listed(run.pulse_columns), vector(run.pulse_counts, 2 * BLOCK)
    found = length[0]
    for q in range(n_done):
        count[position[q] - first] = F(0)
    for j in range(width):
        rows[found] = first + j if down else line
        columns[found] = line if down else first + j
        counts[found] = count[j]
        found += count[j] != F(0)
    length[0] = found
    if found > BLOCK:
        deliver_pulses(record, x, r, t)


@inner
def gather_part(target, source, part, start, width, rows, columns):
    """Copy an operand of the connections of a block from where it lies."""
    a, at, to = vector(target, width), listed(rows), listed(columns)
    if part.wide:
        for e in range(width):
            a[e] = F(wide_floats(source + at[start + e] * part.down + to[start + e] * part.along)[0])
    elif part.down == 0 and part.along == 0:
        fill(target, width, vector(source, 1)[0])
    else:
        for e in range(width):
            a[e] = vector(source + at[start + e] * part.down + to[start + e] * part.along, 1)[0]


@intrinsic
def wide_floats(typing, address):
    """The address as a pointer to floats of 64 bits."""
    return pointer(types.float64)


@inner
def draw_normals(record, x, r, t, start, width):
    """Draw the normal numbers of the devices of a block."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    pulse, die = pulse_at(run.pulses, rule.pulse), die_at(record, x, r)
    at, to = listed(run.pulse_rows), listed(run.pulse_columns)
    for q in range(pulse.normals):
        offset = integers(pulse.offsets)[q]
        z = vector(run.pulse_blocks + (1 + q) * ONE, width)
        for e in range(width):
            unit = offset + at[start + e] * rule.n_post + to[start + e]
            z[e] = normal_of(unit, die[4] + t, die[2], die[3])


@inner
def count_writes(record, x, r, start, width):
    """Count the pulses that moved a device among its cycles, and let its age begin anew."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    pulse = pulse_at(run.pulses, rule.pulse)
    at, to, counts = listed(run.pulse_rows), listed(run.pulse_columns), vector(run.pulse_counts, 2 * BLOCK)
    for d in range(pulse.devices):
        moved = vector(run.pulse_blocks + (pulse.moved + d) * ONE, width)
        cycles = wide_floats(integers(run.fields)[(pulse.cycles + d) * run.rows + r])
        age = wide_floats(integers(run.fields)[(pulse.cycles + pulse.devices + d) * run.rows + r])
        for e in range(width):
            if moved[e] != F(0):
                i = at[start + e] * rule.n_post + to[start + e]
                cycles[i] += np.float64(abs(counts[start + e]))
                age[i] = 0.0


@inner
def deliver_pulses(record, x, r, t):
    """Apply the pulses that are listed, block by block, and find the weights that the devices then act as."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    pulse, length = pulse_at(run.pulses, rule.pulse), integers(run.pulse_length)
    work, at, to, counts = (
        run.pulse_blocks,
        listed(run.pulse_rows),
        listed(run.pulse_columns),
        vector(run.pulse_counts, 2 * BLOCK),
    )
    first, last = pulse.first, pulse.last
    for start in range(0, length[0], BLOCK):
        width = min(BLOCK, length[0] - start)
        copy(work, run.pulse_counts + start * SIZE, width * SIZE)
        for e in range(width):
            if not abs(counts[start + e]) < F(np.inf):
                die_at(record, x, r)[5] = 1
        draw_normals(record, x, r, t, start, width)
        for i in range(first, last):
            part = part_at(run.parts, i)
            source = integers(run.fields)[part.field * run.rows + r]
            gather_part(
                work + (1 + pulse.normals + i - first) * ONE, source, part, start, width, run.pulse_rows, run.pulse_columns
            )
        call_block(pulse.kernel, work, width)
        for i in range(first, last):
            part = part_at(run.parts, i)
            if part.written:
                target = integers(run.fields)[part.field * run.rows + r]
                new = vector(work + (1 + pulse.normals + i - first) * ONE, width)
                for e in range(width):
                    vector(target + at[start + e] * part.down + to[start + e] * part.along, 1)[0] = new[e]
        count_writes(record, x, r, start, width)
    length[0] = 0
