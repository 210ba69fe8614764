/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any file at all as a profile: it is taken whole or refused whole with a
 * reason in one line, every name in what was taken ends, and the same text
 * gives the same answer again.
 */
#undef NDEBUG /* a broken assertion is what the fuzzer looks for */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <switchyard/profile.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_name(const char *name)
{
    assert(memchr(name, '\0', SY_PROFILE_NAME_BYTES) != NULL);
}

static void check_taken(const struct sy_profile *p)
{
    struct sy_profile_choice c;

    assert(p->machine <= p->machines);
    assert((p->machine == 0) == (p->choice_count == 0));
    assert(p->choice_count <= SY_PROFILE_CHOICES_MAX);
    assert(p->is_strict <= 1 && p->is_stale <= 1);
    for (size_t i = 0; i < SY_PROFILE_FALLBACKS_MAX; i++) {
        check_name(p->fallback_switchers[i]);
        check_name(p->fallback_engines[i]);
    }
    check_name(p->locked_switcher);
    check_name(p->locked_engine);
    for (uint32_t i = 0; i < p->choice_count; i++) {
        const uint32_t jobs_min = p->choices[i].jobs_min;

        sy_profile_choose(p, jobs_min, &c);
        assert(c.jobs_min == jobs_min);
        check_name(c.switcher);
        check_name(c.engine);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct sy_profile empty;
    struct sy_profile p, again;
    char why[SY_PROFILE_WHY_BYTES];
    const char *text = (const char *)data;
    int err = sy_profile_parse(&p, text, bytes, "GenuineIntel 6 106 6", why);

    assert(err == 0 || err == -EINVAL);
    assert(memchr(why, '\0', sizeof(why)) != NULL);
    assert((err == 0) == (why[0] == '\0'));
    assert(strchr(why, '\n') == NULL);
    if (err != 0)
        assert(memcmp(&p, &empty, sizeof(p)) == 0);
    else
        check_taken(&p);
    assert(sy_profile_parse(&again, text, bytes, "GenuineIntel 6 106 6", why) ==
           err);
    assert(memcmp(&p, &again, sizeof(p)) == 0);
    return 0;
}
