/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: files that tell the library which switcher and engine to use on
 * which machine. `switchyard tune` writes them; a person may, too.
 *
 *     [profile]
 *     format = 1
 *     policy = use
 *
 *     [machine "cpu=GenuineIntel 6 106 *"]
 *     [measured]
 *     library = 0.1.0, gcc 12.2.0, optimised
 *     kernel = 6.18.5
 *     [choice]
 *     switcher = asm
 *     engine = queue
 *     spin-ns = 50000
 *     [choice "jobs>=512"]
 *     engine = io_uring
 *     [fallback]
 *     switcher = setjmp, ucontext
 *     engine = eventfd+epoll, pipe+poll
 *
 *     [end]
 *
 * The form is that of ini.h. Sections, in this order:
 *
 *   [profile]        once, first. format: 1, required. policy: use (the
 *                    default) or strict, see "stale".
 *   [machine "cpu=PATTERN"]  one or more; the first whose pattern matches
 *                    sy_profile_cpu() counts, with what follows up to the next
 *                    one. In the pattern * stands for any text, ? for one
 *                    character, [...] for one of a set (fnmatch(3)).
 *   [measured]       what is known about where the choice comes from.
 *                    library is compared with sy_profile_build(); kernel,
 *                    date, command, run, workload, jobs, objective, slo,
 *                    confidence, protocol and note are for the reader.
 *   [choice]         switcher, engine (with its variant, as "pipe+epoll") and
 *                    spin-ns: 1 .. SY_SPIN_NS_MAX, or never. Each may be
 *                    left out; one must be there.
 *   [choice "jobs>=N"]  the same for runtimes that expect at least so many
 *                    jobs (runtime.h). Of several that hold the one with the
 *                    largest N counts; what it leaves out is that of [choice].
 *   [fallback]       switcher, engine: lists, tried in order where the choice
 *                    does not work here. After them comes the built-in order.
 *   [lock]           switcher, engine: the only ones that may be used, as by
 *                    sy_lock_choice().
 *   [end]            required, last, and empty: a file that was cut off lacks
 *                    it.
 *
 * A profile is used whole or refused whole: an unknown section or key, a value
 * out of range, a key given twice, more than SY_PROFILE_BYTES_MAX bytes or a
 * missing [end] refuse it. Names of switchers and engines are not checked
 * here: one that this library lacks, or that does not work here, makes the
 * runtime fall back.
 *
 * A profile is stale if [measured] names another library than
 * sy_profile_build(). It is used all the same and stats.h says so; with
 * policy = strict it is refused.
 *
 * The library reads two files, once, when it is loaded: the one that
 * SWITCHYARD_PROFILE names (nothing if that is empty; ignored in set-uid
 * programs), and /etc/switchyard/profile.conf. runtime.h says what comes before
 * and after them.
 */
#ifndef SWITCHYARD_PROFILE_H
#define SWITCHYARD_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_PROFILE_SYSTEM_PATH "/etc/switchyard/profile.conf"

#define SY_PROFILE_FORMAT        1
#define SY_PROFILE_BYTES_MAX     65536 /* of a file */
#define SY_PROFILE_NAME_BYTES    32    /* of a name, its zero byte included */
#define SY_PROFILE_FACT_BYTES    96    /* of library and kernel, the same */
#define SY_PROFILE_CHOICES_MAX   8     /* for one machine */
#define SY_PROFILE_FALLBACKS_MAX 8     /* of each kind, for one machine */
#define SY_PROFILE_WHY_BYTES     256

struct sy_profile_choice {
    uint32_t jobs_min;                    /* of [choice]: 0 */
    char switcher[SY_PROFILE_NAME_BYTES]; /* "": not said, here and below */
    char engine[SY_PROFILE_NAME_BYTES];
    uint64_t spin_ns; /* 0: not said; SY_NO_SPIN: never */
};

/* What a profile says about one machine. No pointers: copy it as you like. */
struct sy_profile {
    uint32_t machines;  /* [machine] sections in the file */
    uint32_t machine;   /* the one that matches, from 1; 0: none does, and
                           everything below is empty */
    uint32_t is_strict; /* policy: 0 use, 1 strict */
    uint32_t is_stale;  /* measured with another library: 0 or 1 */
    char library[SY_PROFILE_FACT_BYTES];
    char kernel[SY_PROFILE_FACT_BYTES];
    uint32_t choice_count; /* as in the file */
    struct sy_profile_choice choices[SY_PROFILE_CHOICES_MAX];
    char fallback_switchers[SY_PROFILE_FALLBACKS_MAX][SY_PROFILE_NAME_BYTES];
    char fallback_engines[SY_PROFILE_FALLBACKS_MAX][SY_PROFILE_NAME_BYTES];
    char locked_switcher[SY_PROFILE_NAME_BYTES];
    char locked_engine[SY_PROFILE_NAME_BYTES];
};

/*
 * Read a profile's text as a machine would.
 *
 * @out          written on every path; empty on failure
 * @text, @bytes need not end with a zero byte
 * @cpu          the machine: as sy_profile_cpu() names it; NULL: this one
 * @why          on failure what is wrong and where, in one line without a line
 *               feed, and what would be accepted; else ""
 *
 * Allocates nothing. Any thread.
 *
 * Returns 0 (also if no [machine] matches), or -EINVAL.
 */
SY_API SY_MUST_CHECK int sy_profile_parse(struct sy_profile *out,
                                          const char *text, size_t bytes,
                                          const char *cpu,
                                          char why[SY_PROFILE_WHY_BYTES]);

/*
 * Read a profile's file: a regular file of at most SY_PROFILE_BYTES_MAX bytes.
 *
 * Returns as sy_profile_parse(), or
 *   -ENOENT, -EACCES, ...  it cannot be read
 *   -EFBIG   it is larger
 *   -ENOMEM  no memory to read it into
 */
SY_API SY_MUST_CHECK int sy_profile_read(struct sy_profile *out,
                                         const char *path, const char *cpu,
                                         char why[SY_PROFILE_WHY_BYTES]);

/*
 * The choice of a profile for so many expected jobs (0: not known): [choice],
 * and over it the [choice "jobs>=N"] that holds with the largest N.
 *
 * @out  written; empty if the profile has nothing for this machine
 */
SY_API void sy_profile_choose(const struct sy_profile *profile, uint32_t jobs,
                              struct sy_profile_choice *out);

/*
 * Name the CPU of this machine, as in /proc/cpuinfo: on x86 vendor, family,
 * model and stepping, "GenuineIntel 6 106 6"; on others what they have
 * instead; "unknown" if it cannot be read. The same after each boot.
 *
 * Returns a constant string, set when the library was loaded. Any thread.
 */
SY_API const char *sy_profile_cpu(void);

/*
 * Name this build of the library: its version, the compiler's, and whether it
 * was optimised or instrumented: "0.1.0, gcc 12.2.0, optimised".
 *
 * Returns a constant string. Any thread.
 */
SY_API const char *sy_profile_build(void);

SY_END_DECLS
#endif
