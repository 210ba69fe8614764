/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measured loops with the job layer bound to one switcher: this file is
 * compiled once for each, with -DSY_BIND_SWITCHER=its name, which makes start,
 * pause and resume inline functions of the public headers.
 */
#include "bare_switch.h"
#include "job_layer.h"

#ifndef SY_BIND_SWITCHER
#error "compile with -DSY_BIND_SWITCHER=name"
#endif

#define PASTE_NAMES(a, b) a##b
#define PASTE(a, b)       PASTE_NAMES(a, b)
#define SPELL_NAME(a)     #a
#define SPELL(a)          SPELL_NAME(a)

namespace measured
{
void PASTE(add_bound_, SY_BIND_SWITCHER)(scenarios &out);
}

namespace
{
/* The switch itself, as bare_switch.h wants it. */
struct bound_switch {
    static int prepare(void *, const struct sy_stack *)
    {
        return 0;
    }

    static void release(void *)
    {
    }

    static int start(void *from, void *to, void *stack_top, sy_switcher_fn fn)
    {
#if SY_BIND_FORM == SY_BIND_FORM_inline
        struct sy_bind_kept kept = {from, to, nullptr, nullptr, nullptr};
        int unused;

        return sy_bind_inline_start(&kept, stack_top, fn, nullptr, &unused);
#else
        return sy_bind_asm_start(from, to, stack_top, fn, nullptr);
#endif
    }

    SY_ALWAYS_INLINE static inline int swap(void *from, void *to, int value)
    {
#if SY_BIND_FORM == SY_BIND_FORM_inline
        return sy_bind_inline_swap(from, to, value);
#else
        return sy_bind_asm_swap(from, to, value);
#endif
    }
};
} // namespace

void measured::PASTE(add_bound_, SY_BIND_SWITCHER)(scenarios &out)
{
    const std::string candidate = SPELL(SY_BIND_SWITCHER) "-bound";
    auto select = [] { job_layer::switcher = SPELL(SY_BIND_SWITCHER); };

    add_bare_pairs<bound_switch>(out, candidate, [] {});
    add_pairs<job_layer>(out, "pair", candidate, select);
    add_many<job_layer>(out, candidate, select,
                        memory_available_bytes() / (6 * 1024));
    add_lives<job_layer>(out, candidate, select, true);
}
