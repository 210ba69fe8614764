/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <switchyard/clock.h>
#include <sys/resource.h>
#include <unistd.h>

/* The machine is called busy when others have more than this part of it. */
#define BUSY_SHARE 0.1

/* CPU time is counted in ticks, so shorter than this says nothing. */
#define SHORTEST_S 1.0

/* Steal, what the host gave to other machines, is taken from us too. */
static double read_busy_s(void)
{
    double user, nice, system, idle, iowait, irq, softirq, steal, ticks = -1;
    FILE *file = fopen("/proc/stat", "r");

    if (file == NULL)
        return -1;
    if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice,
               &system, &idle, &iowait, &irq, &softirq, &steal) == 8)
        ticks = user + nice + system + irq + softirq + steal;
    fclose(file);
    return ticks < 0 ? -1 : ticks / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_s_of(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) == -1)
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void machine_load_read(struct machine_load *load)
{
    if (getloadavg(&load->average, 1) != 1)
        load->average = -1;
    load->busy_s = read_busy_s();
    load->own_s = cpu_s_of(RUSAGE_SELF) + cpu_s_of(RUSAGE_CHILDREN);
    load->at_s = (double)sy_clock_now_ns(sy_clock_monotonic()) / 1e9;
    load->cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * The load average alone would not do: it counts what this program itself ran,
 * and for a minute what was compiled before it.
 */
const char *machine_load_describe(const struct machine_load *before,
                                  const struct machine_load *after, char *buf,
                                  size_t bytes)
{
    const double passed_s = after->at_s - before->at_s;
    double others;

    if (bytes > 0)
        buf[0] = '\0';
    if (before->busy_s < 0 || after->busy_s < 0 || after->cpus <= 0 ||
        passed_s < SHORTEST_S)
        return buf;
    others = (after->busy_s - before->busy_s - (after->own_s - before->own_s)) /
             passed_s;
    if (others > after->cpus * BUSY_SHARE)
        snprintf(buf, bytes,
                 "The machine was busy: other programs used %.1f of its %.0f "
                 "CPUs meanwhile\n(load average %.1f before, %.1f after).",
                 others, after->cpus, before->average, after->average);
    return buf;
}
