/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many jobs at once, each paused on a guarded stack of its own, then each
 * resumed and finished with the right result.
 *
 *     million_jobs [JOBS [SWITCHER [grow]]]
 *
 * With "grow" the pool grows start by start instead of in sy_runtime_open().
 * Counts are checked: the mappings of the process and, where there are enough
 * jobs for it to mean something, the resident bytes per job. Times are printed
 * only (CPU time, for the machine may be busy), beside what a stack costs by
 * one mmap() and one mprotect() each, and what the first touch of a page does.
 */
#include "stress.h"
#include <stdbool.h>
#include <string.h>
#include <switchyard/switcher.h>
#include <sys/mman.h>
#include <time.h>

#define MAPPINGS_MAX      100
#define JOB_BYTES_MAX     4400
#define JOBS_THAT_COUNT   100000
#define PLAIN_STACKS      10000
#define PLAIN_STACK_BYTES (SY_STACK_BYTES_DEFAULT + 4096)

#if SY_ASAN || SY_TSAN
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if SY_TSAN
#define JOBS "1000" /* each has a shadow of several hundred kilobytes */
#else
#define JOBS "20000"
#endif

/* What the program remembers of each job. */
struct record {
    struct sy_job *job;
    int result;
};

static double now_s(void)
{
    struct timespec t;

    STRESS_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line of /proc/self/status, in bytes. */
static double status_bytes(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = -1;

    STRESS_CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            kilobytes = strtod(line + strlen(name) + 1, NULL);
    }
    fclose(file);
    STRESS_CHECK(kilobytes >= 0);
    return kilobytes * 1024;
}

static unsigned long count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    unsigned long lines = 0;
    int c;

    STRESS_CHECK(file != NULL);
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* Its result depends on what was on its stack before the pause. */
static int job_main(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    volatile unsigned on_stack = number * 2654435761u;

    STRESS_CHECK(sy_job_pause() == 0);
    return (int)((on_stack ^ number) >> 1);
}

static int expected(unsigned number)
{
    return (int)(((number * 2654435761u) ^ number) >> 1);
}

/* Seconds for a stack by the usual two calls. */
static double plain_stack_s(unsigned long jobs)
{
    static char *stacks[PLAIN_STACKS];
    unsigned long n = jobs < PLAIN_STACKS ? jobs : PLAIN_STACKS;
    double begin = now_s(), end;

    for (unsigned long i = 0; i < n; i++) {
        stacks[i] = mmap(
            NULL, PLAIN_STACK_BYTES, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        STRESS_CHECK(stacks[i] != MAP_FAILED);
        STRESS_CHECK(mprotect(stacks[i], 4096, PROT_NONE) == 0);
    }
    end = now_s();
    for (unsigned long i = 0; i < n; i++)
        munmap(stacks[i], PLAIN_STACK_BYTES);
    return (end - begin) / (double)n;
}

/* Seconds for the first touch of a page, without any job. */
static double first_touch_s(unsigned long pages)
{
    double begin, end;
    char *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    STRESS_CHECK(memory != MAP_FAILED);
    (void)madvise(memory, pages * 4096, MADV_NOHUGEPAGE);
    begin = now_s();
    for (unsigned long i = 0; i < pages; i++)
        ((volatile char *)memory)[i * 4096] = 1;
    end = now_s();
    munmap(memory, pages * 4096);
    return (end - begin) / (double)pages;
}

static struct sy_runtime *open_pool(const char *switcher, unsigned long jobs,
                                    bool grow)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.switcher = switcher;
    config.engine = "queue"; /* takes no descriptors */
    config.jobs_init = grow ? 0 : (uint32_t)jobs;
    STRESS_CHECK(sy_runtime_open(&rt, &config) == 0);
    return rt;
}

static void start_all(struct sy_runtime *rt, struct record *records,
                      unsigned long jobs)
{
    for (unsigned i = 0; i < jobs; i++) {
        struct sy_job_spec spec = {
            .fn = job_main, .arg = &i, .arg_bytes = sizeof(i)};

        STRESS_CHECK(sy_job_start(rt, &spec, &records[i].job,
                                  &records[i].result) == SY_JOB_PAUSED);
    }
}

static void finish_all(struct record *records, unsigned long jobs)
{
    for (unsigned i = 0; i < jobs; i++) {
        STRESS_CHECK(sy_job_resume(&records[i].job, &records[i].result) ==
                     SY_JOB_FINISHED);
        STRESS_CHECK(records[i].result == expected(i));
    }
}

static void check_counts(const struct sy_runtime_stats *stats,
                         unsigned long jobs, unsigned long mappings,
                         double job_bytes)
{
    STRESS_CHECK(stats->jobs_finished == jobs);
    STRESS_CHECK(stats->stacks_peak == jobs);
    STRESS_CHECK(strcmp(stats->guard, "none") != 0);
    if (SANITIZED || strcmp(stats->guard, "mprotect") == 0)
        return;
    STRESS_CHECK(mappings <= MAPPINGS_MAX);
    /* A switcher that prepares stacks uses more of them. */
    if (jobs >= JOBS_THAT_COUNT &&
        sy_switcher_find(stats->switcher)->prepare == NULL)
        STRESS_CHECK(job_bytes <= JOB_BYTES_MAX);
}

int main(int argc, char **argv)
{
    unsigned long jobs = stress_number(argc > 1 ? argv[1] : JOBS), mappings;
    const char *switcher = argc > 2 ? argv[2] : NULL;
    bool grow = argc > 3 && strcmp(argv[3], "grow") == 0;
    struct record *records = malloc(jobs * sizeof(*records));
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    double t[5], plain_s, touch_s, before, job_bytes, table_bytes;
    struct sy_runtime *rt;

    STRESS_CHECK(records != NULL && jobs <= UINT32_MAX / 2);
    memset(records, 255, jobs * sizeof(*records)); /* resident from here on */
    plain_s = plain_stack_s(jobs);
    touch_s = first_touch_s(jobs);
    before = status_bytes("VmRSS");
    table_bytes = status_bytes("VmPTE");
    t[0] = now_s();
    rt = open_pool(switcher, jobs, grow);
    t[1] = now_s();
    start_all(rt, records, jobs);
    t[2] = now_s();
    job_bytes = (status_bytes("VmRSS") - before) / (double)jobs;
    table_bytes = (status_bytes("VmPTE") - table_bytes) / (double)jobs;
    mappings = count_mappings();
    t[3] = now_s();
    finish_all(records, jobs);
    t[4] = now_s();
    STRESS_CHECK(sy_runtime_get_stats(rt, &stats) == 0);
    printf("%lu jobs, switcher %s, guards by %s%s%s\n"
           "opened in %.3f s, started and paused in %.3f s, finished in "
           "%.3f s\n"
           "per job: %.0f bytes resident, %.0f in page tables; %lu mappings "
           "in the process\n"
           "a job in the pool: %.0f ns, its start and pause: %.0f ns\n"
           "for comparison: a stack by mmap and mprotect %.0f ns, the first "
           "touch of a page %.0f ns\n",
           jobs, stats.switcher, stats.guard,
           stats.guard_note[0] != '\0' ? ": " : "", stats.guard_note,
           t[1] - t[0], t[2] - t[1], t[4] - t[3], job_bytes, table_bytes,
           mappings, (t[1] - t[0]) / (double)jobs * 1e9,
           (t[2] - t[1]) / (double)jobs * 1e9, plain_s * 1e9, touch_s * 1e9);
    fflush(stdout);
    check_counts(&stats, jobs, mappings, job_bytes);
    STRESS_CHECK(sy_runtime_close(rt) == 0);
    free(records);
    return 0;
}
