# SPDX-License-Identifier: Apache-2.0
"""For gdb: step through each start and swap of nested_walk, one instruction at
a time, and ask at each for the way to main and for the registers of each frame
on it.

While a switch takes place, every function on the way waits in one call. So at
each instruction, the frames and their registers must be those that were there
before the switch, or those that are there after it. A wrong rule in the unwind
tables, at whatever instruction and for whatever register, shows as something
else; so that every register matters, each fill_and_call() on the way
(fill_registers.S) must have the values that it made up.
"""

import gdb

SWITCHES = ("sy_bind_asm_start", "sy_bind_asm_swap")
REGISTERS = ("rip", "rsp", "rbx", "rbp", "r12", "r13", "r14", "r15")
ASM = SWITCHES + ("sy__asm_resumed_by",)
STEPS_MAX = 200  # of one switch, what sy_switcher_finished() executes included


FILLED = ("rbx", "r12", "r13", "r14", "r15")
FIRST_NUMBER = 0x5ca1ab1e00000000


def check_filled(frame):
    values = [int(frame.read_register(name)) for name in FILLED]
    if (values[0] < FIRST_NUMBER or values[0] % 16 != 0
            or values != [values[0] + n for n in range(len(FILLED))]):
        raise gdb.GdbError("FAIL at %#x, the registers of fill_and_call: %s" %
                           (gdb.newest_frame().pc(),
                            ["%#x" % value for value in values]))


def way_from_main():
    """Name and registers of each frame, from main inwards."""
    frames, frame = [], gdb.newest_frame()
    while frame is not None and len(frames) < 60:
        if frame.type() == gdb.INLINE_FRAME:  # a part of the next one
            frame = frame.older()
            continue
        name = frame.name()
        if name is not None:  # gdb takes some names for Ada's
            name = name.replace("sy.asm_", "sy__asm_")
        registers = tuple(int(frame.read_register(r)) for r in REGISTERS)
        if name == "fill_and_call":
            check_filled(frame)
        if name is None:
            break
        frames.append((name, registers))
        if name == "main":
            return frames[::-1]
        frame = frame.older()
    raise gdb.GdbError("FAIL no way to main at %#x: %s" %
                       (gdb.newest_frame().pc(), [f[0] for f in frames]))


def others(frames):
    """All but those of the switch itself."""
    return [frame for frame in frames if frame[0] not in ASM]


def show(frames):
    return "\n".join("  %s: %s" % (name, " ".join(
        "%s=%#x" % pair for pair in zip(REGISTERS, values)))
        for name, values in frames)


def step_one(counts):
    """From the first instruction of a switch until it has been left."""
    now = way_from_main()
    before = others(now)
    inside = now[-1][0] in SWITCHES  # else in sy_switcher_finished()
    seen = []
    for _ in range(STEPS_MAX):
        gdb.execute("stepi", to_string=True)
        counts["instructions"] += 1
        now = way_from_main()
        if now[-1][0] in SWITCHES:
            inside = True
            where = gdb.execute("x/i $pc", to_string=True).strip()
            seen.append((where, others(now)))
        elif inside:
            break
    else:
        raise gdb.GdbError("FAIL a switch of more than %d instructions" %
                           STEPS_MAX)
    after = others(now)
    for where, frames in seen:
        # A function that was just entered is not there before it is called.
        if frames not in (before, after, after[:-1]):
            raise gdb.GdbError(
                "FAIL at %s\n%s\nis neither before\n%s\nnor after\n%s" %
                (where, show(frames), show(before), show(after)))


def run():
    gdb.execute("set pagination off")
    gdb.execute("set debuginfod enabled off")
    for name in SWITCHES:
        gdb.Breakpoint("*" + name)
    gdb.Breakpoint("*sy_switcher_finished")
    counts = {"instructions": 0}
    switches = 0
    gdb.execute("run", to_string=True)
    while gdb.selected_inferior().pid != 0:
        step_one(counts)
        switches += 1
        gdb.execute("continue", to_string=True)
    if switches < 16:
        raise gdb.GdbError("FAIL only %d switches were seen" % switches)
    print("ok %d switches, %d instructions" %
          (switches, counts["instructions"]))


run()
