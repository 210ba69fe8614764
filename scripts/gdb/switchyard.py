# SPDX-License-Identifier: Apache-2.0
"""Commands for gdb: jobs, and the stacks of those that wait.

    (gdb) source scripts/gdb/switchyard.py
    (gdb) sy jobs [MAX]
    (gdb) sy bt N

Works on a stopped program and on its core file; reads memory only, runs
nothing in the program. Needs the debug information of libswitchyard. See
docs/debugging.md.
"""

import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator

# As in core/core.h
GATE_ROOT = 1
WORD_PERMIT = 1
IN_WOKEN = 2
WORD_SHIFT = 2

LIST_MAX = 200
FRAMES_MAX = 200

NOT_DUMPED = ("the stack is not in memory; core files leave job stacks out "
              "unless the runtime is opened with SY_RT_DUMP_STACKS")


class Unknown(Exception):
    """What was asked for cannot be found; the words say why."""


def enum_value(name):
    return int(gdb.parse_and_eval(name))


def pointer(value):
    return int(value.cast(gdb.lookup_type("unsigned long")))


def symbol_at(address):
    block = gdb.block_for_pc(address)
    while block is not None and block.function is None:
        block = block.superblock
    if block is not None:
        return block.function.name
    return "%#x" % address


# ---- how each switcher keeps a job that waits ---------------------------

KEPT = ("rbx", "rbp", "r12", "r13", "r14", "r15", "rsp", "rip")


def context_as(job, name):
    try:
        wanted = gdb.lookup_type("struct " + name).pointer()
    except gdb.error:
        raise Unknown("no debug information about struct " + name)
    return job["ctx"].cast(wanted).dereference()


def registers_asm(job, _thread):
    # struct asm_ctx; no variable has that type, so gdb does not know it.
    order = ("rbp", "rip", "rbx", "rsp", "r12", "r13", "r14", "r15")
    words = job["ctx"].cast(gdb.lookup_type("unsigned long").pointer())
    return {name: int(words[at]) for at, name in enumerate(order)}


def registers_inline(job, _thread):
    # The map in bind/inline_x86_64.h; what else is live lies on the stack.
    words = job["ctx"].cast(gdb.lookup_type("unsigned long").pointer())
    found = dict.fromkeys(KEPT, 0)
    found.update(rbp=int(words[0]), rip=int(words[1]), rsp=int(words[2]),
                 rbx=int(words[3]))  # of use if clang has stored it
    return found


def registers_ucontext(job, _thread):
    saved = context_as(job, "uc_ctx")["uc"]["uc_mcontext"]["gregs"]
    # REG_RBX and so on of <sys/ucontext.h>
    place = {"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11,
             "rsp": 15, "rip": 16}
    return {name: int(saved[place[name]]) & (2**64 - 1) for name in KEPT}


def registers_setjmp(job, thread):
    """glibc hides three of the registers: rol(value ^ guard, 17)."""
    saved = context_as(job, "sj_ctx")["env"][0]["__jmpbuf"]
    thread.gdb_thread.switch()
    try:
        base = int(gdb.newest_frame().read_register("fs_base"))
        word = gdb.lookup_type("unsigned long").pointer()
        guard = int(gdb.Value(base + 0x30).cast(word).dereference())
    except (gdb.error, ValueError):
        raise Unknown("glibc hides the place in a jmp_buf, and its key "
                      "(fs_base + 0x30) cannot be read here")

    def shown(hidden):
        hidden &= 2**64 - 1
        return ((hidden >> 17) | (hidden << 47)) & (2**64 - 1) ^ guard

    place = {"rbx": 0, "rbp": 1, "r12": 2, "r13": 3, "r14": 4, "r15": 5,
             "rsp": 6, "rip": 7}
    result = {name: int(saved[place[name]]) & (2**64 - 1) for name in KEPT}
    for name in ("rbp", "rsp", "rip"):
        result[name] = shown(result[name])
    return result


REGISTERS = {
    "asm": registers_asm,
    "inline": registers_inline,
    "setjmp": registers_setjmp,
    "ucontext": registers_ucontext,
}

# The functions in which the switchers' jobs begin; bt of a job that waits ends
# there. What comes after them is who resumed it last, long ago.
# gdb takes some names in assembly, by clang's debug information, for Ada's.
ROOTS = ("sy_bind_asm_start", "sy__asm_resumed_by", "sy.asm_resumed_by",
         "sy_bind_inline_start", "sy_bind_inline_end")

# Between a root and the job's own function.
ENTRIES = ("job_entry", "run_to_the_end", "sj_run", "th_main", "uc_entry")


# ---- threads, runtimes, jobs --------------------------------------------

class Thread:
    """A thread that has runtimes."""

    def __init__(self, gdb_thread, state):
        self.gdb_thread = gdb_thread
        self.state = state
        self.current = pointer(state["head"]["current"])
        self.running = set()  # the current job, and who resumed it, and so on
        job = state["head"]["current"]
        while (pointer(job) not in self.running and pointer(job) != 0
               and not int(job["gate"]) & GATE_ROOT):
            self.running.add(pointer(job))
            job = job["resumer"]


class Job:
    def __init__(self, thread, runtime, slot):
        self.thread = thread
        self.runtime = runtime
        self.slot = slot
        self.address = pointer(slot)

    def state(self):
        state = int(self.slot["state"])
        if state == enum_value("SLOT_FINISHED"):
            return "finished"
        if state == enum_value("SLOT_QUARANTINED"):
            return "quarantined"
        if (int(self.slot["paused"]) != 0
                or state == enum_value("SLOT_HELD")):
            # The word is an atomic, which gdb shows as its plain type.
            woken = (int(self.slot["word"]) & WORD_PERMIT
                     or int(self.slot["in_gate"]) & IN_WOKEN)
            return "ready" if woken else "paused"
        if self.address == self.thread.current:
            return "running"
        return "resuming"  # another job, which it waits for

    def is_free(self):
        return int(self.slot["state"]) <= enum_value("SLOT_FREE")

    def is_saved(self):
        """Are its registers in its context, and not elsewhere?"""
        state = self.state()
        # A job that resumed one of another runtime is saved elsewhere.
        return (state in ("paused", "ready") or
                state == "resuming" and self.address in self.thread.running)

    def switcher(self):
        return self.runtime["sw"]["name"].string()

    def engine(self):
        name = self.runtime["engine"]["name"].string()
        variant = self.runtime["variant"]
        if pointer(variant) != 0 and variant.string() != "":
            name += "+" + variant.string()
        return name

    def registers(self):
        """The registers of a job that waits."""
        read = REGISTERS.get(self.switcher())
        if read is None:
            raise Unknown("how the switcher %s keeps a job is not known here"
                          % self.switcher())
        try:
            found = read(self.slot, self.thread)
            top = pointer(self.slot["arg_area"])
            # The address to return to at the very least, so not all zeros;
            # some core files have zeros where they have nothing.
            used = gdb.selected_inferior().read_memory(
                found["rsp"], max(8, min(top - found["rsp"], 4096)))
        except gdb.MemoryError:
            raise Unknown(NOT_DUMPED)
        if not any(bytes(used)):
            raise Unknown(NOT_DUMPED)
        return found

    def own_thread(self):
        """Under threads, the one that runs the job."""
        try:
            wanted = int(context_as(self.slot, "th_ctx")["thread"])
        except gdb.MemoryError:
            raise Unknown(NOT_DUMPED)
        for thread in gdb.selected_inferior().threads():
            handle = int.from_bytes(thread.handle(), "little")
            if handle == wanted:
                return thread
        raise Unknown("its thread is not there")

    def has_stack(self):
        return self.runtime["sw"]["caps"] & enum_value("SY_SW_OWN_STACK") != 0

    def stack_bytes(self):
        stacks = self.runtime["stacks"]
        return (pointer(self.slot["arg_area"]) % int(stacks["page_bytes"])
                + int(stacks["policy"]["stack_bytes"]))

    def used_bytes(self):
        """How deep it is now, or None."""
        if not self.has_stack():
            return None
        try:
            if self.switcher() == "threads":
                self.own_thread().switch()
                sp = int(gdb.newest_frame().read_register("rsp"))
            elif self.is_saved():
                sp = self.registers()["rsp"]
            elif self.state() == "running":
                self.thread.gdb_thread.switch()
                sp = int(gdb.newest_frame().read_register("rsp"))
            else:
                return None
        except (Unknown, gdb.error):
            return None
        used = pointer(self.slot["arg_area"]) - sp
        return used if 0 <= used <= self.stack_bytes() else None

    def function(self):
        """The name of what it runs, or '?'."""
        try:
            if self.switcher() == "threads":
                self.own_thread().switch()
                return outermost(frames_from(gdb.newest_frame()))
            if self.is_saved():
                with StackOf(self) as frames:
                    return outermost(frames)
            if self.state() == "running":
                self.thread.gdb_thread.switch()
                return outermost(frames_from(gdb.newest_frame()))
        except (Unknown, gdb.error):
            pass
        return "?"


def frames_from(frame):
    """Frames from this one to the last before a root."""
    frames = []
    while (frame is not None and len(frames) < FRAMES_MAX
           and frame.name() not in ROOTS):
        frames.append(frame)
        frame = frame.older()
    return frames


def outermost(frames):
    names = [frame.name() for frame in frames]
    for entry in ENTRIES:
        if entry in names:
            names = names[:names.index(entry)]
    return names[-1] if names and names[-1] else "?"


class Selection:
    """Leaves thread and frame as they were."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.frame = gdb.selected_frame() if self.thread else None
        return self

    def __exit__(self, *_exception):
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
            if self.frame.is_valid():
                self.frame.select()


def threads():
    """Every thread with runtimes."""
    inferior = gdb.selected_inferior()
    if not inferior.threads():
        raise Unknown("no program is running, and no core file is open")
    for gdb_thread in sorted(inferior.threads(), key=lambda t: t.num):
        gdb_thread.switch()
        try:
            state = gdb.parse_and_eval("sy_bind_self")
            if state.type.code != gdb.TYPE_CODE_PTR:
                raise gdb.error
            whole = gdb.lookup_type("struct sy__thread").pointer()
            state = state.cast(whole).dereference()
            runtimes = pointer(state["runtimes"])
        except gdb.error as error:
            if "sy_bind_self" in str(error) or "thread-local" in str(error):
                raise Unknown("sy_bind_self cannot be read: %s\n"
                              "Either the debug information of libswitchyard "
                              "is missing, or this is a core file without job "
                              "stacks of a program with the switcher threads: "
                              "the C library keeps what it knows of a thread "
                              "on that thread's stack." % error)
            continue
        if runtimes != 0:
            yield Thread(gdb_thread, state)


def all_jobs():
    """Every job, in an order that lasts while the program is stopped."""
    seen = set()
    for thread in threads():
        if pointer(thread.state.address) in seen:
            continue  # a job's own thread, which shows the same state
        seen.add(pointer(thread.state.address))
        runtime = thread.state["runtimes"]
        while pointer(runtime) != 0:
            for at in range(1, int(runtime["slot_count"])):  # 0 is the root
                job = Job(thread, runtime, runtime["slots"][at])
                if not job.is_free():
                    yield job
            runtime = runtime["next"]


# ---- the stack of a job that waits --------------------------------------

class Detour(gdb.unwinder.Unwinder):
    """Says that the innermost frame of the thread was called by a job."""

    def __init__(self):
        super().__init__("switchyard-job")
        self.registers = None
        self.from_pc = 0
        self.from_sp = 0

    def __call__(self, pending):
        if self.registers is None:
            return None
        pc, sp = pending.read_register("rip"), pending.read_register("rsp")
        if pointer(pc) != self.from_pc or pointer(sp) != self.from_sp:
            return None
        word = gdb.lookup_type("unsigned long")
        # Below the job's: a caller must not seem to be inside what it called.
        inside = FrameId(gdb.Value(self.registers["rsp"] - 16).cast(word), pc)
        info = pending.create_unwind_info(inside)
        for name, value in self.registers.items():
            info.add_saved_register(
                name, gdb.Value(value).cast(pending.read_register(name).type))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


detour = Detour()


class StackOf:
    """with StackOf(job) as frames: gdb's frames of it, innermost first."""

    def __init__(self, job):
        self.registers = job.registers()

    def __enter__(self):
        self.selection = Selection().__enter__()
        gdb.invalidate_cached_frames()
        newest = gdb.newest_frame()
        detour.from_pc = pointer(newest.read_register("rip"))
        detour.from_sp = pointer(newest.read_register("rsp"))
        detour.registers = self.registers
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        # The detour itself, and what the compiler made inline in it.
        while frame is not None and frame.pc() == detour.from_pc:
            frame = frame.older()
        return frames_from(frame)

    def __exit__(self, *exception):
        detour.registers = None
        gdb.invalidate_cached_frames()
        self.selection.thread.switch()


def print_stack(job):
    with StackOf(job) as frames:
        for number, frame in enumerate(frames):
            frame.select()
            text = gdb.execute("frame", to_string=True).split("\n")[0]
            print("#%-3d %s" % (number, text.split(None, 1)[1]))
    if not frames:
        raise Unknown("no frame was found")


# ---- the root of a job that runs ----------------------------------------

class RootDecorator(FrameDecorator):
    """gdb takes the root for a signal frame (x86_64_sysv.S says why)."""

    def function(self):
        return "sy_bind_asm_start"


class RootFilter:
    def __init__(self):
        self.name = "switchyard"
        self.priority = 100
        self.enabled = True
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        for frame in frames:
            inferior = frame.inferior_frame()
            if (inferior.type() == gdb.SIGTRAMP_FRAME
                    and inferior.name() in ROOTS):
                yield RootDecorator(frame)
            else:
                yield frame


# ---- commands -----------------------------------------------------------

class Sy(gdb.Command):
    """Jobs of Switchyard: sy jobs, sy bt N."""

    def __init__(self):
        super().__init__("sy", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class SyJobs(gdb.Command):
    """List the jobs of every runtime of every thread: sy jobs [MAX]

state     running, resuming (it waits for a job that it resumed), paused,
          ready (paused and woken), finished (the result is not collected),
          quarantined (ended, a device still uses its memory)
stack     bytes in use now, of how many
function  what it runs, where that can be told"""

    def __init__(self):
        super().__init__("sy jobs", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        most = int(argument) if argument else LIST_MAX
        try:
            with Selection():
                self.print_all(most)
        except Unknown as error:
            raise gdb.GdbError("sy: %s" % error)

    def print_all(self, most):
        form = "%5s  %-11s %-10s %-16s %-15s %-18s %-18s %s"
        print(form % ("job", "state", "switcher", "engine", "stack", "user",
                      "handle", "function"))
        left_out = 0
        number = 0
        for number, job in enumerate(all_jobs(), 1):
            if number > most:
                left_out += 1
                continue
            used = job.used_bytes()
            if not job.has_stack():
                stack = "the caller's"
            else:
                stack = "%s/%d" % ("?" if used is None else used,
                                   job.stack_bytes())
            print(form % (number, job.state(), job.switcher(), job.engine(),
                          stack, "%#x" % pointer(job.slot["user"]),
                          "%#x" % job.address, job.function()))
        if number == 0:
            print("no jobs")
        if left_out != 0:
            print("and %d more: sy jobs %d" % (left_out, number))


class SyBt(gdb.Command):
    """Show the stack of a job: sy bt N, with N as sy jobs shows it.

For a job that runs, or waits for one that it resumed, use bt in its thread."""

    def __init__(self):
        super().__init__("sy bt", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        if not argument.strip().isdigit():
            raise gdb.GdbError("usage: sy bt N")
        try:
            with Selection():
                self.print_one(int(argument))
        except Unknown as error:
            raise gdb.GdbError("sy: %s" % error)

    def print_one(self, wanted):
        for number, job in enumerate(all_jobs(), 1):
            if number == wanted:
                break
        else:
            raise Unknown("there is no job %d" % wanted)
        state = job.state()
        if state in ("finished", "quarantined"):
            raise Unknown("job %d is %s: it has no frames" % (wanted, state))
        if job.switcher() == "threads":
            job.own_thread().switch()
            gdb.execute("bt")
        elif job.is_saved():
            print_stack(job)
        else:
            thread = job.thread.gdb_thread
            print("job %d is %s: this is the stack of thread %d" %
                  (wanted, state, thread.num))
            thread.switch()
            gdb.execute("bt")


gdb.unwinder.register_unwinder(None, detour, replace=True)
RootFilter()
Sy()
SyJobs()
SyBt()
