# SPDX-License-Identifier: Apache-2.0
"""For gdb: step through each start and swap of nested_walk, one instruction at
a time, and ask at each for the way to main and for the registers of main.

A wrong rule in the unwind tables, at whatever instruction and for whatever
register, shows as another way or another value: main waits in one call for as
long as a switch takes, so nothing of it may change.
"""

import gdb

SWITCHES = ("sy_bind_asm_start", "sy_bind_asm_swap")
REGISTERS = ("rip", "rsp", "rbx", "rbp", "r12", "r13", "r14", "r15")
STEPS_MAX = 200  # of one switch, what sy_switcher_finished() executes included


def way_to_main():
    names, frame = [], gdb.newest_frame()
    while frame is not None and len(names) < 60:
        names.append(frame.name())
        if frame.name() == "main":
            return names, tuple(int(frame.read_register(name))
                                for name in REGISTERS)
        frame = frame.older()
    raise gdb.GdbError("FAIL no way to main at %#x: %s" %
                       (gdb.newest_frame().pc(), names))


def step_one(counts):
    """From the first instruction of a switch until it has been left."""
    names, registers = way_to_main()
    inside = names[0] in SWITCHES  # else in sy_switcher_finished()
    for _ in range(STEPS_MAX):
        gdb.execute("stepi", to_string=True)
        counts["instructions"] += 1
        names, now = way_to_main()
        if None in names:
            raise gdb.GdbError("FAIL a frame without a name: %s" % names)
        if now != registers:
            raise gdb.GdbError("FAIL main's registers changed, in %s:\n%s\n%s"
                               % (gdb.execute("x/i $pc", to_string=True),
                                  ["%#x" % r for r in registers],
                                  ["%#x" % r for r in now]))
        if names[0] in SWITCHES:
            inside = True
        elif inside:
            return
    raise gdb.GdbError("FAIL a switch of more than %d instructions" %
                       STEPS_MAX)


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
