/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says in /proc and /sys about how it runs the CPUs, in words
 * that are the same after each boot: for the fingerprint, for the first line
 * of run files, and for `switchyard doctor`.
 *
 * Where the two trees stand is a parameter, so that tests can make them up.
 */
#ifndef SY_BENCH_KERNEL_SETTINGS_H
#define SY_BENCH_KERNEL_SETTINGS_H

#include <stddef.h>

#define SY_PROC "/proc"
#define SY_SYS  "/sys"

/* "" is: not known. */
struct sy_kernel_settings {
    char governor[128];     /* each once: "performance", "ondemand powersave" */
    char turbo[8];          /* "on", "off" */
    char smt[8];            /* "on": CPUs share cores; "off" */
    char isolated[128];     /* a list of CPUs, "none" */
    char clock_source[32];  /* "tsc" */
    char mitigations[4096]; /* a line "name: what is done" for each weakness
                               that this CPU has; "none" */
};

/* Read them. @sys is "/sys", or what stands for it. */
void sy_kernel_settings_read(struct sy_kernel_settings *settings,
                             const char *sys);

/*
 * Read the first line of a file, without its end.
 *
 * @root  "/proc", "/sys", or what stands for it
 * @path  below root
 * @buf   set to the line, "" on failure
 *
 * Returns 0 or -errno.
 */
int sy_kernel_line(const char *root, const char *path, char *buf, size_t bytes);

/* Read a file whose first line is a whole number. Returns 0 or -errno, -EINVAL
   if that is not one; *value is set on success only. */
int sy_kernel_number(const char *root, const char *path, long long *value);

/*
 * Find "key: value" in a file with one such line per item, as
 * /proc/self/status; the first entry counts.
 *
 * Returns 0, -ENOENT if there is no such file or no such key, or -errno.
 */
int sy_kernel_value(const char *root, const char *path, const char *key,
                    char *buf, size_t bytes);

#endif
